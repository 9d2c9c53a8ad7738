"""One trial's parameters beside those of the trial it is held against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.models import Trial
from experiments.pages.places import UNSET, Axis, Picture, picture, same_value
from experiments.spaces import trial_params


@dataclass(frozen=True)
class ParameterRow:
    name: str
    is_set: bool
    value: Any
    rival_is_set: bool
    rival_value: Any
    differs: bool
    picture: Picture | None


def parameter_rows(
    trial: Trial,
    rival: Trial | None,
    axes: Mapping[str, Axis],
    *,
    best: Trial | None,
) -> list[ParameterRow]:
    """In the order of the space; what only the trials have comes last."""
    own, others = trial_params(trial), trial_params(rival) if rival else None
    names = dict.fromkeys([*axes, *own, *(others or {})])
    marked = [
        (each, "best" if best and each.pk == best.pk else each.state)
        for each in (rival, trial)
        if each is not None
    ]
    return [_row(name, own, others, axes.get(name), marked) for name in names]


def _row(
    name: str,
    own: Mapping[str, Any],
    others: Mapping[str, Any] | None,
    axis: Axis | None,
    marked: Sequence[tuple[Trial, str]],
) -> ParameterRow:
    value = own.get(name, UNSET)
    other = UNSET if others is None else others.get(name, UNSET)
    return ParameterRow(
        name=name,
        is_set=value is not UNSET,
        value=None if value is UNSET else value,
        rival_is_set=other is not UNSET,
        rival_value=None if other is UNSET else other,
        differs=others is not None and not same_value(value, other),
        picture=picture(axis, name, marked),
    )
