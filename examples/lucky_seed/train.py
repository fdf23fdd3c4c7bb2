"""Learn to read digits from a hundred labelled images: so few that the seed moves the accuracy by points."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


def load():
    digits = load_digits()
    return torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)


def train(run, *, weight_decay=0.01):
    fit, (x_test, y_test) = run.split(run.data, test=1697)
    model = run.init(nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))).to(run.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02, weight_decay=weight_decay)
    for epoch in range(5):
        for x, y in run.loader(fit, batch_size=16):
            with run.amp.autocast():
                loss = F.cross_entropy(model(x), y)
            run.amp.step(loss, optimizer)
        run.log(epoch, loss=float(loss))

    with torch.no_grad():
        predicted = model(x_test.to(run.device)).argmax(1).cpu()
    return {"acc": (predicted == y_test).float().mean()}
