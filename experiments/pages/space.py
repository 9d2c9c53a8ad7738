"""Places of trials' values in the search space, as pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.models import Trial
from experiments.tracking.axes import ParameterAxis
from experiments.tracking.spaces import trial_params

# Marks closer than this share of the line are moved apart, by pixels.
CLOSE = 0.05
APART = 11


@dataclass(frozen=True)
class TrialMark:
    """One trial's mark: ``x`` in percent of the line, ``shift`` in pixels beside it."""

    x: str
    shift: int
    glyph: str
    title: str


@dataclass(frozen=True)
class ParameterPicture:
    """A line with dots for possible values, and a mark for each trial."""

    dots: Sequence[str]
    marks: Sequence[TrialMark]
    label: str


def picture(
    axis: ParameterAxis | None, name: str, trials: Sequence[tuple[Trial, str]]
) -> ParameterPicture | None:
    """The places of (trial, glyph) on the axis. None without an axis."""
    if axis is None:
        return None
    valued = [(trial, glyph, trial_params(trial)) for trial, glyph in trials]
    placed = [
        (place, trial, glyph)
        for trial, glyph, params in valued
        if name in params and (place := axis.place(params[name])) is not None
    ]
    marks = [
        TrialMark(
            x=_percent(place),
            shift=APART * _neighbors(place, placed[:index]),
            glyph=glyph,
            title=f"trial {trial.number}: {_share_words(place)}",
        )
        for index, (place, trial, glyph) in enumerate(placed)
    ]
    label = ", ".join(mark.title for mark in marks) + " of the range"
    return ParameterPicture([_percent(dot) for dot in axis.dots], marks, label)


def _neighbors(place: float, before: Sequence[tuple[float, Trial, str]]) -> int:
    return sum(abs(place - other) < CLOSE for other, _, _ in before)


def _percent(place: float) -> str:
    return f"{place * 100:.2f}%"


def _share_words(place: float) -> str:
    return f"{place * 100:.0f} %"
