"""Trials: listings, one trial, its metrics and the policy's verdicts on it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from django.db.models import Count, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber
from django.http import HttpRequest
from ninja import Query, Router, Schema

from experiments import lifecycle, queues
from experiments.api.auth import (
    TrialAuth,
    UserAuth,
    readable_sweep,
    readable_trial,
    reader,
    steerable_trial,
)
from experiments.api.errors import WITHOUT_NUL, ApiError
from experiments.api.pagination import Cursor, Key, Limit, Listing, keyset_page
from experiments.api.schemas import Number, TrialRowOut, answers, reported_number
from experiments.api.trial_rows import (
    DecisionOut,
    TrialOut,
    decision_rows,
    trial_out,
    trial_rows,
)
from experiments.models import Decision, MetricPoint, Trial
from experiments.models.trials import TrialState

router = Router(tags=["trials"])
# A training process may look at its own trial.
own_or_user = [TrialAuth(), UserAuth()]

Sort = Literal["number", "-number", "value", "-value", "started", "-started"]
COLUMNS = {"number": "number", "value": "value", "started": "started_at"}


@router.get("/sweeps/{sweep_id}/trials", response=answers(200, Listing[TrialRowOut]))
def list_trials(
    request: HttpRequest,
    sweep_id: int,
    state: Annotated[list[TrialState] | None, Query()] = None,
    sort: Annotated[Sort, Query(description="A minus: descending. Nulls last.")] = (
        "number"
    ),
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Listing[TrialRowOut]:
    sweep = readable_sweep(request, sweep_id)
    trials = sweep.trials.select_related("sweep__experiment", "current_attempt")
    if state:
        trials = trials.filter(state__in=state)
    first = Key(COLUMNS[sort.lstrip("-")], descending=sort.startswith("-"))
    keys = [first] if first.column == "number" else [first, Key("number")]
    page, following = keyset_page(trials, *keys, limit=limit, cursor=cursor)
    return Listing(items=trial_rows(page), next=following)


@router.get("/trials/{trial_id}", response=answers(200, TrialOut), auth=own_or_user)
def get_trial(request: HttpRequest, trial_id: int) -> TrialOut:
    return trial_out(readable_trial(request, trial_id))


@router.post("/trials/{trial_id}/cancel", response=answers(200, TrialOut))
def cancel(request: HttpRequest, trial_id: int) -> TrialOut:
    """Ask the trial to stop; one that waits ends at once. Idempotent."""
    trial = steerable_trial(request, trial_id)
    user = reader(request)
    message = f"Cancelled by {user.display_name}."
    if lifecycle.cancel_trial(trial, actor=user, message=message):
        queues.wake_scheduler()
    trial.refresh_from_db()
    if trial.has_ended and trial.state != TrialState.CANCELLED:
        raise ApiError(
            409,
            "wrong_state",
            f"Trial {trial} is {trial.state}; only one that has not ended can be"
            " cancelled.",
        )
    return trial_out(trial)


class PointOut(Schema):
    name: str
    step: int
    value: Number
    time: datetime


@router.get(
    "/trials/{trial_id}/metrics",
    response=answers(200, Listing[PointOut]),
    auth=own_or_user,
)
def metrics(
    request: HttpRequest,
    trial_id: int,
    name: Annotated[
        str | None, Query(pattern=WITHOUT_NUL, description="Only this metric.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Points a page.")] = 1_000,
    downsample: Annotated[
        int | None,
        Query(ge=2, le=10_000, description="At most so many points of each metric."),
    ] = None,
    cursor: Cursor = None,
) -> Listing[PointOut]:
    """The points of the trial's last attempt, metric by metric, by step."""
    trial = readable_trial(request, trial_id)
    points = MetricPoint.objects.filter(metric__attempt=trial.current_attempt_id)
    if name is not None:
        points = points.filter(metric__name=name)
    if downsample is not None:
        points = _thinned(points, downsample)
    page, following = keyset_page(
        points.select_related("metric"),
        *(Key("metric_id"), Key("step"), Key("ordinal")),
        limit=limit,
        cursor=cursor,
    )
    return Listing(items=[_point_out(point) for point in page], next=following)


def _thinned(points: QuerySet[MetricPoint], most: int) -> QuerySet[MetricPoint]:
    """Of each metric every k-th point and the last one, at most so many."""
    placed = points.annotate(
        place=Window(
            RowNumber(),
            partition_by=F("metric"),
            order_by=[F("step").asc(), F("ordinal").asc()],
        ),
        total=Window(Count("pk"), partition_by=F("metric")),
    ).annotate(off=(F("place") - 1) % ((F("total") + most - 2) / (most - 1)))
    kept = placed.filter(Q(off=0) | Q(place=F("total")))
    return MetricPoint.objects.filter(pk__in=kept.values("pk"))


def _point_out(point: MetricPoint) -> PointOut:
    return PointOut(
        name=point.metric.name,
        step=point.step,
        value=reported_number(point.value),
        time=point.time,
    )


@router.get(
    "/trials/{trial_id}/decisions",
    response=answers(200, Listing[DecisionOut]),
    auth=own_or_user,
)
def decisions(
    request: HttpRequest, trial_id: int, limit: Limit = 500, cursor: Cursor = None
) -> Listing[DecisionOut]:
    """Every verdict of the early termination policy, *continue* included."""
    trial: Trial = readable_trial(request, trial_id)
    page, following = keyset_page(
        Decision.objects.filter(trial=trial).select_related("attempt"),
        Key("n"),
        Key("id"),
        limit=limit,
        cursor=cursor,
    )
    return Listing(items=decision_rows(trial, page), next=following)
