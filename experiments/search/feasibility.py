"""Drawing until the constraints are met, and refusing where they almost never are."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from experiments.search.axes import Axis
from experiments.search.constraints import Constraint
from experiments.search.layout import Layout

Point = NDArray[np.float64]

# At most so many draws for one configuration, and fewer where each is costly.
MOST_DRAWS = 10_000
LEAST_DRAWS = 500
MOST_WORK = 2_000_000
# A space of which less is allowed is refused: 10 of 10,000 draws.
LEAST_SHARE = 0.001


class InfeasibleError(ValueError):
    """Almost no configuration meets the constraints."""


@dataclass
class Rejection:
    """Draws from a layout, rejected until all constraints are met."""

    layout: Layout
    constraints: tuple[Constraint, ...]
    failures: Counter[str] = field(default_factory=Counter, init=False)
    drawn: int = field(default=0, init=False)

    @cached_property
    def most_draws(self) -> int:
        """How many draws are tried for one configuration."""
        work = len(self._axes) + sum(len(rule.text) for rule in self.constraints)
        return min(MOST_DRAWS, max(LEAST_DRAWS, MOST_WORK // (work + 1)))

    def point(self, rng: np.random.Generator) -> Point | None:
        """The first point of the unit cube that is allowed; None after too many."""
        for _ in range(self.most_draws):
            point = rng.random(len(self.layout.axes))
            if self.allows(point):
                return point
        return None

    def allows(self, point: Point) -> bool:
        """Whether the configuration at a point meets every constraint."""
        self.drawn += 1
        if not self.constraints:
            return True
        values = self.layout.decided(
            self._axes,
            lambda axis: axis.law.quantile(float(point[self._places[axis.name]])),
        )
        params = self.layout.assembled(values)
        for constraint in self.constraints:
            if not constraint.meets(params):
                self.failures[constraint.text] += 1
                return False
        return True

    def problem(self) -> str | None:
        """Why the constraints leave too little, judged by draws that never change."""
        rng = np.random.default_rng(0)
        most, met = self.most_draws, 0
        enough = max(1, round(most * LEAST_SHARE))
        for _ in range(most):
            met += self.allows(rng.random(len(self.layout.axes)))
            if met == enough:
                return None
        text, failed = self.failures.most_common(1)[0]
        return (
            f"Of {most:,} random configurations {met or 'none'} met the constraints, "
            f"and at least {enough:,} must; {text} alone ruled out {failed:,}. Make "
            "the ranges narrower or the constraints wider."
        )

    @cached_property
    def _axes(self) -> tuple[Axis, ...]:
        """All that the constraints depend on."""
        addresses = {name for rule in self.constraints for name in rule.addresses}
        return self.layout.closed_over(self.layout.named(addresses))

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.layout.axes)}
