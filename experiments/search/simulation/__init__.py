"""What another policy would have done: recorded sweeps, judged again.

A `Recording` holds the reports of a sweep in order of arrival. `simulate` lets a policy
judge it with the code that judges live sweeps. `Evaluation` says what that would have
saved and lost.
"""

from __future__ import annotations

from experiments.search.simulation.figures import Evaluation, Figures
from experiments.search.simulation.judging import simulate
from experiments.search.simulation.recording import Recording

__all__ = ["Evaluation", "Figures", "Recording", "simulate"]
