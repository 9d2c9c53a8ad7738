"""Arrays with one entry for each trial, and the same with newer rows."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]
Codes: TypeAlias = NDArray[np.int32]


@dataclass(frozen=True)
class TrialArrays:
    """One entry for each trial, in order of number; NaN or -1 where there is none.

    ``states``, ``origins`` and ``reasons`` are codes; times are seconds since 1970.
    ``took`` is training time. ``keys`` are equal for equal configurations.
    ``cells`` and ``codes`` have a column for each parameter.
    """

    numbers: Integers
    ids: Integers
    reports: Integers
    sources: Integers
    states: Codes
    origins: Codes
    reasons: Codes
    value: Floats
    last: Floats
    took: Floats
    created: Floats
    started: Floats
    ended: Floats
    changed: Floats
    archived: Floats
    keys: Integers
    cells: Floats
    codes: Codes


ARRAYS = tuple(field.name for field in fields(TrialArrays))


def known_places(old: TrialArrays, new: TrialArrays) -> NDArray[np.intp] | None:
    """The new trials' places among the old; None if one is not there, or parameters."""
    places = np.searchsorted(old.numbers, new.numbers)
    if old.cells.shape[1] != new.cells.shape[1] or places.max() >= len(old.numbers):
        return None
    return places if np.array_equal(old.numbers[places], new.numbers) else None


def replaced(
    old: TrialArrays, new: TrialArrays, places: NDArray[np.intp]
) -> TrialArrays:
    """With other rows at these places. An array without a change is the same object."""

    def changed_in(before: NDArray[Any], after: NDArray[Any]) -> NDArray[Any]:
        if np.array_equal(before[places], after, equal_nan=True):
            return before
        changed = before.copy()
        changed[places] = after
        return changed

    return TrialArrays(
        **{n: changed_in(getattr(old, n), getattr(new, n)) for n in ARRAYS}
    )


def merged(old: TrialArrays, new: TrialArrays) -> TrialArrays:
    """The old arrays with the rows of the new ones, in order of number."""
    kept = ~np.isin(old.numbers, new.numbers)
    order = np.argsort(np.concatenate([old.numbers[kept], new.numbers]))

    def together(before: NDArray[Any], after: NDArray[Any]) -> NDArray[Any]:
        if before.ndim == 2 and before.shape[1] < after.shape[1]:
            missing = ((0, 0), (0, after.shape[1] - before.shape[1]))
            nothing = np.nan if before.dtype == np.float64 else -1
            before = np.pad(before, missing, constant_values=nothing)
        return np.concatenate([before[kept], after])[order]

    return TrialArrays(
        **{n: together(getattr(old, n), getattr(new, n)) for n in ARRAYS}
    )
