"""Trials that people request, backfill, and the queue of both."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Schema, Status
from pydantic import Field

from experiments.api.auth import (
    readable_sweep,
    reader,
    steerable_sweep,
    steerable_trial,
)
from experiments.api.errors import ApiError, ClosedSchema, Whole
from experiments.api.idempotency import idempotent
from experiments.api.pagination import paginate
from experiments.api.schemas import SweepOut, answers, sweep_out
from experiments.api.trials import router
from experiments.models import Sweep, Trial, TrialRequest
from experiments.sweeps import backfill, requests
from experiments.sweeps.progress import progress_of
from experiments.sweeps.requests import waiting_requests

ToEnd = Annotated[bool, Field(description="whether no policy may end it early")]
Params = Annotated[
    dict[str, Any],
    Field(description="values by parameter, also outside the search space"),
]


class AgainIn(ClosedSchema):
    trials: Annotated[
        list[Annotated[Whole, Field(ge=0, lt=10**9)]],
        Field(description="numbers of ended trials of the sweep"),
    ]
    to_end: ToEnd = False


class RetryIn(ClosedSchema):
    to_end: ToEnd = False


class TrialIn(ClosedSchema):
    params: Params
    to_end: ToEnd = False


class RequestOut(Schema):
    """A requested trial that has not started yet."""

    id: int
    sweep: int
    origin: Annotated[str, Field(description="as its trial will have it")]
    params: dict[str, Any]
    requested_at: datetime
    requested_by: str | None

    @classmethod
    def of(cls, trial_request: TrialRequest) -> RequestOut:
        return cls(**request_fields(trial_request))


class AddedOut(RequestOut):
    outside: Annotated[
        list[str],
        Field(description="what of it the search space does not have, in sentences"),
    ]


def request_fields(trial_request: TrialRequest) -> dict[str, Any]:
    return {
        "id": trial_request.pk,
        "sweep": trial_request.sweep_id,
        "origin": trial_request.origin_text,
        "params": trial_request.params,
        "requested_at": trial_request.requested_at,
        "requested_by": trial_request.requested_by.username
        if trial_request.requested_by
        else None,
    }


@router.post("/sweeps/{sweep_id}/again", response=answers(200, SweepOut))
@idempotent
def again(request: HttpRequest, sweep_id: int, body: AgainIn) -> SweepOut:
    """Run trials once more each, with the same values and beyond the budget.

    Whatever they ended as: failed ones are retried. A sweep that has ended goes on for
    them.
    """
    sweep = steerable_sweep(request, sweep_id)
    requests.run_again(sweep, body.trials, actor=reader(request), to_end=body.to_end)
    return sweep_out(sweep, progress_of([sweep])[sweep.pk])


@router.post("/trials/{trial_id}/retry", response=answers(202, RequestOut))
@idempotent
def retry(
    request: HttpRequest, trial_id: int, body: RetryIn | None = None
) -> Status[RequestOut]:
    """Run one ended trial once more, with the same values."""
    trial, sweep = _of_sweep(steerable_trial(request, trial_id))
    to_end = bool(body and body.to_end)
    requests.run_again(sweep, [trial.number], actor=reader(request), to_end=to_end)
    trial_request = TrialRequest.objects.filter(sweep=sweep).order_by("-pk")
    mine = next(each for each in trial_request if each.repeats == trial.number)
    return Status(202, RequestOut.of(mine))


@router.post("/trials/{trial_id}/clone", response=answers(202, AddedOut))
@idempotent
def clone(request: HttpRequest, trial_id: int, body: TrialIn) -> Status[AddedOut]:
    """Run the trial's values with changes; ``params`` has what is different, null for
    what is left out."""
    trial, sweep = _of_sweep(steerable_trial(request, trial_id))
    params = {**trial.params, **body.params}
    kept = {name: value for name, value in params.items() if value is not None}
    return _add(request, sweep, kept, to_end=body.to_end, clone_of=trial.number)


@router.post("/sweeps/{sweep_id}/trials", response=answers(202, AddedOut))
@idempotent
def add_by_hand(request: HttpRequest, sweep_id: int, body: TrialIn) -> Status[AddedOut]:
    """Try a configuration of one's own, beyond the budget and before anything new.

    Values beyond a range are allowed, and listed in ``outside``; samplers do not learn
    from them. Values of a wrong kind are refused by name.
    """
    sweep = steerable_sweep(request, sweep_id)
    return _add(request, sweep, body.params, to_end=body.to_end)


def _add(
    request: HttpRequest,
    sweep: Sweep,
    params: dict[str, Any],
    *,
    to_end: bool,
    clone_of: int | None = None,
) -> Status[AddedOut]:
    added = requests.add_trial(
        sweep, params, actor=reader(request), clone_of=clone_of, to_end=to_end
    )
    added.trial_request.refresh_from_db()
    fields = request_fields(added.trial_request)
    return Status(202, AddedOut(**fields, outside=list(added.outside)))


def _of_sweep(trial: Trial) -> tuple[Trial, Sweep]:
    if trial.sweep is None:
        raise ApiError(409, "no_sweep", f"{trial} has no sweep, so nothing runs it.")
    return trial, trial.sweep


# --- those that wait ----------------------------------------------------------------


@router.get("/sweeps/{sweep_id}/requests", response=answers(200, list[RequestOut]))
@paginate(rows=lambda page: [RequestOut.of(row) for row in page])
def list_waiting(request: HttpRequest, sweep_id: int) -> QuerySet[TrialRequest]:
    """Requested trials that wait to run, in their order."""
    waiting = waiting_requests(readable_sweep(request, sweep_id))
    return waiting.select_related("requested_by").order_by("id")


@router.delete("/sweeps/{sweep_id}/requests/{request_id}", response=answers(204, None))
def remove_waiting(
    request: HttpRequest, sweep_id: int, request_id: int
) -> Status[None]:
    """Take back a trial that waits to run."""
    sweep = steerable_sweep(request, sweep_id)
    trial_request = sweep.requests.filter(pk=request_id).first()
    if trial_request is None:
        raise ApiError(404, "not_found", f"{sweep} has no such request.")
    requests.withdraw(trial_request, actor=reader(request))
    return Status(204, None)


# --- backfill ----------------------------------------------------------------------


class BackfillIn(ClosedSchema):
    dry_run: Annotated[bool, Field(description="only say what would be run")] = False


class MissingTrialOut(Schema):
    """A configuration of the sweep that has no outcome."""

    number: int
    kind: Annotated[str, Field(description="failed, lost, cancelled or deleted")]
    why: Annotated[str, Field(description="in a sentence")]
    trial: int | None
    params: Annotated[
        dict[str, Any] | None, Field(description="null: it cannot be computed again")
    ]


class BackfillOut(Schema):
    dry_run: bool
    counts: Annotated[dict[str, int], Field(description="trials by kind")]
    trials: list[MissingTrialOut]
    unknown: Annotated[
        list[MissingTrialOut],
        Field(description="deleted ones that cannot be computed again"),
    ]
    requested: Annotated[int, Field(description="trials that were queued for it")]


@router.post("/sweeps/{sweep_id}/backfill", response=answers(200, BackfillOut))
def run_backfill(
    request: HttpRequest, sweep_id: int, body: BackfillIn | None = None
) -> dict[str, Any]:
    """Run what was lost, has failed, was cancelled with the sweep or was deleted.

    What has completed since with the same values, or waits to, is no gap: asking twice
    is asking once.
    """
    sweep = steerable_sweep(request, sweep_id)
    dry_run = bool(body and body.dry_run)
    found = backfill.run_backfill(sweep, actor=reader(request), dry_run=dry_run)
    return {
        **vars(found),
        "counts": found.counts,
        "dry_run": dry_run,
        "requested": 0 if dry_run else len(found.trials),
    }
