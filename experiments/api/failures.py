"""A sweep's failures by signature, its pre-flight, and what to do about both."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from experiments.api.auth import readable_sweep, reader, steerable_sweep
from experiments.api.errors import WITHOUT_NUL, ApiError, ClosedSchema, invalid
from experiments.api.idempotency import idempotent
from experiments.api.schemas import answers
from experiments.failures.common_values import compare_failed, shared_json
from experiments.failures.groups import FailureGroup, failure_groups
from experiments.failures.known_errors import known_error
from experiments.failures.preflight import Preflight
from experiments.models import Sweep
from experiments.sweeps.control import NotPossible
from experiments.sweeps.preflight_remedies import (
    do_preflight_remedy,
    preflight_remedies,
    start_preflight,
    waits_for_choice,
)
from experiments.sweeps.remedies import (
    Remedy,
    do_remedy,
    picked_group,
    remedies,
    situation_of,
)

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


# --- what to do ---------------------------------------------------------------------


class RemedyOut(Schema):
    """One choice."""

    value: Annotated[str, Field(description="to be sent as `remedy`")]
    name: str
    text: Annotated[str, Field(description="what happens")]
    note: Annotated[str, Field(description="proposed, after a fix, or empty")]

    @classmethod
    def of(cls, remedy: Remedy) -> RemedyOut:
        found = cls.from_orm(remedy)
        if remedy.value == "copy":
            found.text = "Makes a draft with the same settings; nothing runs yet."
        return found


class RemediesOut(Schema):
    remedies: Annotated[list[RemedyOut], Field(description="the proposed one first")]


class RemedyIn(ClosedSchema):
    remedy: Annotated[str, Field(max_length=400, pattern=WITHOUT_NUL)]
    signature: Annotated[
        str,
        Field(
            max_length=100,
            pattern=WITHOUT_NUL,
            description="of the failures; empty: the most frequent one",
        ),
    ] = ""


class RemedyDoneOut(Schema):
    message: str
    draft: Annotated[int | None, Field(description="id of a new sweep, not started")]


@router.get("/sweeps/{sweep_id}/failures/remedies", response=answers(200, RemediesOut))
def list_remedies(
    request: HttpRequest,
    sweep_id: int,
    signature: Annotated[
        str, Query(pattern=WITHOUT_NUL, description="Empty: the most frequent one.")
    ] = "",
) -> RemediesOut:
    """What can be done about the failed trials with this signature."""
    sweep = readable_sweep(request, sweep_id)
    group = _group(sweep, signature)
    found = remedies(situation_of(sweep, group)) if group else []
    return RemediesOut(remedies=[RemedyOut.of(each) for each in found])


def _group(sweep: Sweep, signature: str) -> FailureGroup | None:
    """None: nothing has failed. Raises ApiError for a signature that it does not
    have."""
    groups = failure_groups(sweep)
    known = [group.signature for group in groups if group.signature]
    if signature and signature not in known:
        sentence = f"{sweep} has no failure with the signature {signature!r}."
        if known:
            sentence += f" Allowed are {', '.join(known[:10])}."
        raise invalid("signature", sentence)
    return picked_group(groups, signature)


@router.post("/sweeps/{sweep_id}/failures/remedy", response=answers(200, RemedyDoneOut))
@idempotent
def remedy(request: HttpRequest, sweep_id: int, body: RemedyIn) -> RemedyDoneOut:
    """Do one of the remedies of failures."""
    sweep = steerable_sweep(request, sweep_id)
    group = _group(sweep, body.signature)
    if group is None:
        raise NotPossible(f"No trial of {sweep} has failed.")
    done = do_remedy(situation_of(sweep, group), body.remedy, actor=reader(request))
    return RemedyDoneOut(
        message=done.message, draft=done.draft.pk if done.draft else None
    )


class PreflightRemedyIn(ClosedSchema):
    remedy: Annotated[
        str,
        Field(
            max_length=400,
            pattern=WITHOUT_NUL,
            description="`repeat`, `resume`, or `use:NAME` for another primary metric",
        ),
    ]


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
    remedies: Annotated[
        list[RemedyOut],
        Field(description="while the sweep waits for your choice; the best one first"),
    ]


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
    if sweep.preflight is None:
        try:
            start_preflight(sweep, hold=hold, actor=reader(request))
        except NotPossible:
            # Another request may have started it meanwhile.
            sweep.refresh_from_db()
            if sweep.preflight is None:
                raise
    return _preflight_out(sweep)


@router.post("/sweeps/{sweep_id}/preflight/remedy", response=answers(200, PreflightOut))
@idempotent
def preflight_remedy(
    request: HttpRequest, sweep_id: int, body: PreflightRemedyIn
) -> dict[str, Any]:
    """Do one of the choices at the end of a pre-flight. For `copy`, make a sweep of
    the document."""
    sweep = steerable_sweep(request, sweep_id)
    do_preflight_remedy(sweep, body.remedy, actor=reader(request))
    sweep.refresh_from_db()
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
        "remedies": [
            each
            for each in preflight_remedies(sweep, flight)
            # A copy is a form of the pages.
            if waits_for_choice(sweep) and each.value != "copy"
        ],
    }
