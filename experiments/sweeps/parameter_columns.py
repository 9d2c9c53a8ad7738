"""A sweep's parameters as columns for a browser: an axis, and a cell for each trial."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from experiments.search.records import JSONValue
from experiments.search.space.distribution import identity
from experiments.sweeps.trial_arrays import Floats
from experiments.sweeps.trial_data import TrialData
from experiments.tracking.axes import ChartAxis, ParameterAxis, chart_axis

Mask: TypeAlias = NDArray[np.bool_]

DIGITS = 7


def rounded(values: Floats, digits: int = DIGITS) -> Floats:
    """Rounded to significant digits, so that their text is short."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        power = digits - 1 - np.floor(np.log10(np.abs(values)))
        scale = 10.0 ** np.abs(power)
        up = np.round(values * scale) / scale
        found = np.where(power >= 0, up, np.round(values / scale) * scale)
    usual: Floats = np.where(np.isfinite(found), found, values)
    return usual


@dataclass(frozen=True)
class ParameterColumn:
    """One parameter's axis and cells: numbers, or places in the axis's values."""

    axis: ChartAxis
    integer: bool
    parent: str | None
    cells: Floats

    @property
    def name(self) -> str:
        return self.axis["name"]

    @classmethod
    def of(cls, name: str, data: TrialData, parent: str | None) -> ParameterColumn:
        column = data.parameters[name]
        known = data.axes.get(name) or ParameterAxis(name, column.labels, bounded=False)
        axis = chart_axis(known)
        if axis["kind"] == "choice":
            values, cells = _placed(axis["values"], column.labels, column.codes)
            axis["values"] = values
            return cls(axis, False, parent, cells)
        cells = rounded(column.numbers)
        ends = [end for end in (axis["low"], axis["high"]) if end is not None]
        found = cells[np.isfinite(cells)]
        if len(found):
            ends += [float(found.min()), float(found.max())]
        axis["low"], axis["high"] = min(ends, default=None), max(ends, default=None)
        return cls(axis, known.step == 1.0, parent, cells)

    def document(self, places: NDArray[np.intp]) -> dict[str, Any]:
        cells = self.cells[places].tolist()
        if self.axis["kind"] == "choice":
            cells = [None if math.isnan(cell) else int(cell) for cell in cells]
        more = {"integer": self.integer, "parent": self.parent, "cells": cells}
        return {**self.axis, **more}


def _placed(
    values: Sequence[JSONValue], labels: Sequence[JSONValue], codes: NDArray[np.int32]
) -> tuple[list[JSONValue], Floats]:
    """All values of a choice, the foreign ones last, and each trial's place in them."""
    used = {
        identity(labels[code]): labels[code] for code in np.unique(codes) if code >= 0
    }
    known = {identity(value): value for value in values}
    every = {**known, **{key: used[key] for key in sorted(used.keys() - known.keys())}}
    places = {key: float(place) for place, key in enumerate(every)}
    by_code = [places.get(identity(label), math.nan) for label in labels]
    # Code -1 is the last one.
    return list(every.values()), np.array([*by_code, math.nan])[codes]
