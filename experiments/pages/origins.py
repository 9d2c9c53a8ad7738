"""Where a trial's values come from, in words."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.models import Trial, Wish
from experiments.models.trials import IMPORTED, RETRY

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


def origin_words(trial: Trial | Wish) -> str:
    """A phrase that begins with a capital letter; empty where nothing is known."""
    origin: str = trial.origin
    if origin in WORDS:
        return WORDS[origin]
    if trial.is_wished:
        return _wished_words(trial)
    return origin[:1].upper() + origin[1:]


def _wished_words(trial: Trial | Wish) -> str:
    """Of one that somebody asked for beside the sampler's."""
    end = " and without early end" if trial.runs_to_end else ""
    if trial.repeats is not None:
        verb = "retried" if trial.origin.startswith(RETRY) else "run again"
        return f"Trial {trial.repeats} {verb}, with the same values{end}"
    if trial.clones is not None:
        return f"A clone of trial {trial.clones} with other values{end}"
    if trial.replaces is not None:
        return f"In place of trial {trial.replaces}, which was deleted{end}"
    return f"Added by hand{end}"
