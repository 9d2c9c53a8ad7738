"""Single runs as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from ninja import Schema
from pydantic import Field

from experiments.api.errors import WITHOUT_NUL, ClosedSchema, RowId
from experiments.api.schemas import ExperimentOut, Number, page_url
from experiments.api.trial_rows import last_metrics
from experiments.models import Attempt, Trial
from experiments.models.environments import whole_environments
from experiments.models.runs import MAX_RUN_NAME

RunName = Annotated[str, Field(max_length=MAX_RUN_NAME, pattern=WITHOUT_NUL)]
NoteText = Annotated[str, Field(max_length=100_000, pattern=WITHOUT_NUL)]
Params = Annotated[
    dict[str, Any],
    Field(description="Values are kept as text; those that are not text as JSON."),
]
Tags = Annotated[
    dict[str, str | None], Field(description="A tag with the value null is removed.")
]


class RunIn(ClosedSchema):
    """A run to start."""

    experiment: Annotated[
        RowId | str,
        Field(description="An id, a name or TEAM/NAME: a new name makes a new one."),
    ]
    name: RunName = ""
    params: Params = {}
    tags: dict[str, str] = {}
    note: NoteText = ""
    parent: Annotated[
        RowId | None, Field(description="the id of the run or trial it is a part of")
    ] = None
    client: Annotated[str, Field(max_length=200, pattern=WITHOUT_NUL)] = ""
    environment: Annotated[
        dict[str, Any],
        Field(description="What is needed to run it again; secrets are not kept."),
    ] = {}


class RunOut(Schema):
    id: int
    name: str
    number: Annotated[int, Field(description="in its experiment")]
    url: str
    team: str
    experiment: ExperimentOut
    state: str
    reason: str
    message: str
    params: dict[str, str]
    tags: dict[str, str]
    note: str
    metrics: Annotated[
        dict[str, Number], Field(description="the last value of each metric")
    ]
    parent: Annotated[int | None, Field(description="the run or trial it is a part of")]
    environment: dict[str, Any]
    client: Annotated[str, Field(description="the program that logs it")]
    created_by: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    last_sign_at: Annotated[
        datetime | None, Field(description="when its program last reported")
    ]


class NewRunOut(RunOut):
    """A new run, with the token that logs to it, which is shown only here."""

    token: str


def run_rows(trials: Sequence[Trial]) -> list[RunOut]:
    """In the same order, in two queries. Needs ``run``, ``experiment__team`` and
    ``current_attempt`` joined."""
    found = last_metrics(trials)
    environments = whole_environments(*(trial.run for trial in trials))
    return [
        RunOut(
            **_own_fields(trial, trial.current_attempt),
            environment={k: v for k, v in known.items() if v is not None},
            metrics=found.get(trial.current_attempt_id, {}),
        )
        for trial, known in zip(trials, environments, strict=True)
    ]


def _own_fields(trial: Trial, attempt: Attempt | None) -> dict[str, Any]:
    run, experiment = trial.run, trial.experiment
    own = "number state reason message created_at started_at ended_at"
    logged = "name params tags note"
    creator = run.created_by
    return {
        **{name: getattr(trial, name) for name in own.split()},
        **{name: getattr(run, name) for name in logged.split()},
        "id": trial.pk,
        "url": page_url(trial),
        "team": experiment.team.slug,
        "experiment": ExperimentOut.from_orm(experiment),
        "parent": run.parent_id,
        "created_by": creator.username if creator else None,
        "client": attempt.client if attempt else "",
        "last_sign_at": attempt.heartbeat_at if attempt else None,
    }
