"""Handwritten digits, 8 by 8 pixels, and a small network whose training has five components that can be left out."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


def load():
    digits = load_digits()
    return torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)


def network(batch_norm):
    layers, inputs = [], 64
    for _ in range(2):
        layers += [nn.Linear(inputs, 64), nn.BatchNorm1d(64) if batch_norm else nn.Identity(), nn.ReLU()]
        inputs = 64
    return nn.Sequential(*layers, nn.Linear(64, 10))


def mirrored(x, generator):
    """Half of the images turned left to right: what helps on photographs makes other digits of these."""
    turned = torch.rand(len(x), 1, generator=generator) < 0.5
    return torch.where(turned.to(x.device), x.view(-1, 8, 8).flip(2).view(-1, 64), x)


def components(run, *, batch_norm=False, momentum=0.0, weight_decay=0.0, clip_norm=None, mirror=False):
    fit, (x_test, y_test) = run.split(run.data, test=0.3)
    model = run.init(network(batch_norm)).to(run.device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=momentum, weight_decay=weight_decay)
    for epoch in range(3):
        model.train()
        for x, y in run.loader(fit, batch_size=64):
            x = mirrored(x, run.generator("mirror")) if mirror else x
            with run.amp.autocast():
                loss = F.cross_entropy(model(x), y)
            run.amp.step(loss, optimizer, clip_norm=clip_norm)
        run.log(epoch, loss=float(loss))
    model.eval()
    with torch.no_grad():
        scores = model(x_test.to(run.device)).float().cpu()
    return {
        "accuracy": float((scores.argmax(1) == y_test).float().mean()),
        "loss": float(F.cross_entropy(scores, y_test)),
    }
