"""Make data/digits.npz: real learning curves of the demo's network over a grid.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.search.digits

trains every configuration of the grid on plain digits (no changed copies), once for
each seed, and keeps the held-out loss after every epoch. It takes some 15 minutes.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.demo import network

DATA = Path(__file__).with_name("data") / "digits.npz"
GRID: Mapping[str, list[Any]] = {
    "learning_rate": [0.003, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0],
    "momentum": [0.0, 0.5, 0.8, 0.95],
    "hidden_units": [4, 8, 16, 48],
    "batch_size": [16, 32, 64, 128],
    "weight_decay": [1e-5, 1e-4, 1e-3],
}
SEEDS = 2
EPOCHS = 20


def plain(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    return images


def curves() -> Iterator[list[list[float]]]:
    """For every configuration, the last parameter fastest, a curve for each seed."""
    for values in itertools.product(*GRID.values()):
        settings = dict(zip(GRID, values, strict=True))
        yield [curve(settings, seed) for seed in range(SEEDS)]


def curve(settings: Mapping[str, Any], seed: int) -> list[float]:
    """The held-out cross-entropy after every epoch; NaN once training diverged."""
    with np.errstate(all="ignore"):
        epochs = network.training(**settings, epochs=EPOCHS, seed=seed)
        return [scores["loss"] for _, scores, _ in epochs]


def main() -> None:
    network.COPIES, network.changed = 1, plain  # type: ignore[assignment]
    DATA.parent.mkdir(exist_ok=True)
    losses = np.array(list(curves()), np.float32)
    np.savez_compressed(DATA, losses=losses, grid=json.dumps(GRID))


if __name__ == "__main__":
    main()
