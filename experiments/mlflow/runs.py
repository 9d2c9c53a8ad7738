"""Runs: made, read, ended, deleted and restored.

A trial's own state comes from its sweep and its process, never from its client.
"""

from __future__ import annotations

import hashlib
import json
import time
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from experiments import lifecycle
from experiments.api.auth import Caller
from experiments.lru_cache import LruCache
from experiments.mlflow.batches import tags_of
from experiments.mlflow.callers import (
    AnyCaller,
    TrainingCaller,
    changeable_run,
    check_may_change,
    check_own_run,
    key_of,
    readable_run,
    runs_of,
    user_only,
)
from experiments.mlflow.entities import (
    CLIENT,
    ENDS,
    NOTE,
    PARENT,
    RUN_NAME,
    STATUSES,
    one_run,
    run_info,
)
from experiments.mlflow.errors import MlflowError, invalid, invalid_value
from experiments.mlflow.experiments import DEFAULT_ID, changeable_experiment
from experiments.mlflow.fields import RequestFields
from experiments.models import Attempt, Run, Trial
from experiments.models.runs import MAX_RUN_NAME
from experiments.tracking import run_log

# Marks that the run of a trial is that of a client which did not know its id.
ADOPTED = "sweepsite.adopted"
# A client sends a request again if its answer was lost.
SENT_AGAIN_WITHIN = timedelta(minutes=10)
MAX_REMEMBERED = 10_000


class RecentRuns:
    """The runs that were just made, to know a request that comes again.

    It has the same content and comes after the first was answered. Two processes may
    well start at the same millisecond, but then neither waits for the other's answer.
    """

    def __init__(self) -> None:
        self._made: LruCache[str, tuple[int, float]] = LruCache(MAX_REMEMBERED)

    def find(self, key: str, *, arrived: float) -> int:
        """0: there is none."""
        run, answered = self._made.get(key) or (0, 0.0)
        return run if answered < arrived else 0

    def add(self, key: str, run: int) -> None:
        self._made.put(key, (run, time.monotonic()))


recent = RecentRuns()


def create(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    arrived = time.monotonic()
    tags = tags_of(fields)
    run_log.check_tags(tags)
    name = _name(fields.text("run_name"), tags)
    start = fields.moment("start_time")
    key = ""
    if start is not None and abs(timezone.now() - start) < SENT_AGAIN_WITHIN:
        key = _content_key(caller, fields)
        if made := recent.find(key, arrived=arrived):
            return {"run": one_run(Trial(pk=made))}
    if isinstance(caller, TrainingCaller):
        check_own_run(caller)
        trial = _adopted(caller, name, tags, key) or _child(caller, fields, name, tags)
    else:
        trial = _run(caller, fields, name, tags)
    if key:
        recent.add(key, trial.pk)
    return {"run": one_run(trial)}


def _name(sent: str, tags: dict[str, str]) -> str:
    tagged = tags.pop(RUN_NAME, "")
    if sent and tagged and sent != tagged:
        raise invalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with"
            f" different values (run_name='{sent}', mlflow.runName='{tagged}')."
        )
    return sent or tagged


def _content_key(caller: AnyCaller, fields: RequestFields) -> str:
    who = caller.digest if isinstance(caller, TrainingCaller) else caller.user.pk
    content = json.dumps(fields.data, sort_keys=True)
    return f"{who} {hashlib.sha256(content.encode()).hexdigest()}"


def _run(
    caller: Caller, fields: RequestFields, name: str, tags: dict[str, str]
) -> Trial:
    experiment = changeable_experiment(
        caller, fields.text("experiment_id") or DEFAULT_ID
    )
    if experiment.archived_at:
        raise invalid(
            f"The experiment {experiment.pk} must be in the 'active' state."
            " Current state is deleted."
        )
    own = runs_of(caller).filter(experiment__team=experiment.team_id)
    parent = own.filter(pk=key_of(tags.get(PARENT, ""))).first()
    claim = lifecycle.start_run(
        experiment,
        name=name,
        created_by=caller.user,
        client=CLIENT,
        started_at=fields.moment("start_time"),
        parent=parent,
        note=tags.pop(NOTE, ""),
        tags=tags if parent is None else _without(tags, PARENT),
    )
    return claim.attempt.trial


def _without(tags: dict[str, str], name: str) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key != name}


def _adopted(
    caller: TrainingCaller, name: str, tags: dict[str, str], key: str
) -> Trial | None:
    """The trial's own run, for the first client that makes one without a parent: such
    clients do not read MLFLOW_RUN_ID."""
    if PARENT in tags:
        return None
    mark = f"{caller.attempt.pk}"
    with transaction.atomic():
        Run.objects.get_or_create(trial=caller.trial)
        rows = Run.objects.select_for_update(of=("self",))
        run = rows.get(trial=caller.trial)
        if run.tags.get(ADOPTED) == mark:
            return None
        run.note = tags.pop(NOTE, "") or run.note
        run.tags = {**run.tags, **tags, ADOPTED: mark}
        run.name = name[:MAX_RUN_NAME] or run.name
        run.save(update_fields=["note", "tags", "name"])
    return caller.trial


def _child(
    caller: TrainingCaller, fields: RequestFields, name: str, tags: dict[str, str]
) -> Trial:
    """A run below the trial's, to which the same token writes."""
    own = caller.trial
    below = runs_of(caller).filter(pk=key_of(tags.get(PARENT, ""))).first()
    sweep = own.sweep
    with transaction.atomic():
        claim = lifecycle.start_run(
            own.experiment,
            name=name,
            created_by=sweep.created_by if sweep else _creator(own),
            client=CLIENT,
            started_at=fields.moment("start_time"),
            parent=below or own,
            note=tags.pop(NOTE, ""),
            tags=_without(tags, PARENT),
        )
        Attempt.objects.filter(pk=claim.attempt.pk).update(
            trial_token_digest=caller.digest
        )
    return claim.attempt.trial


def _creator(trial: Trial) -> Any:
    run = getattr(trial, "run", None)
    return run.created_by if run else None


def get(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    return {"run": one_run(readable_run(caller, fields.run_id()))}


def update(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    """Name, status and end. The status of a sweep's trial is answered, not changed."""
    trial = changeable_run(caller, fields.run_id())
    status, end = fields.text("status"), fields.moment("end_time")
    if status and status not in STATUSES.values():
        raise invalid_value("status", status)
    if name := fields.text("run_name"):
        run_log.change_run(trial, name=name[:MAX_RUN_NAME])
    if trial.sweep_id is None and status:
        _set_status(caller, trial, status, end)
    return {"run_info": run_info(trial)}


def _set_status(caller: AnyCaller, trial: Trial, status: str, end: Any) -> None:
    """A run that a person has ended stays ended for its own program."""
    is_own = isinstance(caller, TrainingCaller)
    if trial.stop_reason and is_own:
        return
    if status == "RUNNING":
        lifecycle.reopen_run(trial)
    elif status in ENDS:
        with transaction.atomic():
            if not lifecycle.finish_run(trial, ENDS[status], ended_at=end):
                lifecycle.reopen_run(trial)
                lifecycle.finish_run(trial, ENDS[status], ended_at=end)


def delete(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    """Moves a single run into the trash, from which it can be restored."""
    user = user_only(caller, "delete a run")
    trial = readable_run(user, fields.text("run_id", required=True))
    check_may_change(user, trial.experiment.team)
    _refuse_trial(trial)
    lifecycle.trash_run(trial, actor=user.user)
    return {}


def restore(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    user = user_only(caller, "restore a run")
    trial = readable_run(user, fields.text("run_id", required=True))
    check_may_change(user, trial.experiment.team)
    _refuse_trial(trial)
    lifecycle.restore_run(trial, actor=user.user)
    return {}


def _refuse_trial(trial: Trial) -> None:
    if trial.sweep_id is not None:
        words = f"{trial.label} is a trial of a sweep, which is deleted as a whole."
        raise MlflowError("PERMISSION_DENIED", words)
