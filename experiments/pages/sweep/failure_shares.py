"""What the trials that failed alike share, against those that ran: a table in words.

The picture of what failed trials share: for each telling parameter how the failed,
and those that ran, spread over its values.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

from experiments.failures.common_values import (
    HOST,
    MAX_LISTED,
    MIN_TRIALS,
    Rows,
    Shared,
    compare_failed,
    value_text,
    values_text,
)
from experiments.failures.groups import FailureGroup
from experiments.formatting import number_text, share_text
from experiments.models import Sweep
from experiments.pages.sweep.charts import ChartAxis, select, space_axes
from experiments.search.fields import DefinitionError, is_number, listed
from experiments.search.space.distribution import identity
from experiments.search.space.space import SearchSpace
from experiments.search.wording import counted
from experiments.tracking.spaces import axis_values, search_space

# Values with a bar each, and parts of a range of many.
MAX_VALUES, PARTS = 12, 10
LONGEST = 60
OTHERS = "others"

EvidenceRows = Sequence[Mapping[str, Any]]


class ValueBar(TypedDict):
    """One value, or one part of the range: ``tick`` is its short name. ``failed`` and
    ``ran`` count trials."""

    tick: str
    label: str
    failed: int
    ran: int


class ParameterBars(TypedDict):
    name: str
    bars: list[ValueBar]


def bars_of(
    name: str, axis: ChartAxis | None, failed: EvidenceRows, ran: EvidenceRows
) -> ParameterBars:
    """A bar for every value where they are few, else for equal parts of their range.

    ``axis``: that of the parameter in the search space, which names the values that no
    trial has as well, and says how a range is divided; None where it has none.
    """
    ours, others = [r.get(name) for r in failed], [r.get(name) for r in ran]
    tried = [value for value in (*ours, *others) if value is not None]
    known = [v for v in axis["values"] if v is not None] if axis else []
    distinct = {identity(value): value for value in (*known, *tried)}
    if len(distinct) > MAX_VALUES and all(map(is_number, distinct.values())):
        bars = _parts(ours, others, log=bool(axis and axis["log"]))
    else:
        bars = _values(list(distinct.values()), ours, others)
    return ParameterBars(name=name, bars=[*bars, *_unset(ours, others)])


def _values(distinct: list[Any], ours: list[Any], others: list[Any]) -> list[ValueBar]:
    """A bar for each value; the rarest share one where there are too many."""
    mine, theirs = Counter(map(identity, ours)), Counter(map(identity, others))
    if all(map(is_number, distinct)):
        distinct.sort()
    common = sorted(distinct, key=lambda v: -(mine[identity(v)] + theirs[identity(v)]))
    shown = {identity(v) for v in common[:MAX_VALUES]}
    bars = [
        _bar(value_text(value), mine[identity(value)], theirs[identity(value)])
        for value in distinct
        if identity(value) in shown
    ]
    rest = [identity(v) for v in common[MAX_VALUES:]]
    if not rest:
        return bars
    counts = (sum(mine[key] for key in rest), sum(theirs[key] for key in rest))
    return [*bars, _bar(OTHERS, *counts)]


def _unset(ours: list[Any], others: list[Any]) -> list[ValueBar]:
    counts = ours.count(None), others.count(None)
    return [_bar(value_text(None), *counts)] if any(counts) else []


def _bar(label: str, failed: int, ran: int) -> ValueBar:
    label = label if len(label) <= LONGEST else f"{label[: LONGEST - 1]}…"
    return ValueBar(tick=label, label=label, failed=failed, ran=ran)


def _parts(ours: list[Any], others: list[Any], *, log: bool) -> list[ValueBar]:
    """Equal parts of the range, by its logarithm where the law has one."""
    mine, theirs = _numbers(ours), _numbers(others)
    low, high = min((*mine, *theirs)), max((*mine, *theirs))
    log = log and low > 0
    ends = _ends(low, high, log=log)
    counts = [Counter(_part(v, ends) for v in values) for values in (mine, theirs)]
    return [
        ValueBar(
            tick=number_text(ends[k], 2),
            label=f"{number_text(ends[k], 3)} to {number_text(ends[k + 1], 3)}",
            failed=counts[0][k],
            ran=counts[1][k],
        )
        for k in range(PARTS)
    ]


def _numbers(values: list[Any]) -> list[float]:
    return [float(value) for value in values if value is not None]


def _ends(low: float, high: float, *, log: bool) -> list[float]:
    """Of the parts, one more than there are."""
    if log:
        low, high = math.log(low), math.log(high)
    ends = [low + (high - low) * k / PARTS for k in range(PARTS + 1)]
    return [math.exp(end) for end in ends] if log else ends


def _part(value: float, ends: list[float]) -> int:
    return max(0, sum(value >= end for end in ends[:-1]) - 1)


# So many telling parameters are drawn.
MAX_DRAWN = 4
WORDS = {"only": "only these", "mostly": "mostly these", "same": "yes, as there"}


@dataclass(frozen=True)
class ShareRow:
    """One parameter: its values in the failed trials, in those that ran, and whether
    the failed share it."""

    name: str
    failed: str
    ran: str
    verdict: str
    tells: bool


@dataclass(frozen=True)
class FailureComparison:
    """``failed`` and ``ran``: how many trials were compared; ``against``: which are
    those that ran; ``foot``: what it means; ``drawn``: how both spread over the values
    of what tells; ``constraint``: what leaves the failing region out, "" where none is
    clear."""

    failed: int
    ran: int
    against: str
    rows: Sequence[ShareRow]
    telling: Sequence[Shared]
    foot: str
    drawn: Sequence[ParameterBars] = ()
    constraint: str = ""

    @property
    def chart_model(self) -> dict[str, Any]:
        """What static/js/charts/shares.js draws."""
        return {"failed": self.failed, "ran": self.ran, "parameters": list(self.drawn)}

    @property
    def chart_label(self) -> str:
        """The picture in a sentence, for those who do not see it."""
        told = [
            f"{row.name}: {row.failed} in the failed, {row.ran} in those that ran"
            for row in self.rows
            if row.tells
        ]
        return f"{'; '.join(told[: len(self.drawn)])}."

    @property
    def chart_selects(self) -> list[dict[str, Any]]:
        """The menu of parameters, where there are several."""
        names = [(bars["name"], bars["name"]) for bars in self.drawn]
        menu = select("parameter", "Which parameter", names)
        return [menu] if len(names) > 1 else []

    @property
    def words(self) -> str:
        """``batch_size 64 or 128``; "" where nothing tells."""
        return " and ".join(
            f"{shared.name} {values_text(shared.failed, joint=' or ')}"
            for shared in self.telling[:2]
        )


def shares_of(sweep: Sweep, group: FailureGroup) -> FailureComparison | None:
    """None where there is nothing to compare."""
    found = compare_failed(sweep, group)
    if found is None:
        return None
    failed, ran = found.failed, found.ran
    telling = [shared for shared in found.values if shared.tells]
    return FailureComparison(
        failed=len(failed),
        ran=len(ran),
        against=_against(found.ran_in, sweep, len(ran)),
        rows=[_row(shared) for shared in found.values],
        telling=telling,
        foot=_foot(sweep, telling, compared=len(ran) >= MIN_TRIALS),
        drawn=_drawn(sweep, telling[:MAX_DRAWN], failed, ran),
        constraint=next((c for s in telling if (c := _usable(sweep, s))), ""),
    )


def _drawn(
    sweep: Sweep, telling: Sequence[Shared], failed: Rows, ran: Rows
) -> list[ParameterBars]:
    axes = {axis["name"]: axis for axis in space_axes(search_space(sweep))}
    return [bars_of(s.name, axes.get(s.name), failed, ran) for s in telling]


def _usable(sweep: Sweep, shared: Shared) -> str:
    """The constraint, if it is about a parameter and leaves something to be tried."""
    axis = search_space(sweep).axes.get(shared.name)
    if axis is None or not shared.constraint:
        return ""
    left = [v for v in axis_values(axis) if v not in shared.failed.listed]
    if axis_values(axis) and not left:
        return ""
    rules = [*(sweep.definition.get("constraints") or ()), shared.constraint]
    space = sweep.definition.get("search_space")
    try:
        SearchSpace.parse(space, constraints=rules)
    except DefinitionError:
        return ""
    return shared.constraint


def _against(other: Sweep, sweep: Sweep, count: int) -> str:
    which = "" if other.pk == sweep.pk else f" of {other}"
    return f"Against the {counted(count, 'trial')}{which} that ran"


def _row(shared: Shared) -> ShareRow:
    return ShareRow(
        name=shared.name,
        failed=values_text(shared.failed),
        ran=values_text(shared.ran),
        verdict=WORDS.get(shared.verdict, "no"),
        tells=shared.tells,
    )


def _foot(sweep: Sweep, telling: Sequence[Shared], *, compared: bool) -> str:
    if not telling:
        return "Nothing that they share is more than chance." if compared else ""
    first = telling[0]
    if first.name == HOST:
        return "It is the host rather than the values."
    share = _share_of_space(sweep, first)
    return share or f"{first.name} tells them apart from those that ran."


def _share_of_space(sweep: Sweep, shared: Shared) -> str:
    """How much of a choice fails, where the space draws all of its values alike."""
    axis = search_space(sweep).axes.get(shared.name)
    values = axis_values(axis) if axis else []
    failing = [value for value in values if value in shared.failed.listed]
    if not failing or len(values) > MAX_LISTED:
        return ""
    names = listed([value_text(value) for value in values])
    share = share_text(len(failing) / len(values))
    return (
        f"The space has {shared.name} from {names}: about {share} of the sweep would"
        " fail like this."
    )
