"""How much of a space its constraints keep, each alone and all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.search.fields import cut, shown
from experiments.search.space.conditions import Mask
from experiments.search.space.constraints import Constraint
from experiments.search.space.sampling import Batch, RejectionSampling
from experiments.search.space.space import SearchSpace
from experiments.search.wording import counted, significant

DRAWS = 1_000
# Less than this is hard to sample, and seldom what was meant.
MIN_KEPT = 0.05
# Values that are left out are listed up to here, others as examples.
MAX_LISTED = 3
MAX_LETTERS = 24
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class ConstraintShare:
    """The share of draws that meet a constraint; `out` has different values of its
    parameters that do not, the most frequent first.
    """

    kept: float
    out: Sequence[str] = ()

    @property
    def words(self) -> str:
        """`keeps 95 % of draws; out: 256 x 128`."""
        words = f"keeps {percent(self.kept)} of draws"
        if not self.out:
            return words
        if len(self.out) <= MAX_LISTED:
            return f"{words}; out: {', '.join(self.out)}"
        more = counted(len(self.out) - 2, "other")
        return f"{words}; out: {self.out[0]}, {self.out[1]} and {more}"


@dataclass(frozen=True)
class ConstraintShares:
    """The shares of a space's constraints in the same draws."""

    each: Mapping[str, ConstraintShare]
    together: float
    draws: int

    @property
    def problem(self) -> str:
        """Why the constraints leave too little, with the strictest one; or empty."""
        if self.together >= MIN_KEPT or not self.each:
            return ""
        strictest = min(self.each, key=lambda text: self.each[text].kept)
        which = "The constraint keeps" if len(self.each) == 1 else "Together they keep"
        alone = ""
        if len(self.each) > 1:
            alone = f", which alone keeps {percent(self.each[strictest].kept)}"
        return (
            f"{which} {percent(self.together)} of {self.draws:,} draws, and should keep"
            f" at least {percent(MIN_KEPT)}. The strictest is {strictest}{alone}."
            " Allow more, or make the ranges narrower."
        )


def constraint_shares(space: SearchSpace, *, draws: int = DRAWS) -> ConstraintShares:
    """Shares by the text of the constraint, from the same draws every time."""
    rejection = RejectionSampling(space.layout, space.constraints)
    number = min(draws, rejection.max_draws)
    points = np.random.default_rng(0).random((number, len(space.axes)))
    batch = Batch(space.layout, points)
    together = np.ones(number, np.bool_)
    each = {}
    for rule in space.constraints:
        met = RejectionSampling(space.layout, (rule,)).meeting(batch)
        together &= met
        each[rule.text] = ConstraintShare(
            float(met.mean()), _broken(space, rule, batch, ~met)
        )
    return ConstraintShares(each, float(together.mean()), number)


def percent(share: float) -> str:
    """`95 %`; a share that is neither 0 nor 1 is never shown as one of them."""
    if 0 < share < 0.01 or 0.99 < share < 1:
        return f"{100 * share:.1f} %"
    return f"{100 * share:.0f} %"


def _broken(
    space: SearchSpace, rule: Constraint, batch: Batch, rows: Mask
) -> Sequence[str]:
    """The different values of the constraint's parameters in some rows, if each
    parameter is plain."""
    axes = [space.axes[name] for name in rule.addresses if name in space.axes]
    if len(axes) < len(rule.addresses):
        return ()
    columns = [batch.values(axis) for axis in axes]
    found: dict[str, int] = {}
    for row in np.flatnonzero(rows).tolist():
        text = f" {TIMES} ".join(_value(column[row]) for column in columns)
        found[text] = found.get(text, 0) + 1
    return sorted(found, key=lambda text: -found[text])


def _value(value: object) -> str:
    if isinstance(value, float):
        return significant(value, 3)
    return cut(value if isinstance(value, str) else shown(value), most=MAX_LETTERS)
