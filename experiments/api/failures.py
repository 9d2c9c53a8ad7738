"""A sweep's failures by signature, and its pre-flight."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from experiments import lifecycle, queues
from experiments.api.auth import readable_sweep, reader, steerable_sweep
from experiments.api.errors import ApiError
from experiments.api.schemas import answers
from experiments.failures.common_values import compare_failed, shared_json
from experiments.failures.groups import FailureGroup, failure_groups
from experiments.failures.known_errors import known_error
from experiments.failures.preflight import Preflight
from experiments.models import Sweep
from experiments.sweeps.control import check_may_run

router = Router(tags=["sweeps"])

MAX_NUMBERS = 100


class SharedOut(Schema):
    """One parameter of the trials that failed, against those that ran."""

    parameter: str
    failed: Annotated[str, Field(description="its values in the failed, in words")]
    ran: Annotated[str, Field(description="its values in those that ran")]
    significant: Annotated[bool, Field(description="more than chance")]


class FailureOut(Schema):
    """Failed trials with one signature."""

    signature: Annotated[str, Field(description="equal for equal errors; may be empty")]
    error: Annotated[str, Field(description="what varies is left blank: ‹n›, ‹path›")]
    reason: str
    count: int
    trials: Annotated[
        list[int], Field(description=f"numbers of the newest, at most {MAX_NUMBERS}")
    ]
    likely_cause: str
    advice: str
    shared: list[SharedOut]


class FailuresOut(Schema):
    failed: int
    items: Annotated[list[FailureOut], Field(description="the most frequent first")]


@router.get("/sweeps/{sweep_id}/failures", response=answers(200, FailuresOut))
def failures(request: HttpRequest, sweep_id: int) -> FailuresOut:
    """The sweep's errors, and the values that trials with the most frequent error
    share.
    """
    sweep = readable_sweep(request, sweep_id)
    groups = failure_groups(sweep)
    numbers = _numbers(sweep)
    shared = shared_json(compare_failed(sweep, groups[0])) if groups else []
    items = [
        _failure_out(group, numbers, shared if group is groups[0] else [])
        for group in groups
    ]
    return FailuresOut(failed=sum(group.count for group in groups), items=items)


def _numbers(sweep: Sweep) -> dict[tuple[str, str], list[int]]:
    """The numbers of the newest failed trials, by reason and signature."""
    failed = sweep.trials.own().filter(state="failed").order_by("-number")
    rows = failed.values_list("number", "reason", "current_attempt__signature")
    found: dict[tuple[str, str], list[int]] = {}
    for number, reason, signature in rows[: 10 * MAX_NUMBERS]:
        found.setdefault((reason, signature or ""), []).append(number)
    return found


def _failure_out(
    group: FailureGroup, numbers: dict[tuple[str, str], list[int]], shared: list[Any]
) -> FailureOut:
    known = known_error(group.words)
    return FailureOut(
        signature=group.signature,
        error=group.words,
        reason=group.reason,
        count=group.count,
        trials=numbers.get((group.reason, group.signature), [])[:MAX_NUMBERS],
        likely_cause=known.cause if known else "",
        advice=known.advice if known else "",
        shared=shared,
    )


class PreflightCheckOut(Schema):
    mark: Annotated[str, Field(description="good, wrong or open")]
    text: str


class PreflightOut(Schema):
    """One configuration that runs, or ran, before all others."""

    state: Annotated[str, Field(description="running, passed or failed")]
    hold: Annotated[bool, Field(description="the sweep is paused when it has passed")]
    trial: Annotated[int | None, Field(description="number of the trial")]
    problem: Annotated[
        str, Field(description="empty, or failed, no_metric, near_miss or unseen")
    ]
    similar_names: Annotated[
        list[str], Field(description="reported names like that of the primary metric")
    ]
    checks: list[PreflightCheckOut]
    estimate: Annotated[str, Field(description="what the whole takes, in words")]
    sweep_state: str


@router.get("/sweeps/{sweep_id}/preflight", response=answers(200, PreflightOut))
def read_preflight(request: HttpRequest, sweep_id: int) -> dict[str, Any]:
    """What was found when one configuration was tried first."""
    return _preflight_out(readable_sweep(request, sweep_id))


@router.post("/sweeps/{sweep_id}/preflight", response=answers(200, PreflightOut))
def preflight(
    request: HttpRequest,
    sweep_id: int,
    hold: Annotated[
        bool, Query(description="Pause the sweep when it has passed, to be looked at.")
    ] = True,
) -> dict[str, Any]:
    """Start a draft with one configuration alone, which then counts as its first trial.

    Without ``hold`` the others follow by themselves once it has reported.
    """
    sweep = steerable_sweep(request, sweep_id)
    actor = reader(request)
    check_may_run(actor, sweep)
    if lifecycle.start_preflight(sweep, hold=hold, actor=actor):
        queues.wake_scheduler()
    sweep.refresh_from_db()
    if sweep.preflight is None:
        raise ApiError(
            409,
            "wrong_state",
            f"The sweep {sweep} is {sweep.state}; only a draft can be tried first.",
        )
    return _preflight_out(sweep)


def _preflight_out(sweep: Sweep) -> dict[str, Any]:
    flight = Preflight.of(sweep)
    if flight is None:
        raise ApiError(
            404, "no_preflight", f"No configuration of {sweep} was tried first."
        )
    return {
        "state": flight.state,
        "hold": bool(flight.data.get("hold")),
        "trial": flight.number,
        "problem": flight.problem,
        "similar_names": flight.similar_names,
        "checks": flight.checks(),
        "estimate": flight.estimate(),
        "sweep_state": sweep.state,
    }
