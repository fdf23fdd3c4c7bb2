"""Handwritten digits, 8 by 8 pixels (they ship with scikit-learn), and a small network that learns them."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


def load():
    digits = load_digits()
    return torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)


class Net(nn.Module):
    def __init__(self, width, batch_norm):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(64, width), nn.Linear(width, width)])
        self.norms = nn.ModuleList(
            [nn.BatchNorm1d(width) if batch_norm else nn.Identity() for _ in self.layers]
        )
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = F.relu(norm(layer(x)))
        return self.head(x)


def train(run, *, width=128, batch_norm=False, lr=3e-3, epochs=5):
    fit, test = run.split(run.data, test=0.3)
    model = run.init(Net(width, batch_norm)).to(run.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    for epoch in range(epochs):
        for x, y in run.loader(fit, batch_size=32):
            with run.amp.autocast():
                loss = F.cross_entropy(model(x), y)
            run.amp.step(loss, optimizer, clip_norm=1.0)
        run.log(epoch, loss=float(loss))

    model.eval()
    right = total = 0
    with torch.no_grad():
        for x, y in run.loader(test, batch_size=256, shuffle=False):
            right += (model(x).argmax(1) == y).sum().item()
            total += len(y)
    return {"accuracy": right / total}
