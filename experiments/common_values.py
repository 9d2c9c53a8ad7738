"""The values that the trials with one error have in common, compared with the trials
that ran."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from experiments.failures import FailureGroup
from experiments.models import Sweep
from experiments.models.trials import TrialQuerySet, TrialState
from experiments.search.fields import is_number
from experiments.search.sharing import (
    LEAST,
    MOST_LISTED,
    Shared,
    Values,
    shared_values,
)
from experiments.spaces import flat_params, search_space
from experiments.words import number_text

MAX_COMPARED = 400
MAX_ROWS = 12
HOST = "host"
HAS_RUN = Q(reports__gt=0) | Q(state=TrialState.COMPLETED)

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class FailedValues:
    """The values of the failed trials and of trials that ran, and what they share.

    The trials that ran are those of `ran_in`: the same sweep, or an earlier one.
    """

    failed: Rows
    ran: Rows
    ran_in: Sweep
    values: Sequence[Shared]


def compare_failed(sweep: Sweep, group: FailureGroup) -> FailedValues | None:
    """None where there is nothing to compare."""
    failed = _rows(sweep, group.trials_of(sweep))
    ran_in, ran = _trials_that_ran(sweep)
    if len(failed) < 2 or not ran:
        return None
    if len({row.get(HOST) for row in (*failed, *ran)}) < 2:
        for row in (*failed, *ran):
            row.pop(HOST, None)
    return FailedValues(failed, ran, ran_in, shared_values(failed, ran)[:MAX_ROWS])


def shared_json(found: FailedValues | None) -> list[Mapping[str, Any]]:
    """The comparison for programs, a row for each parameter."""
    return [
        {
            "parameter": each.name,
            "failed": values_text(each.failed),
            "ran": values_text(each.ran),
            "tells": each.tells,
        }
        for each in (found.values if found else ())
    ]


def values_text(values: Values, *, joint: str = ", ") -> str:
    """A few values in a row, or the range of many numbers."""
    many = len(values.listed) > MOST_LISTED
    if many and values.low is not None and values.high is not None:
        return f"{number_text(values.low)} \u2013 {number_text(values.high)}"
    shown = [value_text(value) for value in values.listed[:MOST_LISTED]]
    more = ", …" if len(values.listed) > MOST_LISTED else ""
    return joint.join(shown) + more


def value_text(value: Any) -> str:
    if value is None:
        return "not set"
    if is_number(value):
        return number_text(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _trials_that_ran(sweep: Sweep) -> tuple[Sweep, Rows]:
    """The trials of the sweep that ran or, where none has, of the newest other sweep of
    its experiment of which some have."""
    own = _rows(
        sweep, sweep.trials.own().filter(HAS_RUN).exclude(state=TrialState.FAILED)
    )
    if own:
        return sweep, own
    good = Count("trials", filter=Q(trials__state=TrialState.COMPLETED))
    others = Sweep.objects.filter(experiment=sweep.experiment_id, pk__lt=sweep.pk)
    ran = others.annotate(good=good).filter(good__gte=LEAST).order_by("-pk").first()
    if ran is None:
        return sweep, []
    return ran, _rows(ran, ran.trials.filter(state=TrialState.COMPLETED))


def _rows(sweep: Sweep, trials: TrialQuerySet) -> Rows:
    """Values by parameter, and the host, of the newest of the trials."""
    space = search_space(sweep)
    newest = trials.order_by("-number").values_list(
        "params", "current_attempt__worker__host"
    )[:MAX_COMPARED]
    rows = [(flat_params(space, params), host) for params, host in newest]
    return [{HOST: host, **params} if host else dict(params) for params, host in rows]
