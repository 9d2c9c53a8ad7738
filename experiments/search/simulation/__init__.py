"""What another policy would have done: recorded sweeps, judged again.

A `Recording` holds what the trials of a sweep reported, in the order of arrival;
`simulate` lets a policy judge it, by the very code that judges live sweeps; an
`Evaluation`
says what that would have saved and lost. `work` does so for many settings and orders,
and `python -m experiments.search.simulation` in a process of its own.
"""

from __future__ import annotations

from experiments.search.simulation.figures import Evaluation, Figures
from experiments.search.simulation.judging import simulate
from experiments.search.simulation.recording import Recording

__all__ = ["Evaluation", "Figures", "Recording", "simulate"]
