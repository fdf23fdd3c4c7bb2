"""A LightningModule and its Trainer inside a training function. Nothing of ours is needed but the function."""

import lightning
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

PRECISION = {"bf16": "bf16-mixed", "fp16": "16-mixed", "off": "32-true"}  # Lightning's words for ours


def load():
    digits = load_digits()
    return torch.tensor(digits.data, dtype=torch.float32) / 16, torch.tensor(digits.target)


class Digits(lightning.LightningModule):
    def __init__(self, width, dropout):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, width), nn.ReLU(), nn.Dropout(dropout), nn.Linear(width, 10))

    def training_step(self, batch, index):
        x, y = batch
        return F.cross_entropy(self.net(x), y)

    def test_step(self, batch, index):
        x, y = batch
        self.log("accuracy", (self.net(x).argmax(1) == y).float().mean(), batch_size=len(y))

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=3e-3)


def train(run, *, width=64, dropout=0.0):
    fit, test = run.split(run.data, test=0.3)
    lightning.seed_everything(run.seed, verbose=False)
    trainer = lightning.Trainer(
        max_epochs=3,
        precision=PRECISION[run.amp.precision],
        accelerator=run.device.type,
        devices=[run.device.index or 0] if run.device.type == "cuda" else 1,
        default_root_dir=run.scratch,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    model = run.init(Digits(width, dropout))
    trainer.fit(model, run.loader(fit, batch_size=32))
    (metrics,) = trainer.test(model, run.loader(test, batch_size=256, shuffle=False), verbose=False)
    return metrics
