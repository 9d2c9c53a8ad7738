"""What trials with one error share, compared with trials that ran: for a table and a
chart of bars.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np

from experiments.failures.common_values import (
    HOST,
    MAX_LISTED,
    MIN_TRIALS,
    FailedValues,
    Rows,
    SharedValues,
    compare_failed,
    constraint_of,
    value_text,
    values_text,
)
from experiments.failures.groups import FailureGroup
from experiments.formatting import number_text, share_text
from experiments.models import Sweep
from experiments.pages.sweep.charts import select
from experiments.search.fields import is_number, listed
from experiments.search.space.distribution import identity
from experiments.search.wording import counted
from experiments.tracking.axes import ChartAxis, space_axes
from experiments.tracking.spaces import axis_values, search_space

# A bar for each value, or for each part of a range with more numbers than that.
MAX_VALUES, PARTS = 12, 10
MAX_LABEL = 60
MAX_DRAWN = 4


class ValueBar(TypedDict):
    """How many failed trials, and how many that ran, have one value or part of a
    range; ``tick`` is its short name."""

    tick: str
    label: str
    failed: int
    ran: int


class ParameterBars(TypedDict):
    name: str
    bars: list[ValueBar]


@dataclass(frozen=True)
class FailureComparison:
    """``failed`` and ``ran`` are numbers of trials; ``against`` says which ones ran.
    ``foot`` says what the table means. ``constraint`` excludes the failing values; it
    is empty where they are not clear."""

    failed: int
    ran: int
    against: str
    rows: Sequence[SharedValues]
    telling: Sequence[SharedValues]
    foot: str
    drawn: Sequence[ParameterBars]
    constraint: str

    @property
    def chart_model(self) -> dict[str, Any]:
        """What static/js/charts/shares.js draws."""
        return {"failed": self.failed, "ran": self.ran, "parameters": list(self.drawn)}

    @property
    def chart_label(self) -> str:
        """The chart in a sentence, for screen readers."""
        parts = [
            f"{shared.name}: {values_text(shared.failed)} in the failed,"
            f" {values_text(shared.ran)} in those that ran"
            for shared in self.telling[: len(self.drawn)]
        ]
        return f"{'; '.join(parts)}."

    @property
    def chart_selects(self) -> list[dict[str, Any]]:
        """The menu of parameters, where there are several."""
        names = [(bars["name"], bars["name"]) for bars in self.drawn]
        return [select("parameter", "Parameter", names)] if len(names) > 1 else []

    @property
    def words(self) -> str:
        """``batch_size 64 or 128``; empty where no parameter tells."""
        return " and ".join(
            f"{shared.name} {values_text(shared.failed, joint=' or ')}"
            for shared in self.telling[:2]
        )


def failure_comparison(sweep: Sweep, group: FailureGroup) -> FailureComparison | None:
    """None where there is nothing to compare."""
    found = compare_failed(sweep, group)
    if found is None:
        return None
    telling = [shared for shared in found.values if shared.is_significant]
    which = "" if found.ran_in.pk == sweep.pk else f" of {found.ran_in}"
    return FailureComparison(
        failed=len(found.failed),
        ran=len(found.ran),
        against=f"Against the {counted(len(found.ran), 'trial')}{which} that ran",
        rows=found.values,
        telling=telling,
        foot=_foot(sweep, telling, compared=len(found.ran) >= MIN_TRIALS),
        drawn=_drawn(sweep, telling[:MAX_DRAWN], found),
        constraint=constraint_of(sweep, found),
    )


def _foot(sweep: Sweep, telling: Sequence[SharedValues], *, compared: bool) -> str:
    if not telling:
        return "No shared value explains the failures." if compared else ""
    first = telling[0]
    if first.name == HOST:
        return "The cause is the host, not the values."
    share = _share_of_space(sweep, first)
    return share or f"{first.name} separates them from the trials that ran."


def _share_of_space(sweep: Sweep, shared: SharedValues) -> str:
    """How much of a choice fails, where the space draws all its values alike."""
    axis = search_space(sweep).axes.get(shared.name)
    values = axis_values(axis) if axis else []
    failing = [value for value in values if value in shared.failed.listed]
    if not failing or len(values) > MAX_LISTED:
        return ""
    names = listed([value_text(value) for value in values], last="or")
    share = share_text(len(failing) / len(values))
    return (
        f"{shared.name} can be {names}, so about {share} of the trials would fail like"
        " this."
    )


# --- bars ---------------------------------------------------------------------------


def _drawn(
    sweep: Sweep, telling: Sequence[SharedValues], found: FailedValues
) -> list[ParameterBars]:
    axes = {axis["name"]: axis for axis in space_axes(search_space(sweep))}
    return [
        bars_of(shared.name, axes.get(shared.name), found.failed, found.ran)
        for shared in telling
    ]


def bars_of(
    name: str, axis: ChartAxis | None, failed: Rows, ran: Rows
) -> ParameterBars:
    """A bar for each value where they are few, else for equal parts of their range.

    ``axis`` has the values that no trial had, and whether the range is logarithmic.
    """
    ours, others = [row.get(name) for row in failed], [row.get(name) for row in ran]
    known = (*(axis["values"] if axis else ()), *ours, *others)
    distinct = {identity(value): value for value in known if value is not None}
    if len(distinct) > MAX_VALUES and all(map(is_number, distinct.values())):
        bars = _parts(ours, others, log=bool(axis and axis["log"]))
    else:
        bars = _values(list(distinct.values()), ours, others)
    unset = ours.count(None), others.count(None)
    if any(unset):
        bars.append(_bar(value_text(None), *unset))
    return ParameterBars(name=name, bars=bars)


def _values(distinct: list[Any], ours: list[Any], others: list[Any]) -> list[ValueBar]:
    """A bar for each value; the rarest share one where there are too many."""
    mine, theirs = Counter(map(identity, ours)), Counter(map(identity, others))
    if all(map(is_number, distinct)):
        distinct.sort()
    names = {identity(value): value_text(value) for value in distinct}
    common = sorted(names, key=lambda key: -(mine[key] + theirs[key]))
    shown, rest = set(common[:MAX_VALUES]), common[MAX_VALUES:]
    bars = [_bar(names[key], mine[key], theirs[key]) for key in names if key in shown]
    if rest:
        counts = (sum(each[key] for key in rest) for each in (mine, theirs))
        bars.append(_bar("others", *counts))
    return bars


def _bar(label: str, failed: int, ran: int) -> ValueBar:
    label = label if len(label) <= MAX_LABEL else f"{label[: MAX_LABEL - 1]}…"
    return ValueBar(tick=label, label=label, failed=failed, ran=ran)


def _parts(ours: list[Any], others: list[Any], *, log: bool) -> list[ValueBar]:
    columns = [
        np.array([value for value in values if value is not None], dtype=float)
        for values in (ours, others)
    ]
    low, high = np.min(np.concatenate(columns)), np.max(np.concatenate(columns))
    spaced = np.geomspace if log and low > 0 else np.linspace
    edges = spaced(low, high, PARTS + 1)
    failed, ran = (np.histogram(column, edges)[0] for column in columns)
    return [
        ValueBar(
            tick=number_text(edges[k], 2),
            label=f"{number_text(edges[k], 3)} to {number_text(edges[k + 1], 3)}",
            failed=int(failed[k]),
            ran=int(ran[k]),
        )
        for k in range(PARTS)
    ]
