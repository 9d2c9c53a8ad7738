"""Sweeps: create, read, change and steer them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated, Any

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from experiments import access, lifecycle, queues
from experiments.api.auth import (
    chosen_team,
    of_experiment,
    readable_sweep,
    reader,
    steerable_sweep,
    writer,
)
from experiments.api.documents import (
    DOCUMENT_BODY,
    FormatName,
    NoteOut,
    PartName,
    read_body,
)
from experiments.api.errors import (
    WITHOUT_NUL,
    ApiError,
    ClosedSchema,
    Described,
    Duration,
    RowId,
    Whole,
    invalid,
)
from experiments.api.idempotency import idempotent, idempotent_after_checks
from experiments.api.pagination import paginate
from experiments.api.schemas import (
    SweepOut,
    SweepRowOut,
    TrialRowOut,
    answers,
    sweep_fields,
    sweep_out,
)
from experiments.api.trial_rows import trial_rows
from experiments.api.uploads import TeamSlug
from experiments.models import Sweep
from experiments.models.sweeps import SweepState
from experiments.search.filters.lexer import MAX_CHARACTERS
from experiments.search.formats import definition_of
from experiments.sweeps import control, editing
from experiments.sweeps.creation import create_sweep
from experiments.sweeps.entry_filters import chosen_by
from experiments.sweeps.progress import progress_of
from experiments.sweeps.warm_start import add_finished_trials
from experiments.sweeps.warm_start import warm_start as add_runs

router = Router(tags=["sweeps"])

EntryFilterText = Annotated[
    str,
    Query(
        max_length=MAX_CHARACTERS,
        description="Such as `accuracy > 0.9 and tag = baseline`, or a text to find."
        " With a filter, archived ones are left out unless it names them.",
    ),
]


def _out(sweep: Sweep) -> SweepOut:
    return sweep_out(sweep, progress_of([sweep])[sweep.pk])


class CreatedOut(SweepOut):
    """A new sweep, with what the document was and what of it did not carry over."""

    format: str
    import_notes: list[NoteOut]


@router.post("/sweeps", response=answers(201, CreatedOut), openapi_extra=DOCUMENT_BODY)
@idempotent_after_checks
def create(
    request: HttpRequest,
    start: Annotated[bool, Query(description="Start it at once.")] = False,
    team: TeamSlug = None,
    format_name: FormatName = "",
    part: PartName = "",
) -> Callable[[], Status[dict[str, Any]]]:
    """A sweep from a document, as JSON or YAML; a draft unless ``start`` is true.

    It may be of this site or of Azure ML, W&B, Katib, NNI or Optuna, whose finished
    trials become the first ones of the sweep.
    """
    owner, user = chosen_team(request, team), writer(request)
    imported = read_body(request, format=format_name, part=part)
    definition = definition_of(imported)

    def make() -> Status[dict[str, Any]]:
        with transaction.atomic():
            sweep = create_sweep(owner, definition, user=user)
            add_finished_trials(sweep, definition.search_space, imported.trials)
            if start:
                lifecycle.start_sweep(sweep, actor=user)
                queues.wake_scheduler()
        notes = {"format": imported.format, "import_notes": imported.notes}
        return Status(201, {**_out(sweep).dict(), **notes})

    return make


def _rows(page: Sequence[Sweep]) -> list[SweepRowOut]:
    progress = progress_of(page)
    return [SweepRowOut(**sweep_fields(sweep, progress[sweep.pk])) for sweep in page]


@router.get("/sweeps", response=answers(200, list[SweepRowOut]))
@paginate(rows=_rows)
def list_sweeps(
    request: HttpRequest,
    state: Annotated[list[SweepState] | None, Query()] = None,
    experiment: Annotated[
        str | None,
        Query(pattern=WITHOUT_NUL, description="Slug or id of the experiment."),
    ] = None,
    filter: EntryFilterText = "",
) -> QuerySet[Sweep]:
    """The sweeps of your teams, the newest first."""
    sweeps = access.sweeps_for(reader(request))
    if state:
        sweeps = sweeps.filter(state__in=state)
    if experiment is not None:
        sweeps = sweeps.filter(of_experiment(experiment))
    return chosen_by(filter, kind="sweep", rows=sweeps).order_by("-id")


@router.get("/sweeps/{sweep_id}", response=answers(200, SweepOut))
def get_sweep(request: HttpRequest, sweep_id: int) -> SweepOut:
    return _out(readable_sweep(request, sweep_id))


@router.get("/sweeps/{sweep_id}/best", response=answers(200, TrialRowOut))
def best(request: HttpRequest, sweep_id: int) -> TrialRowOut:
    """The best trial among those that completed, were ended early or cancelled."""
    sweep = readable_sweep(request, sweep_id)
    trials = sweep.trials.select_related("sweep__experiment", "current_attempt")
    found = trials.ranked(sweep.goal).first()
    if found is None:
        raise ApiError(
            404,
            "no_best",
            f"No ended trial of {sweep} has a value of {sweep.primary_metric} yet.",
        )
    return trial_rows([found])[0]


class LimitsIn(ClosedSchema):
    max_total_trials: Whole | None = None
    max_concurrent_trials: Whole | None = None
    max_failed_trials: Whole | None = None
    timeout: Duration | None = None
    trial_timeout: Duration | None = None


class SweepIn(LimitsIn):
    """A part of a sweep document; other fields stay.

    Limits may be under ``limits``, as in a document, or at the top level.
    """

    limits: LimitsIn | None = None
    priority: Whole | None = None
    early_termination: Described | None = None
    search_space: Annotated[Described | None, Field(description="for new trials")] = (
        None
    )
    constraints: Annotated[
        list[str] | None, Field(description="go with the space: for new trials")
    ] = None
    display_name: str | None = None
    description: str | None = None
    tags: dict[str, Any] | None = None
    notes: str | None = None
    archived: Annotated[
        bool | None, Field(description="hidden from lists; drafts and ended sweeps")
    ] = None
    if_version: Annotated[
        str | None,
        Field(
            description="The `version` of the sweep that the change was made for. If"
            " the sweep was changed meanwhile, nothing is stored: 409."
        ),
    ] = None

    def changes(self) -> dict[str, Any]:
        given = self.dict(exclude_unset=True, exclude={"if_version", "archived"})
        beside = {name: given.pop(name) for name in editing.LIMITS if name in given}
        limits = {**(given.pop("limits", None) or {}), **beside}
        return {**given, "limits": limits} if limits else given


@router.patch("/sweeps/{sweep_id}", response=answers(200, SweepOut))
def change(request: HttpRequest, sweep_id: int, body: SweepIn) -> SweepOut:
    """Change limits, priority, early termination, search space, name and words.

    This also works while the sweep runs. A new search space or new constraints are for
    new trials: existing trials keep their values, and the sampler keeps learning from
    those that the new space contains. An ended sweep can only change its name,
    description, tags and notes.
    """
    sweep, actor = steerable_sweep(request, sweep_id), reader(request)
    with transaction.atomic():
        editing.change_sweep(
            sweep, body.changes(), actor=actor, if_version=body.if_version
        )
        control.set_archived(sweep, body.archived, actor=actor)
    return _out(sweep)


def _steer(request: HttpRequest, sweep_id: int, action: control.Action) -> SweepOut:
    return _moved(request, sweep_id, partial(control.steer, action=action))


def _moved(request: HttpRequest, sweep_id: int, move: Callable[..., Sweep]) -> SweepOut:
    sweep = steerable_sweep(request, sweep_id)
    return _out(move(sweep, actor=reader(request)))


@router.post("/sweeps/{sweep_id}/start", response=answers(200, SweepOut))
def start(request: HttpRequest, sweep_id: int) -> SweepOut:
    """Start a draft. Idempotent, as pause, resume and cancel are."""
    return _steer(request, sweep_id, "start")


class PauseIn(ClosedSchema):
    running: Annotated[
        control.Running,
        Field(
            description="What happens to running trials: they `finish`, or are stopped"
            " with grace and queued again (`requeue`)."
        ),
    ] = "finish"


@router.post("/sweeps/{sweep_id}/pause", response=answers(200, SweepOut))
def pause(request: HttpRequest, sweep_id: int, body: PauseIn | None = None) -> SweepOut:
    """Start no new trials; running ones finish or are requeued.

    A paused sweep can still requeue its running trials.
    """
    running = (body or PauseIn()).running
    return _moved(request, sweep_id, partial(control.pause, running=running))


@router.post("/sweeps/{sweep_id}/resume", response=answers(200, SweepOut))
def resume(request: HttpRequest, sweep_id: int) -> SweepOut:
    return _steer(request, sweep_id, "resume")


@router.post("/sweeps/{sweep_id}/cancel", response=answers(200, SweepOut))
def cancel(request: HttpRequest, sweep_id: int) -> SweepOut:
    """End the sweep; its running trials are asked to stop."""
    return _steer(request, sweep_id, "cancel")


class WarmStartIn(ClosedSchema):
    trials: Annotated[
        list[RowId],
        Field(min_length=1, max_length=1_000, description="ids of runs or trials"),
    ]


class LeftOutOut(Schema):
    id: int
    name: str
    reason: str


class WarmStartOut(Schema):
    added: int
    left_out: Annotated[
        list[LeftOutOut], Field(description="those that cannot be used, and why")
    ]


@router.post("/sweeps/{sweep_id}/warm-start", response=answers(200, WarmStartOut))
def warm_start(request: HttpRequest, sweep_id: int, body: WarmStartIn) -> WarmStartOut:
    """Make finished runs and trials the first trials of a draft; the sampler learns
    from them.

    A run's parameters are texts, which are read by the sweep's search space; others
    that it logged are left out.
    """
    sweep = steerable_sweep(request, sweep_id)
    own = access.trials_for(reader(request)).filter(
        experiment__team=sweep.experiment.team_id
    )
    trials = list(own.filter(pk__in=body.trials).order_by("pk"))
    if missing := sorted(set(body.trials) - {trial.pk for trial in trials}):
        sentence = f"There is no run or trial {missing[0]} in the sweep's team."
        raise invalid("trials", sentence)
    found = add_runs(sweep, trials, actor=reader(request))
    names = [
        LeftOutOut(id=each.trial.pk, name=each.trial.label, reason=each.reason)
        for each in found.left_out
    ]
    return WarmStartOut(added=found.added, left_out=names)


class ExtendIn(ClosedSchema):
    trials: Annotated[Whole, Field(description="how many more")]


@router.post("/sweeps/{sweep_id}/extend", response=answers(200, SweepOut))
@idempotent
def extend(request: HttpRequest, sweep_id: int, body: ExtendIn) -> SweepOut:
    """Resume an ended sweep for more trials.

    The sampler keeps what it has learnt. A reached target and an exceeded time limit
    are removed; idle time does not count.
    """
    return _moved(request, sweep_id, partial(control.extend, more=body.trials))
