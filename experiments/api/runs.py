"""Single runs: trials without a sweep, which people's programs start, log to and end.

A run is a trial, so the routes of /trials/{id} read its metrics, log and files.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Status
from pydantic import Field

from experiments import access, lifecycle
from experiments.api import metrics
from experiments.api.artifacts import OutputPath, answering_disk_full, body_chunks
from experiments.api.auth import (
    TrialAuth,
    UserAuth,
    chosen_team,
    must_steer,
    of_experiment,
    own_attempt,
    reader,
    running_attempt,
    writer,
)
from experiments.api.errors import MAX_ID, WITHOUT_NUL, ClosedSchema, invalid
from experiments.api.idempotency import idempotent
from experiments.api.outputs import ArtifactOut
from experiments.api.pagination import paginate
from experiments.api.points import PointsIn, ReplyOut
from experiments.api.run_rows import (
    NewRunOut,
    NoteText,
    Params,
    RunIn,
    RunName,
    RunOut,
    Tags,
    run_rows,
)
from experiments.api.schemas import answers
from experiments.api.sweeps import EntryFilterText
from experiments.api.uploads import ARCHIVE
from experiments.models import Event, Experiment, Run, Trial, User
from experiments.models.environments import note_environment
from experiments.models.trials import TrialState
from experiments.sweeps.control import set_archived
from experiments.sweeps.creation import (
    experiment_by_name,
    find_or_create_experiment,
)
from experiments.sweeps.entry_filters import chosen_by
from experiments.tracking import run_log
from experiments.tracking.outputs import is_plain_path, store_output

router = Router(tags=["runs"])
# A run's own token may log to it; a person's may do more.
program_or_user = [TrialAuth(), UserAuth()]

MAX_EXPERIMENT_NAME = 200


def texts(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as a run keeps them."""
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in values.items()
    }


def _runs(user: User) -> QuerySet[Trial]:
    runs = access.trials_for(user).filter(sweep=None)
    return runs.select_related("run__created_by", "current_attempt")


def _readable(request: HttpRequest, run_id: int) -> Trial:
    """The run, for a person of its team or for its own program."""
    attempt = own_attempt(request)
    if attempt is None:
        return access.found_or_404(_runs(reader(request)), pk=run_id)
    own = Trial.objects.kept().filter(sweep=None, pk=attempt.trial_id)
    joined = ("run__created_by", "current_attempt", "experiment__team")
    return access.found_or_404(own.select_related(*joined), pk=run_id)


def _writable(request: HttpRequest, run_id: int) -> Trial:
    """The run, for a person who may change it or for its own program, whose sign of
    life this is."""
    run = _readable(request, run_id)
    if own_attempt(request) is None:
        must_steer(request, run.experiment)
    elif run.current_attempt is not None:
        lifecycle.ask_heartbeat(run.current_attempt)
    return run


def _loggable(request: HttpRequest, run_id: int) -> Trial:
    """The same; of the trials of sweeps the one whose own program calls, as long as its
    attempt counts."""
    attempt = own_attempt(request)
    if attempt is None or attempt.trial.sweep_id is None:
        return _writable(request, run_id)
    running_attempt(request)
    joined = ("run__created_by", "current_attempt", "experiment__team")
    own = Trial.objects.kept().select_related(*joined)
    Run.objects.get_or_create(trial=attempt.trial)
    return access.found_or_404(own, pk=attempt.trial_id)


def _steerable(request: HttpRequest, run_id: int) -> Trial:
    run = access.found_or_404(_runs(reader(request)), pk=run_id)
    must_steer(request, run.experiment)
    return run


def _out(trial: Trial) -> RunOut:
    return run_rows([trial])[0]


@router.post("/runs", response=answers(201, NewRunOut))
@idempotent
def create(
    request: HttpRequest,
    body: RunIn,
    team: Annotated[
        str | None,
        Query(
            pattern=WITHOUT_NUL,
            description="Slug of the team. Without it: the one that has the experiment,"
            " or your only one.",
        ),
    ] = None,
) -> Status[dict[str, Any]]:
    """Start a run. It runs from now on, until its program or a person ends it.

    The answer has a token that may log to this run and end it.
    """
    experiment, user = _experiment(request, body, team), writer(request)
    params = texts(body.params)
    run_log.check_params(params)
    run_log.check_tags(body.tags)
    parent = _parent(user, experiment, body.parent)
    with transaction.atomic():
        claim = lifecycle.start_run(
            experiment,
            name=body.name,
            created_by=user,
            client=body.client,
            params=params,
            parent=parent,
            **body.dict(include={"tags", "note"}),
        )
        note_environment(claim.attempt.trial, body.environment)
    out = _out(_runs(user).get(pk=claim.attempt.trial_id))
    return Status(201, {**out.dict(), "token": claim.token.secret})


def _experiment(request: HttpRequest, body: RunIn, team: str | None) -> Experiment:
    user = writer(request)
    if isinstance(body.experiment, int):
        mine = access.experiments_for(user)
        found = access.found_or_404(mine, pk=body.experiment)
        must_steer(request, found)
        return found
    name = body.experiment.strip()
    if not 1 <= len(name) <= MAX_EXPERIMENT_NAME or "\0" in name:
        words = f"Give an id or a name of 1 to {MAX_EXPERIMENT_NAME} characters."
        raise invalid("experiment", words)
    if team is not None:
        owner = chosen_team(request, team)
        return find_or_create_experiment(owner, name, user=user)
    return experiment_by_name(user, name)


def _parent(user: User, experiment: Experiment, number: int | None) -> Trial | None:
    if number is None:
        return None
    own = access.trials_for(user).filter(experiment__team=experiment.team_id)
    return access.found_or_404(own, pk=number)


@router.get("/runs", response=answers(200, list[RunOut]))
@paginate(rows=run_rows)
def list_runs(
    request: HttpRequest,
    state: Annotated[list[TrialState] | None, Query()] = None,
    experiment: Annotated[
        str | None,
        Query(pattern=WITHOUT_NUL, description="Slug or id of the experiment."),
    ] = None,
    parent: Annotated[
        int | None, Query(ge=0, le=MAX_ID, description="Only parts of this run.")
    ] = None,
    filter: EntryFilterText = "",
) -> QuerySet[Trial]:
    """The runs of your teams, the newest first."""
    runs = _runs(reader(request))
    if state:
        runs = runs.filter(state__in=state)
    if experiment is not None:
        runs = runs.filter(of_experiment(experiment))
    if parent is not None:
        runs = runs.filter(run__parent=parent)
    return chosen_by(filter, kind="run", rows=runs).order_by("-id")


@router.get("/runs/{run_id}", response=answers(200, RunOut), auth=program_or_user)
def get_run(request: HttpRequest, run_id: int) -> RunOut:
    return _out(_readable(request, run_id))


class RunChangeIn(ClosedSchema):
    name: Annotated[RunName | None, Field(min_length=1)] = None
    note: NoteText | None = None
    tags: Tags | None = None
    archived: Annotated[
        bool | None, Field(description="hidden from lists; only by a person")
    ] = None


@router.patch("/runs/{run_id}", response=answers(200, RunOut), auth=program_or_user)
def change(request: HttpRequest, run_id: int, body: RunChangeIn) -> RunOut:
    """Change the name, the note or tags, or archive it. Tags that are not named
    stay."""
    run = _writable(request, run_id)
    with transaction.atomic():
        _set_tags(run, body.tags or {})
        words = body.dict(include={"name", "note"}, exclude_none=True)
        if words:
            run_log.change_run(run, **words)
        if own_attempt(request) is None:
            set_archived(run, body.archived, actor=reader(request))
            after = body.dict(exclude_none=True)
            Event.log("run changed", actor=reader(request), trial=run, after=after)
    return _out(run)


class ParamsIn(ClosedSchema):
    params: Params


@router.post(
    "/runs/{run_id}/params", response=answers(200, RunOut), auth=program_or_user
)
def log_params(request: HttpRequest, run_id: int, body: ParamsIn) -> RunOut:
    """Add parameters. One that exists cannot change: 409 ``param_changed``.

    A trial's token may add parameters to the trial.
    """
    run = _loggable(request, run_id)
    run_log.log_params(run, texts(body.params))
    return _out(run)


class TagsIn(ClosedSchema):
    tags: Tags


@router.post("/runs/{run_id}/tags", response=answers(200, RunOut), auth=program_or_user)
def set_tags(request: HttpRequest, run_id: int, body: TagsIn) -> RunOut:
    """Set tags. Those that are not named stay. A trial's token may set the trial's."""
    run = _loggable(request, run_id)
    with transaction.atomic():
        _set_tags(run, body.tags)
    return _out(run)


def _set_tags(run: Trial, tags: Mapping[str, str | None]) -> None:
    kept = {key: value for key, value in tags.items() if value is not None}
    if kept:
        run_log.set_tags(run, kept)
    for key in tags.keys() - kept.keys():
        run_log.delete_tag(run, key)


@router.post(
    "/runs/{run_id}/metrics",
    response=answers(200, ReplyOut),
    auth=program_or_user,
    exclude_unset=True,
)
def report(request: HttpRequest, run_id: int, body: PointsIn) -> ReplyOut:
    """Report points, as for trials; also after the run's end."""
    return metrics.report(request, run_id, body)


@router.put(
    "/runs/{run_id}/artifacts",
    response=answers(201, ArtifactOut),
    auth=program_or_user,
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": ARCHIVE},
        }
    },
)
def put_artifact(
    request: HttpRequest, run_id: int, path: OutputPath
) -> Status[ArtifactOut]:
    """Keep one file, which is the body. It replaces the file of the same path."""
    run = _writable(request, run_id)
    if not is_plain_path(path):
        words = "The path must stay below a folder: names with / between them."
        raise invalid("path", words)
    attempt = run.attempts.select_related("trial__experiment").get()
    with answering_disk_full():
        artifact = store_output(
            attempt,
            path,
            body_chunks(request),
            size=int(request.headers.get("Content-Length") or 0),
        )
    return Status(201, ArtifactOut.from_orm(artifact))


class RunFinishIn(ClosedSchema):
    state: Literal["completed", "failed", "cancelled"] = "completed"
    message: Annotated[str, Field(max_length=2_000, pattern=WITHOUT_NUL)] = ""


@router.post(
    "/runs/{run_id}/finish", response=answers(200, RunOut), auth=program_or_user
)
def finish(
    request: HttpRequest, run_id: int, body: RunFinishIn | None = None
) -> RunOut:
    """End the run. One that has ended keeps its state."""
    run, body = _writable(request, run_id), body or RunFinishIn()
    lifecycle.finish_run(run, TrialState(body.state), message=body.message)
    return _out(run)


@router.delete("/runs/{run_id}", response=answers(200, RunOut))
def delete(request: HttpRequest, run_id: int) -> RunOut:
    """Move the run to the trash, from which it can be restored for some days. One that
    runs ends as cancelled."""
    run = _steerable(request, run_id)
    lifecycle.trash_run(run, actor=reader(request))
    return _out(run)


@router.post("/runs/{run_id}/restore", response=answers(200, RunOut))
def restore(request: HttpRequest, run_id: int) -> RunOut:
    """Take the run out of the trash. Idempotent."""
    everything = access.trials_for(reader(request), trashed=True).filter(sweep=None)
    joined = everything.select_related("run__created_by", "current_attempt")
    run = access.found_or_404(joined, pk=run_id)
    must_steer(request, run.experiment)
    lifecycle.restore_run(run, actor=reader(request))
    return _out(run)
