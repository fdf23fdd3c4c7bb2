"""A small network that reads handwritten digits: what the gates make claims about."""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn


def load():
    """1797 images of 8 x 8 pixels, shipped with scikit-learn: what `run.data` is."""
    digits = load_digits()
    return torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)


class Net(nn.Module):
    def __init__(self, width, *, batch_norm):
        super().__init__()
        self.hidden = nn.Linear(64, width)
        self.norm = nn.BatchNorm1d(width) if batch_norm else nn.Identity()
        self.out = nn.Linear(width, 10)

    def forward(self, x):
        return self.out(F.relu(self.norm(self.hidden(x))))


def train(run, *, width=128, batch_norm=False, lr=3e-3, epochs=5):
    fit, (x_test, y_test) = run.split(run.data, test=0.5)
    model = run.init(Net(width, batch_norm=batch_norm)).to(run.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    for epoch in range(epochs):
        for x, y in run.loader(fit, batch_size=32):
            with run.amp.autocast():
                loss = F.cross_entropy(model(x), y)
            run.amp.step(loss, optimizer)
        run.log(epoch, loss=float(loss))

    model.eval()
    with torch.no_grad():
        predicted = model(x_test.to(run.device)).argmax(1).cpu()
    return {"acc": (predicted == y_test).float().mean()}
