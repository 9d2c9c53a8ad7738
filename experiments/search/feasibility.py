"""Drawing until the constraints are met, and refusing where they almost never are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from experiments.search.axes import Axis
from experiments.search.batches import Batch, Mask, few_values
from experiments.search.constraints import Constraint
from experiments.search.layout import Layout

Point: TypeAlias = NDArray[np.float64]

# At most so many draws for one configuration, and fewer where each is costly.
MOST_DRAWS = 10_000
LEAST_DRAWS = 500
# In characters of constraints that are worked out, about five million a second.
MOST_WORK = 2_000_000
# A space of which less is allowed is refused: 10 of 10,000 draws.
LEAST_SHARE = 0.001
LARGEST_BATCH = 2_000


class InfeasibleError(ValueError):
    """Almost no configuration meets the constraints."""


@dataclass
class Rejection:
    """Draws from a layout, rejected until all constraints are met.

    `work` is what was done so far.
    """

    layout: Layout
    constraints: tuple[Constraint, ...]
    failures: Counter[str] = field(default_factory=Counter, init=False)
    work: int = field(default=0, init=False)
    # What each constraint said of the values of its parameters, where these are few.
    _known: dict[str, dict[int, bool]] = field(default_factory=dict, init=False)

    @property
    def most_draws(self) -> int:
        """How many draws are tried for one configuration."""
        return min(MOST_DRAWS, max(LEAST_DRAWS, MOST_WORK // self._cost))

    def point(self, rng: np.random.Generator) -> Point | None:
        """The first point of the unit cube that is allowed; None after too many.

        The generator gives a number for each axis and draw; where the first draw is
        rejected, a few more than are looked at.
        """
        for size in self.sizes(self.most_draws, first=1):
            points = rng.random((size, len(self.layout.axes)))
            if not self.constraints:
                return np.asarray(points[0])
            for number in np.flatnonzero(self.meeting(Batch(self.layout, points))):
                # Many logarithms at once may differ from one by a rounding.
                if self.allows(points[number]):
                    return np.asarray(points[number])
        return None

    def allows(self, point: Point) -> bool:
        """Whether the configuration at a point meets every constraint."""
        values = self.layout.decided(
            self._axes,
            lambda axis: axis.law.quantile(float(point[self.layout.places[axis.name]])),
        )
        params = self.layout.assembled(values)
        return all(constraint.meets(params) for constraint in self.constraints)

    def meeting(self, batch: Batch) -> Mask:
        """In which rows of a batch every constraint is met."""
        rows = np.ones(len(batch), np.bool_)
        for constraint, axes in zip(self.constraints, self._named, strict=True):
            before = int(rows.sum())
            rows[rows] = self._met(constraint, batch, axes, np.flatnonzero(rows))
            self.failures[constraint.text] += before - int(rows.sum())
        return rows

    def problem(self) -> str | None:
        """Why the constraints leave too little, judged by draws that never change."""
        rng = np.random.default_rng(0)
        most, met = self.most_draws, 0
        enough = max(1, round(most * LEAST_SHARE))
        self.failures.clear()
        for size in self.sizes(most, first=enough):
            points = rng.random((size, len(self.layout.axes)))
            met += int(self.meeting(Batch(self.layout, points)).sum())
            if met >= enough:
                return None
        text, failed = self.failures.most_common(1)[0]
        return (
            f"Of {most:,} random configurations {met or 'none'} met the constraints, "
            f"and at least {enough:,} must; {text} alone ruled out {failed:,}. Make "
            "the ranges narrower or the constraints wider."
        )

    def sizes(self, most: int, *, first: int) -> Iterator[int]:
        """The sizes of batches of so many draws together, small ones first."""
        size, left = first, most
        largest = max(1, min(LARGEST_BATCH, MOST_WORK // self._cost // 4))
        while left:
            size = min(size, left, largest)
            yield size
            left -= size
            size *= 4

    def _met(
        self,
        constraint: Constraint,
        batch: Batch,
        axes: list[Axis],
        rows: NDArray[np.intp],
    ) -> list[bool]:
        """Whether a constraint is met, row by row."""
        params = batch.params(axes)
        codes = batch.codes(axes)
        if codes is None:
            self.work += len(rows) * len(constraint.text)
            return [constraint.meets(params(row)) for row in rows.tolist()]
        known = self._known.setdefault(constraint.text, {})
        codes = codes[rows]
        found, first = np.unique(codes, return_index=True)
        for code, place in zip(found.tolist(), first.tolist(), strict=True):
            if code not in known:
                self.work += len(constraint.text)
                known[code] = constraint.meets(params(int(rows[place])))
        return [known[code] for code in codes.tolist()]

    @cached_property
    def _cost(self) -> int:
        """What one draw takes at most, with what is remembered of few values."""
        pairs = zip(self.constraints, self._named, strict=True)
        texts = (1 if few_values(axes) else len(rule.text) for rule, axes in pairs)
        return 1 + len(self._axes) + sum(texts)

    @cached_property
    def _named(self) -> list[list[Axis]]:
        """The axes that each constraint needs to see."""
        return [
            [self.layout.axes[name] for name in self.layout.named(rule.addresses)]
            for rule in self.constraints
        ]

    @cached_property
    def _axes(self) -> tuple[Axis, ...]:
        """All that the constraints depend on."""
        addresses = {name for rule in self.constraints for name in rule.addresses}
        return self.layout.closed_over(self.layout.named(addresses))
