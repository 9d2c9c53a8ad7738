"""Ask-and-tell: the next trial of a sweep for a process of the user's own."""

from __future__ import annotations

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Schema
from pydantic import ConfigDict, Field

from experiments.api.auth import steerable_sweep
from experiments.api.errors import WITHOUT_NUL, ApiError
from experiments.api.schemas import answers, page_url
from experiments.api.trials import router
from experiments.scheduling import ask


class AskIn(Schema):
    model_config = ConfigDict(extra="forbid")

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
    there is none; ``too_many_running``, ``busy``: there may be one later.
    """
    sweep = steerable_sweep(request, sweep_id)
    try:
        claim = ask.ask(sweep, client=body.client_id.strip() if body else "")
    except ask.NothingToRun as error:
        raise ApiError(409, error.code, str(error)) from error
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
