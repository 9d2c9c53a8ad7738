"""From a checked form to a draft, exactly once, and from a draft to a running sweep."""

from __future__ import annotations

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from experiments import access, lifecycle, queues
from experiments.models import Event, Sweep, Team, User
from experiments.search.document.definition import SweepDefinition
from experiments.sweeps.creation import create_sweep
from experiments.sweeps.editing import replace_draft

TOKENS_LAST = timedelta(days=7)


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
    """Create the form's sweep, or replace the draft that it made; maybe start it.

    A form has a one-time token. The user's row is locked, so of two requests with one
    token the second finds what the first has made. With ``try_first`` one trial starts
    alone. Raises DefinitionError, and AlreadyStarted and Conflict as `replace_draft`
    does.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        draft = draft or _sweep_of(token, user)
        if draft is None:
            sweep = create_sweep(team, definition, user=user)
            data = {"form_token": token}
            Event.log("sweep submitted", actor=user, sweep=sweep, data=data)
        else:
            sweep = replace_draft(draft, definition, actor=user, seen=seen)
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
