"""Trials: listings, one trial, its metrics and the policy's verdicts on it."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from experiments import lifecycle, queues
from experiments.api.auth import (
    TrialAuth,
    UserAuth,
    readable_sweep,
    readable_trial,
    reader,
    steerable_sweep,
    steerable_trial,
)
from experiments.api.errors import WITHOUT_NUL, ApiError, ClosedSchema
from experiments.api.pagination import Listing, paginate
from experiments.api.point_listing import PointOut, point_listing
from experiments.api.schemas import (
    TrialRowOut,
    answers,
    page_url,
)
from experiments.api.trial_rows import (
    DecisionOut,
    TrialOut,
    decision_rows,
    trial_out,
    trial_rows,
)
from experiments.models import Decision, Metric, Trial
from experiments.models.trials import TrialState
from experiments.scheduling import ask
from experiments.search.filters.lexer import MAX_CHARACTERS
from experiments.sweeps.trial_listing import TrialListing

router = Router(tags=["trials"])
# A training process may look at its own trial.
own_or_user = [TrialAuth(), UserAuth()]

# What the database sorts by.
INDEXED = frozenset(("number", "-number", "value", "-value", "started", "-started"))
MAX_SORT_TEXT = 1_000


@router.get("/sweeps/{sweep_id}/trials", response=answers(200, list[TrialRowOut]))
@paginate(rows=trial_rows)
def list_trials(
    request: HttpRequest,
    sweep_id: int,
    state: Annotated[list[TrialState] | None, Query()] = None,
    filter: Annotated[
        str,
        Query(
            max_length=MAX_CHARACTERS,
            description="Such as `lr < 0.01 and state = completed`. With a filter,"
            " archived trials are left out unless it names them.",
        ),
    ] = "",
    q: Annotated[
        str, Query(max_length=MAX_CHARACTERS, description="The same as `filter`.")
    ] = "",
    sort: Annotated[
        str,
        Query(
            max_length=MAX_SORT_TEXT,
            description="Columns by their names in filters, such as `-value,took`. A"
            " minus: descending. Trials without a value last.",
        ),
    ] = "number",
) -> QuerySet[Trial] | Listing:
    sweep, filter = readable_sweep(request, sweep_id), filter or q
    trials = sweep.trials.select_related("sweep__experiment", "current_attempt")
    if filter.strip() or sort not in INDEXED:
        return _listing(TrialListing(sweep, filter, sort, state or ()), trials)
    if state:
        trials = trials.filter(state__in=state)
    order = sort.replace("started", "started_at")
    return trials.order_by(order, *(() if "number" in sort else ("number",)))


def _listing(found: TrialListing, trials: QuerySet[Trial]) -> Listing:
    asked = repr((found.filter, sorted(found.states), list(map(str, found.sorts))))
    digest = sha256(asked.encode("utf-8", "replace")).hexdigest()[:12]

    def page(
        after: tuple[int, ...] | None, limit: int
    ) -> list[tuple[tuple[int, ...], Trial]]:
        place, number = (0, -1) if after is None else after
        numbers = found.numbers_after(place, number, limit)
        rows = {trial.number: trial for trial in trials.filter(number__in=numbers)}
        start = found.start_of(numbers[0]) if numbers else 0
        return [
            ((start + k + 1, n), rows[n]) for k, n in enumerate(numbers) if n in rows
        ]

    return Listing(order=f"{digest},number", page=page)


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


@router.get(
    "/trials/{trial_id}/metrics",
    response=answers(200, list[PointOut]),
    auth=own_or_user,
)
@paginate(limit=1_000, max_limit=10_000)
def metrics(
    request: HttpRequest,
    trial_id: int,
    name: Annotated[
        str | None, Query(pattern=WITHOUT_NUL, description="Only this metric.")
    ] = None,
    downsample: Annotated[
        int | None,
        Query(ge=2, le=10_000, description="The most points of each metric."),
    ] = None,
) -> Listing:
    """The points of the trial's last attempt, metric by metric, by step and time."""
    trial = readable_trial(request, trial_id)
    rows = Metric.objects.filter(attempt=trial.current_attempt_id)
    if name is not None:
        rows = rows.filter(name=name)
    return point_listing(rows, downsample)


@router.get(
    "/trials/{trial_id}/decisions",
    response=answers(200, list[DecisionOut]),
    auth=own_or_user,
)
@paginate(rows=decision_rows, limit=500)
def decisions(request: HttpRequest, trial_id: int) -> QuerySet[Decision]:
    """Every verdict of the early termination policy, *continue* included."""
    trial = readable_trial(request, trial_id)
    return trial.decisions.select_related("attempt").order_by("n", "id")


# --- ask-and-tell ------------------------------------------------------------------


class AskIn(ClosedSchema):
    client_id: Annotated[
        str,
        Field(
            max_length=200,
            pattern=WITHOUT_NUL,
            description="what the asker calls itself: asking again before it has"
            " finished gives the same trial",
        ),
    ] = ""


class AskedOut(Schema):
    """A trial that the asker runs from now on; ``token`` reports on it and ends it."""

    id: int
    number: int
    name: str
    url: str
    params: dict[str, Any]
    token: str
    origin: str
    primary_metric: str
    goal: str


@router.post("/sweeps/{sweep_id}/ask", response=answers(200, AskedOut))
def ask_for_trial(
    request: HttpRequest, sweep_id: int, body: AskIn | None = None
) -> AskedOut:
    """The next trial, for a process that this site does not launch.

    Report with ``POST /trials/{id}/metrics``, end with ``POST /trials/{id}/finish``,
    both with the trial's token. 409 ``budget_spent``, ``exhausted``, ``not_running``:
    there is none; ``too_many_running``, ``over_quota``, ``busy``: there may be one
    later.
    """
    sweep = steerable_sweep(request, sweep_id)
    claim = ask.ask(sweep, client=body.client_id.strip() if body else "")
    trial = claim.attempt.trial
    return AskedOut(
        id=trial.pk,
        number=trial.number,
        name=trial.label,
        url=page_url(trial),
        params=trial.params,
        token=claim.token.secret,
        origin=trial.origin_text,
        primary_metric=sweep.primary_metric,
        goal=sweep.goal,
    )
