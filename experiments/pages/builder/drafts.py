"""From a checked form to a draft, exactly once, and from a draft to a running sweep."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models.functions import Now
from django.utils import timezone

from experiments import access, lifecycle, queues
from experiments.code.folders import with_shared_code
from experiments.models import CodeSnapshot, Event, Experiment, Sweep, Team, User
from experiments.models.sweeps import SweepState
from experiments.pages.builder.code_fields import kept_files
from experiments.search.document.definition import SweepDefinition
from experiments.search.fields import listed
from experiments.sweeps.creation import (
    create_sweep,
    find_or_create_experiment,
    sweep_document,
    sweep_fields,
)

TOKENS_LAST = timedelta(days=7)


class AlreadyStarted(Exception):
    """The form's sweep is no draft any more."""

    def __init__(self, sweep: Sweep) -> None:
        super().__init__(f"The sweep {sweep} is {sweep.state}; only drafts change.")
        self.sweep = sweep


class DraftChanged(Exception):
    """Somebody else has changed the draft since the form was opened."""

    def __init__(self, sweep: Sweep) -> None:
        last = sweep.events.filter(verb="sweep changed").first()
        who = last.actor.display_name if last and last.actor else "Somebody else"
        super().__init__(
            f"{who} has changed {sweep} since you opened this form, and nothing of"
            f" yours was stored. {last.message if last else ''} What you typed is still"
            " here; sent again, it takes the other's place."
        )


def draft_mark(sweep: Sweep) -> str:
    """Text that differs as soon as anything in the draft differs."""
    text = json.dumps([sweep_document(sweep), sweep.code_id], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def submit_once(
    team: Team,
    definition: SweepDefinition,
    *,
    user: User,
    token: str,
    start: bool,
    draft: Sweep | None = None,
    seen: str = "",
    try_first: bool = False,
) -> Sweep:
    """Create the form's sweep, or change the draft that it has become; maybe start it.

    A form has a one-time token. The person's row is locked (SQLite lets one writer in
    at a time anyway), so that of two requests with one token the second finds what the
    first has made. With ``try_first`` it starts with one trial alone. Raises
    DefinitionError, AlreadyStarted for a second start, and DraftChanged where the draft
    is another one than that with the mark ``seen``.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        draft = draft or _sweep_of(token, user)
        if draft is None:
            sweep = create_sweep(team, definition, user=user)
            data = {"form_token": token}
            Event.log("sweep submitted", actor=user, sweep=sweep, data=data)
        else:
            sweep = _replace(draft, definition, user=user, seen=seen)
        if start:
            _start(sweep, user, try_first=try_first)
            transaction.on_commit(queues.wake_scheduler)
    return sweep


def _start(sweep: Sweep, user: User, *, try_first: bool) -> None:
    if try_first:
        lifecycle.start_preflight(sweep, hold=False, actor=user)
    else:
        lifecycle.start_sweep(sweep, actor=user)


def _sweep_of(token: str, user: User) -> Sweep | None:
    """The sweep that a form with this token has made already."""
    made = Event.objects.filter(
        actor=user,
        verb="sweep submitted",
        created_at__gt=timezone.now() - TOKENS_LAST,
        data__form_token=token,
    )
    return access.sweeps_for(user).filter(pk__in=made.values("sweep")).first()


def _replace(
    sweep: Sweep, definition: SweepDefinition, *, user: User, seen: str
) -> Sweep:
    """Put another document in the place of a draft's."""
    sweep.refresh_from_db(from_queryset=Sweep.objects.select_for_update())
    before = sweep_document(sweep)
    if seen and seen != draft_mark(sweep) and _is_of_another(sweep, user):
        raise DraftChanged(sweep)
    team = sweep.experiment.team
    pool = access.pools_for_team(team).get(name=definition.compute)
    definition = with_shared_code(definition, pool)
    code = _code(team, definition, user)
    fields = {
        **sweep_fields(definition, code),
        "code": code,
        "pool": pool,
        "updated_at": Now(),
    }
    drafts = Sweep.objects.filter(pk=sweep.pk, state=SweepState.DRAFT)
    if not drafts.update(**fields):
        sweep.refresh_from_db()
        raise AlreadyStarted(sweep)
    experiment = find_or_create_experiment(team, definition.experiment_name, user=user)
    if experiment.pk != sweep.experiment_id:
        _move(sweep, experiment)
    sweep = Sweep.objects.select_related("experiment__team", "pool").get(pk=sweep.pk)
    changed = _changed(before, sweep_document(sweep))
    Event.log("sweep changed", changed, actor=user, sweep=sweep)
    return sweep


def _is_of_another(sweep: Sweep, user: User) -> bool:
    """Whether somebody else made the last change: one's own form may come twice."""
    last = sweep.events.filter(verb="sweep changed").first()
    return last is None or last.actor_id != user.pk


def _changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Which fields of the document differ, in a sentence; empty where none does."""
    names = [
        name for name in {**before, **after} if before.get(name) != after.get(name)
    ]
    return f"Changed {listed(names)}." if names else ""


def _move(sweep: Sweep, experiment: Experiment) -> None:
    """Into another experiment, with the next number there."""
    while True:
        number = experiment.next_number()
        try:
            with transaction.atomic():
                Sweep.objects.filter(pk=sweep.pk).update(
                    experiment=experiment, number=number
                )
                return
        except IntegrityError:
            if not experiment.sweeps.filter(number=number).exists():
                raise


def _code(team: Team, definition: SweepDefinition, user: User) -> CodeSnapshot | None:
    code = definition.trial.code
    if not isinstance(code, dict):
        return None
    return kept_files(team, user, str(code.get("upload", "")))
