"""Where a trial's values come from, in words."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.models import Trial, Wish
from experiments.models.trials import Origin

WORDS: Mapping[str, str] = {
    Origin.RANDOM: "Drawn at random",
    Origin.GRID: "The next point of the grid",
    Origin.SOBOL: "The next point of a Sobol sequence",
    Origin.INITIAL_DESIGN: (
        "Initial design: spread over the space before anything is known"
    ),
    Origin.MODEL: "Chosen by the model: the most promising by the results so far",
    Origin.EXPLORATION: "Exploration: chosen for what can be learned there",
    Origin.CENTRE: "The centre of the space",
    Origin.IMPORTED: "Imported: it ran before this sweep began",
    Origin.RERUN: "Trial {} run again, with the same values",
    Origin.RETRY: "Trial {} retried, with the same values",
    Origin.CLONE: "A clone of trial {} with other values",
    Origin.REPLACEMENT: "In place of trial {}, which was deleted",
    Origin.BY_HAND: "Added by hand",
}


def origin_words(trial: Trial | Wish) -> str:
    """A phrase that begins with a capital letter; empty where nothing is known."""
    origin: str = trial.origin
    words = WORDS.get(origin, "").format(trial.source_number)
    end = " and without early end" if trial.runs_to_end else ""
    return f"{words}{end}" if words else origin[:1].upper() + origin[1:]
