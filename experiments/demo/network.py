"""A neural network for handwritten digits, in numpy: data, network and training.

Every epoch sees the training images changed anew (turned, moved, speckled), so that
1,347 small images do not get learnt by heart.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

DATA = Path(__file__).with_name("digits.csv.gz")
SIDE = 8  # pixels
HELD_OUT = 450  # images that only judge
SPLIT_SEED = 20  # the same images judge every trial, whatever the trial's own seed
COPIES = 10  # changed copies of every image in an epoch
TURN = np.deg2rad(25)  # how far an image is turned at most
SHIFT = 1.0  # how far it is moved at most, in pixels
NOISE = 0.3  # how much a pixel changes, where 1 is black

Weights = dict[str, np.ndarray]
Scores = dict[str, float]


def load_digits(path: Path = DATA) -> tuple[np.ndarray, np.ndarray]:
    """Images as rows of 64 pixels from 0 (white) to 1 (black), and their digits."""
    table = np.loadtxt(path, delimiter=",")
    return table[:, :-1] / 16, table[:, -1].astype(int)


def split(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Which of `size` images train and which judge; always the same."""
    order = np.random.default_rng(SPLIT_SEED).permutation(size)
    return order[HELD_OUT:], order[:HELD_OUT]


def training(
    *,
    learning_rate: float,
    momentum: float,
    hidden_units: int,
    batch_size: int,
    weight_decay: float,
    epochs: int,
    seed: int,
) -> Iterator[tuple[int, Scores, Weights]]:
    """Minibatch gradient descent with momentum; after each epoch its number from 1,
    the scores and the weights (which the next epoch changes in place)."""
    images, digits = load_digits()
    kept, held_out = split(len(images))
    rng = np.random.default_rng(seed)
    weights = new_network(hidden_units, rng)
    speed = {name: np.zeros_like(value) for name, value in weights.items()}
    for epoch in range(1, epochs + 1):
        order = np.concatenate([rng.permutation(kept) for _ in range(COPIES)])
        seen, wanted = changed(images[order], rng), digits[order]
        losses = []
        for start in range(0, len(order), batch_size):
            batch = slice(start, start + batch_size)
            slopes, loss = gradients(weights, seen[batch], wanted[batch])
            losses.append(loss)
            for name, weight in weights.items():
                slope = slopes[name] + weight_decay * weight
                speed[name] = momentum * speed[name] - learning_rate * slope
                weight += speed[name]
        scores = judged(weights, images[held_out], digits[held_out])
        yield epoch, scores | {"train_loss": float(np.mean(losses))}, weights


def new_network(hidden: int, rng: np.random.Generator) -> Weights:
    """Two hidden layers of the same width, drawn for ReLU (He et al., 2015)."""
    widths = [SIDE * SIDE, hidden, hidden, 10]
    weights: Weights = {}
    for layer in range(3):
        shape = widths[layer], widths[layer + 1]
        weights[f"w{layer}"] = rng.standard_normal(shape) * np.sqrt(2 / shape[0])
        weights[f"b{layer}"] = np.zeros(shape[1])
    return weights


def forward(weights: Weights, images: np.ndarray) -> list[np.ndarray]:
    """What enters each of the three layers, then the log-probabilities (n x 10)."""
    entering = [images]
    for layer in range(2):
        reached = entering[-1] @ weights[f"w{layer}"] + weights[f"b{layer}"]
        entering.append(np.maximum(reached, 0))
    scores = entering[-1] @ weights["w2"] + weights["b2"]
    scores -= scores.max(axis=1, keepdims=True)
    return [*entering, scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))]


def gradients(
    weights: Weights, images: np.ndarray, digits: np.ndarray
) -> tuple[Weights, float]:
    """The slope of the mean cross-entropy along every weight, and that mean."""
    *entering, logs = forward(weights, images)
    rows = np.arange(len(digits))
    error = np.exp(logs)
    error[rows, digits] -= 1
    error /= len(digits)
    slopes: Weights = {}
    for layer in (2, 1, 0):
        slopes[f"w{layer}"] = entering[layer].T @ error
        slopes[f"b{layer}"] = error.sum(axis=0)
        if layer:
            error = (error @ weights[f"w{layer}"].T) * (entering[layer] > 0)
    return slopes, -float(logs[rows, digits].mean())


def judged(weights: Weights, images: np.ndarray, digits: np.ndarray) -> Scores:
    """Accuracy and mean cross-entropy on images that took no part in training."""
    logs = forward(weights, images)[-1]
    right = logs.argmax(axis=1) == digits
    loss = -logs[np.arange(len(digits)), digits].mean()
    return {"accuracy": float(right.mean()), "loss": float(loss)}


def changed(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every image turned, moved and speckled at random, as handwriting varies."""
    angle = rng.uniform(-TURN, TURN, (len(images), 1))
    down, right = rng.uniform(-SHIFT, SHIFT, (2, len(images), 1))
    middle = (SIDE - 1) / 2
    row, column = np.indices((SIDE, SIDE)).reshape(2, -1) - middle
    y = np.cos(angle) * row - np.sin(angle) * column + middle + down
    x = np.sin(angle) * row + np.cos(angle) * column + middle + right
    speckles = rng.standard_normal(images.shape)
    return read_between(images, y, x) + NOISE * speckles


def read_between(images: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Every image read at points (y, x) between its pixels, bilinear; white outside."""
    width = SIDE + 3  # with white around: one pixel before, two after
    framed = np.pad(images.reshape(-1, SIDE, SIDE), ((0, 0), (1, 2), (1, 2)))
    y, x = np.clip(y + 1, 0, SIDE + 1), np.clip(x + 1, 0, SIDE + 1)
    top, left = y.astype(int), x.astype(int)
    down, right = y - top, x - left
    corner = (np.arange(len(images))[:, None] * width + top) * width + left
    ink = framed.ravel()
    above = ink[corner] * (1 - right) + ink[corner + 1] * right
    corner += width
    below = ink[corner] * (1 - right) + ink[corner + 1] * right
    between: np.ndarray = above * (1 - down) + below * down
    return between
