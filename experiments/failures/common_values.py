"""Values that failed trials share, compared with trials that ran.

Fisher's exact test for choices, the two-sample Kolmogorov-Smirnov test for numbers,
each corrected for the number of parameters and values. A difference that may be chance
counts as none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import scipy
from django.db.models import Count, Q

from experiments.failures.groups import FailureGroup
from experiments.formatting import number_text
from experiments.models import Sweep
from experiments.models.trials import TrialQuerySet, TrialState
from experiments.search.fields import DefinitionError, is_number
from experiments.search.space.distribution import identity
from experiments.search.space.space import SearchSpace
from experiments.tracking.spaces import axis_values, flat_params, search_space

# Fewer trials of either kind show nothing.
MIN_TRIALS = 3
# For all parameters together.
MAX_CHANCE = 0.01
# How far apart the two sets must be, from 0 to 1.
MIN_DISTANCE = 0.5
MAX_LISTED = 6

Verdict = Literal["only", "mostly", "same", "no"]


@dataclass(frozen=True)
class ParameterValues:
    """The values of one parameter: all if they are few, else their range."""

    listed: tuple[Any, ...]
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        return values_text(self)


@dataclass(frozen=True)
class SharedValues:
    """One parameter. ``verdict``: failed trials have "only" values that no other trial
    has, "mostly" other values, the "same" single value, or "no" such difference."""

    name: str
    failed: ParameterValues
    ran: ParameterValues
    verdict: Verdict
    chance: float = 1.0

    @property
    def is_significant(self) -> bool:
        return self.verdict in ("only", "mostly")

    @property
    def constraint(self) -> str:
        """A constraint that excludes the failing values; "" if none is clear."""
        if self.verdict != "only" or not self.name.replace(".", "_").isidentifier():
            return ""
        if None not in (self.failed.low, self.failed.high, self.ran.low, self.ran.high):
            return self._beyond(self.failed, self.ran)
        if all(map(_is_plain, self.failed.listed)):
            return " and ".join(f"{self.name} != '{v}'" for v in self.failed.listed)
        return ""

    def _beyond(self, failed: ParameterValues, ran: ParameterValues) -> str:
        if (failed.low or 0) > (ran.high or 0):
            return f"{self.name} < {failed.low:g}"
        if (failed.high or 0) < (ran.low or 0):
            return f"{self.name} > {failed.high:g}"
        return ""


def shared_values(
    failed: Sequence[Mapping[str, Any]], ran: Sequence[Mapping[str, Any]]
) -> list[SharedValues]:
    """Every parameter, significant ones first."""
    names = list(dict.fromkeys(name for row in (*failed, *ran) for name in row))
    found = [_shared(name, failed, ran, of=len(names)) for name in names]
    return sorted(found, key=lambda shared: (not shared.is_significant, shared.chance))


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and not set(value) & set("'\"\\")


def _shared(
    name: str,
    failed: Sequence[Mapping[str, Any]],
    ran: Sequence[Mapping[str, Any]],
    *,
    of: int,
) -> SharedValues:
    ours, others = _column(name, failed), _column(name, ran)
    both = (_values(ours), _values(others))
    if len(set(map(identity, (*ours, *others)))) == 1 and others:
        return SharedValues(name, *both, "same")
    if min(len(ours), len(others)) < MIN_TRIALS:
        return SharedValues(name, *both, "no")
    chance, distance = _difference(ours, others)
    chance = min(1.0, chance * of)
    if chance > MAX_CHANCE or distance < MIN_DISTANCE:
        return SharedValues(name, *both, "no", chance)
    return SharedValues(
        name, *both, "only" if _apart(ours, others) else "mostly", chance
    )


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """The values of a parameter; None where it is not active."""
    return [row.get(name) for row in rows]


def _values(column: Sequence[Any]) -> ParameterValues:
    distinct = {identity(value): value for value in column}
    values = list(distinct.values())
    if values and all(is_number(value) for value in values):
        values.sort()
        low, high = float(values[0]), float(values[-1])
        return ParameterValues(tuple(values[: MAX_LISTED + 1]), low, high)
    values.sort(key=str)
    return ParameterValues(tuple(values[: MAX_LISTED + 1]))


def _difference(ours: Sequence[Any], others: Sequence[Any]) -> tuple[float, float]:
    """The chance of such a difference, and its size from 0 to 1."""
    if all(is_number(value) for value in (*ours, *others)):
        test = scipy.stats.ks_2samp(ours, others)
        return float(test.pvalue), float(test.statistic)
    tests = list(_choices(ours, others))
    chance, distance = min(tests)
    return chance * len(tests), distance


def _choices(
    ours: Sequence[Any], others: Sequence[Any]
) -> Iterator[tuple[float, float]]:
    """For each value: how likely its share of the failures is, and the difference."""
    mine, theirs = [identity(v) for v in ours], [identity(v) for v in others]
    for value in set(mine) | set(theirs):
        a, b = mine.count(value), theirs.count(value)
        table = [[a, len(mine) - a], [b, len(theirs) - b]]
        distance = abs(a / len(mine) - b / len(theirs))
        yield float(scipy.stats.fisher_exact(table).pvalue), distance


def _apart(ours: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether no value, or for numbers no part of the ranges, is in both."""
    if all(is_number(value) for value in (*ours, *others)):
        return bool(min(ours) > max(others) or max(ours) < min(others))
    return not {identity(v) for v in ours} & {identity(v) for v in others}


MAX_COMPARED = 400
MAX_ROWS = 12
HOST = "host"
HAS_RUN = Q(reports__gt=0) | Q(state=TrialState.COMPLETED)

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class FailedValues:
    """Values of failed trials and of trials that ran in `ran_in`, which is the same
    sweep or an earlier one."""

    failed: Rows
    ran: Rows
    ran_in: Sweep
    values: Sequence[SharedValues]


def compare_failed(sweep: Sweep, group: FailureGroup) -> FailedValues | None:
    """None if there are too few trials to compare."""
    failed = _rows(sweep, group.trials_of(sweep))
    ran_in, ran = _trials_that_ran(sweep)
    if len(failed) < 2 or not ran:
        return None
    if len({row.get(HOST) for row in (*failed, *ran)}) < 2:
        for row in (*failed, *ran):
            row.pop(HOST, None)
    return FailedValues(failed, ran, ran_in, shared_values(failed, ran)[:MAX_ROWS])


def constraint_of(sweep: Sweep, found: FailedValues) -> str:
    """A constraint that excludes the values that failed; "" where none is clear."""
    telling = (each for each in found.values if each.is_significant)
    return next(filter(None, (_usable(sweep, each) for each in telling)), "")


def _usable(sweep: Sweep, shared: SharedValues) -> str:
    """The constraint, if it is about a parameter and the space keeps some values."""
    axis = search_space(sweep).axes.get(shared.name)
    if axis is None or not shared.constraint:
        return ""
    values = axis_values(axis)
    if values and all(value in shared.failed.listed for value in values):
        return ""
    rules = [*(sweep.definition.get("constraints") or ()), shared.constraint]
    try:
        SearchSpace.parse(sweep.definition.get("search_space"), constraints=rules)
    except DefinitionError:
        return ""
    return shared.constraint


def shared_json(found: FailedValues | None) -> list[Mapping[str, Any]]:
    """The comparison as JSON: a row for each parameter."""
    return [
        {
            "parameter": each.name,
            "failed": values_text(each.failed),
            "ran": values_text(each.ran),
            "significant": each.is_significant,
        }
        for each in (found.values if found else ())
    ]


def values_text(values: ParameterValues, *, joint: str = ", ") -> str:
    """A few values, or the range of many numbers."""
    many = len(values.listed) > MAX_LISTED
    if many and values.low is not None and values.high is not None:
        return f"{number_text(values.low)} \u2013 {number_text(values.high)}"
    shown = [value_text(value) for value in values.listed[:MAX_LISTED]]
    more = ", …" if len(values.listed) > MAX_LISTED else ""
    return joint.join(shown) + more


def value_text(value: Any) -> str:
    if value is None:
        return "not set"
    if is_number(value):
        return number_text(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _trials_that_ran(sweep: Sweep) -> tuple[Sweep, Rows]:
    """The sweep's trials that ran or, without any, those of the newest earlier sweep of
    its experiment that has some."""
    own = _rows(
        sweep, sweep.trials.own().filter(HAS_RUN).exclude(state=TrialState.FAILED)
    )
    if own:
        return sweep, own
    good = Count("trials", filter=Q(trials__state=TrialState.COMPLETED))
    others = Sweep.objects.filter(experiment=sweep.experiment_id, pk__lt=sweep.pk)
    ran = (
        others.annotate(good=good).filter(good__gte=MIN_TRIALS).order_by("-pk").first()
    )
    if ran is None:
        return sweep, []
    return ran, _rows(ran, ran.trials.filter(state=TrialState.COMPLETED))


def _rows(sweep: Sweep, trials: TrialQuerySet) -> Rows:
    """Values by parameter, and the host, of the newest trials."""
    space = search_space(sweep)
    newest = trials.order_by("-number").values_list(
        "params", "current_attempt__worker__host"
    )[:MAX_COMPARED]
    rows = [(flat_params(space, params), host) for params, host in newest]
    return [{HOST: host, **params} if host else dict(params) for params, host in rows]
