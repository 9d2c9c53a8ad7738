"""How much of a space its constraints keep, and how often each parameter is set."""

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
SHARES = {
    "Half": 1 / 2,
    "A third": 1 / 3,
    "Two thirds": 2 / 3,
    "A quarter": 1 / 4,
    "Three quarters": 3 / 4,
    "All": 1.0,
    "None": 0.0,
}
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
class SpaceShares:
    """The shares of the same draws that meet each constraint, and all `together`.

    `active` has the share of allowed draws in which a parameter is set.
    """

    each: Mapping[str, ConstraintShare]
    together: float
    active: Mapping[str, float]
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


def space_shares(space: SearchSpace, *, draws: int = DRAWS) -> SpaceShares:
    """The shares, from the same draws every time.

    Each parameter's draws are spread evenly (a Latin hypercube), so a choice of two
    values has each of them in half of the draws.
    """
    rejection = RejectionSampling(space.layout, space.constraints)
    number = min(draws, rejection.max_draws)
    rng = np.random.default_rng(0)
    strata = np.stack([rng.permutation(number) for _ in space.axes], axis=1)
    batch = Batch(space.layout, (strata + rng.random(strata.shape)) / number)
    together = np.ones(number, np.bool_)
    each = {}
    for rule in space.constraints:
        met = RejectionSampling(space.layout, (rule,)).meeting(batch)
        together &= met
        out = _broken(space, rule, batch, ~met)
        each[rule.text] = ConstraintShare(float(met.mean()), out)
    allowed = max(1, int(together.sum()))
    active = {
        name: float((batch.active(space.axes[name]) & together).sum() / allowed)
        for name in space.parameters
    }
    return SpaceShares(each, float(together.mean()), active, number)


def share_words(share: float) -> str:
    """`Half of the draws`, `12 % of the draws`."""
    near = (words for words, exact in SHARES.items() if abs(share - exact) < 0.005)
    return f"{next(near, percent(share))} of the draws"


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
