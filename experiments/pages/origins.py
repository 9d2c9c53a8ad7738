"""Where a trial's values come from, in words."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.models import Trial
from experiments.models.trials import IMPORTED

WORDS: Mapping[str, str] = {
    "random": "Drawn at random",
    "grid": "The next point of the grid",
    "sobol": "The next point of a Sobol sequence",
    "initial design": "Initial design: spread over the space before anything is known",
    "model": "Chosen by the model: the most promising by the results so far",
    "exploration": "Exploration: chosen for what can be learned there",
    "centre": "The centre of the space",
    IMPORTED: "Imported: it ran before this sweep began",
}


def origin_words(trial: Trial) -> str:
    """A phrase that begins with a capital letter; empty where nothing is known."""
    if trial.repeats is not None:
        end = " and without early end" if trial.runs_to_end else ""
        return f"Trial {trial.repeats} run again, with the same values{end}"
    origin = trial.origin
    return WORDS.get(origin, origin[:1].upper() + origin[1:])
