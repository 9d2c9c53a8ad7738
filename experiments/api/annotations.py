"""Names, tags, notes and archive of experiments and trials; those of sweeps and runs
are fields of theirs."""

from __future__ import annotations

from typing import Annotated

from django.db import transaction
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from experiments import access
from experiments.api.auth import must_steer, reader, steerable_trial, writer
from experiments.api.errors import WITHOUT_NUL, ClosedSchema, RowId, check_seen, invalid
from experiments.api.run_rows import NoteText, Tags
from experiments.api.schemas import answers
from experiments.api.teams import ExperimentRowOut, Word
from experiments.api.teams import router as experiments
from experiments.api.trial_rows import TrialOut, is_archived, trial_out
from experiments.api.trials import router as trials
from experiments.models import Team, Trial, User
from experiments.sweeps.annotations import (
    archive_experiment,
    change_experiment,
    note_trials,
    open_experiment,
    tag_trials,
)
from experiments.sweeps.control import set_archived
from experiments.sweeps.picked import archive_trials

router = Router(tags=["annotations"])
MAX_TRIALS = 10_000
Text = Annotated[str, Field(pattern=WITHOUT_NUL)]


class ExperimentChangeIn(ClosedSchema):
    name: Annotated[Text | None, Field(min_length=1, max_length=500)] = None
    question: Annotated[Text | None, Field(max_length=300)] = None
    tags: Annotated[list[Word] | None, Field(max_length=20)] = None
    notes: Annotated[NoteText | None, Field(description="Markdown")] = None
    open_to_all: Annotated[
        bool | None, Field(description="for everybody to read; as an admin of the team")
    ] = None
    archived: bool | None = None


@experiments.patch(
    "/experiments/{experiment_id}", response=answers(200, ExperimentRowOut)
)
def edit_experiment(
    request: HttpRequest, experiment_id: int, body: ExperimentChangeIn
) -> ExperimentRowOut:
    """Change its name, question, tags or notes, or archive it. Its sweeps keep their
    names."""
    rows = access.experiments_for(reader(request))
    experiment = access.found_or_404(rows, pk=experiment_id)
    must_steer(request, experiment)
    fields = body.dict(exclude_none=True)
    for name in ("name", "question"):
        check_seen(name, fields.get(name, ""))
    away, opened = (fields.pop(name, None) for name in ("archived", "open_to_all"))
    if opened is not None and opened != experiment.open_to_all:
        access.check_can_manage(writer(request), experiment.team)
    else:
        opened = None
    with transaction.atomic():
        change_experiment(experiment, fields, actor=writer(request))
        if away is not None and away != (experiment.archived_at is not None):
            archive_experiment(experiment, away=away, actor=writer(request))
        if opened is not None:
            open_experiment(experiment, opened, actor=writer(request))
    return ExperimentRowOut.of(rows.get(pk=experiment_id))


class WordsIn(ClosedSchema):
    tags: Tags | None = None
    note: Annotated[NoteText | None, Field(description="Markdown")] = None


class TrialChangeIn(WordsIn):
    archived: Annotated[
        bool | None, Field(description="hidden from lists; only trials that have ended")
    ] = None


@trials.patch("/trials/{trial_id}", response=answers(200, TrialOut))
def edit_trial(request: HttpRequest, trial_id: int, body: TrialChangeIn) -> TrialOut:
    """Change tags or the note of a trial, or archive it. Tags that are not named
    stay."""
    trial = steerable_trial(request, trial_id)
    _change(request, [trial.pk], body)
    if body.archived is not None and body.archived != is_archived(trial):
        _archive(trial, away=body.archived, actor=reader(request))
    changed = access.trials_for(reader(request)).select_related("current_attempt")
    return trial_out(changed.get(pk=trial_id))


class TrialsChangeIn(WordsIn):
    trials: Annotated[
        list[RowId],
        Field(min_length=1, max_length=MAX_TRIALS, description="ids of trials or runs"),
    ]
    append: Annotated[
        bool, Field(description="add the note below the one that each has")
    ] = False


class TrialsChangedOut(Schema):
    changed: int


@router.post("/annotations", response=answers(200, TrialsChangedOut))
def edit_trials(request: HttpRequest, body: TrialsChangeIn) -> TrialsChangedOut:
    """Change tags and notes of many trials and runs in one step."""
    ids = set(body.trials)
    rows = access.trials_for(reader(request)).filter(pk__in=ids)
    found = dict(rows.values_list("pk", "experiment__team"))
    if missing := sorted(ids - found.keys()):
        words = f"Trial {missing[0]} does not exist, or you cannot see it."
        raise invalid("trials", words)
    user = writer(request)
    # Some may be open to all, and of teams that the user is not in.
    for team in Team.objects.filter(pk__in=set(found.values())):
        access.check_can_steer(user, team)
    return TrialsChangedOut(
        changed=_change(request, sorted(ids), body, append=body.append)
    )


def _change(
    request: HttpRequest, ids: list[int], body: WordsIn, *, append: bool = False
) -> int:
    """How many trials one of the changes changed at most."""
    rows, actor = Trial.objects.filter(pk__in=ids), writer(request)
    tags, counts = body.tags or {}, [0]
    with transaction.atomic():
        if tags:
            add = {name: value for name, value in tags.items() if value is not None}
            gone = tags.keys() - add.keys()
            counts.append(tag_trials(rows, add=add, remove=gone, actor=actor))
        if body.note is not None:
            counts.append(note_trials(rows, body.note, append=append, actor=actor))
    return max(counts)


def _archive(trial: Trial, *, away: bool, actor: User) -> None:
    if trial.sweep is None:
        set_archived(trial, away, actor=actor)
    else:
        archive_trials(trial.sweep, [trial.number], away=away, actor=actor)
