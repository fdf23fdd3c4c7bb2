"""Masses of the breast, benign or malignant, told by nearest neighbours: tested in folds that keep patients whole."""

import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

READINGS = 3
"""How often each mass is measured. Made up: the data have one row a mass, and the other readings differ by 2 % noise."""


def load():
    """Features of shape (readings, 30), classes, and the patient of each reading."""
    features, malignant = load_breast_cancer(return_X_y=True)
    noise = np.random.default_rng(0).normal(1.0, 0.02, (READINGS, *features.shape))
    readings = (features * noise).reshape(-1, features.shape[1])
    return readings, np.tile(malignant, READINGS), np.tile(np.arange(len(features)), READINGS)


def train(run, *, scale=False, neighbours=5):
    features, malignant, patients = run.data
    fit, test = run.split(len(features), folds=5, groups=patients, stratify=malignant)
    x, y = features[fit], features[test]
    if scale:
        scaler = StandardScaler().fit(x)
        x, y = scaler.transform(x), scaler.transform(y)
    model = KNeighborsClassifier(neighbours).fit(x, malignant[fit])
    return {"accuracy": model.score(y, malignant[test])}
