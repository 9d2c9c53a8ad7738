"""Train a small network on handwritten digits: by hand, or as a trial of a sweep.

    python train.py --epochs 5

prints one line per epoch. Inside a sweep the same script also reports every epoch
and ends when it is asked to; the lines that do so are marked. The training itself is
in network.py, which knows nothing of sweeps.

The seed is the same in every trial, on purpose: what differs between two trials is
then the work of their values, and one that runs again on the same machine repeats its
curve to the last digit, so a rerun to its end shows what an early end has cut off.
To let chance in, add a seed to the search space and to the command:
--seed ${{search_space.seed}}.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

# One thread per trial: several run side by side, and numpy reads this only once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")

import network  # type: ignore[import-not-found]
import numpy as np

try:
    import sweepsite_client as sweep  # sweepsite: on the path of every trial
except ImportError:
    sweep = None  # run by hand, away from sweepsite


def main() -> None:
    """Train, print, keep the best weights, and report as a trial of a sweep does."""
    settings = arguments()
    outputs = Path(os.environ.get("SWEEPSITE_OUTPUTS", "outputs"))  # sweepsite: kept
    outputs.mkdir(parents=True, exist_ok=True)
    best = -1.0
    for epoch, scores, weights in network.training(**vars(settings)):
        print(line(epoch, settings.epochs, scores), flush=True)
        if scores["accuracy"] > best:
            best = scores["accuracy"]
            np.savez(outputs / "best_weights.npz", **weights)
        if sweep and sweep.log(step=epoch, **scores):  # sweepsite: report, and obey
            print("asked to stop")
            break
    print(f"best accuracy {best:.4f}")


def line(epoch: int, epochs: int, scores: network.Scores) -> str:
    """One epoch for people, such as `epoch  3/30  accuracy 0.9133  loss 0.3121`."""
    figures = "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
    return f"epoch {epoch:2d}/{epochs}  {figures}"


def arguments() -> argparse.Namespace:
    """The hyperparameters, every one of them a --name value of the command line."""
    parser = argparse.ArgumentParser(
        description="Train a small network on handwritten digits.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--learning_rate", type=positive, default=0.01, help="size of a step")
    add("--momentum", type=share, default=0.9, help="how much of a step is kept")
    add("--hidden_units", type=count, default=64, help="width of a hidden layer")
    add("--batch_size", type=count, default=32, help="images per step")
    add("--weight_decay", type=share, default=1e-4, help="pull towards zero")
    add("--epochs", type=count, default=30, help="rounds over the images")
    add("--seed", type=int, default=0, help="for first weights, order and changes")
    return parser.parse_args()


def positive(text: str) -> float:
    """A number above 0, such as 0.01."""
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not above 0, such as 0.01")
    return value


def share(text: str) -> float:
    """A number from 0 to below 1, such as 0.9."""
    value = float(text)
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not from 0 to below 1")
    return value


def count(text: str) -> int:
    """A whole number from 1 up, such as 64."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number from 1 up")
    return value


if __name__ == "__main__":
    main()
