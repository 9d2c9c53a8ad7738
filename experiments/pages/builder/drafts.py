"""From a checked form to a draft, exactly once, and from a draft to a running sweep."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from experiments import access, lifecycle, queues
from experiments.models import Event, Sweep, Team, User
from experiments.search.document.definition import SweepDefinition
from experiments.sweeps.creation import create_sweep
from experiments.sweeps.editing import CHANGED, replace_draft

SUBMITTED = "sweep submitted"
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
    end_form: Callable[[], None] | None = None,
) -> Sweep:
    """Create the form's sweep, or replace the draft that it made; maybe start it.

    A form has a one-time token. The user's row is locked, so of two requests with one
    token the second finds what the first has made. With ``try_first`` one trial starts
    alone. ``end_form`` ends the saved form, or raises. Raises DefinitionError, and
    AlreadyStarted and Conflict as `replace_draft` does.
    """
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)
        sent_before = sent_with(token, user)
        if end_form is not None and not sent_before.exists():
            end_form()
        draft = draft or _sweep_of(sent_before, user)
        if draft is None:
            sweep = create_sweep(team, definition, user=user)
            data = {"form_token": token}
            Event.log(SUBMITTED, actor=user, sweep=sweep, data=data)
        else:
            sweep = replace_draft(draft, definition, actor=user, seen=seen, token=token)
        if start:
            _start(sweep, user, try_first=try_first)
            queues.wake_scheduler()
    return sweep


def _start(sweep: Sweep, user: User, *, try_first: bool) -> None:
    if try_first:
        lifecycle.start_preflight(sweep, hold=False, actor=user)
    else:
        lifecycle.start_sweep(sweep, actor=user)


def sent_with(token: str, user: User) -> QuerySet[Event]:
    """What the user's form with this token has done already."""
    return Event.objects.filter(
        actor=user,
        verb__in=(SUBMITTED, CHANGED),
        created_at__gt=timezone.now() - TOKENS_LAST,
        data__form_token=token,
    )


def _sweep_of(sent_before: QuerySet[Event], user: User) -> Sweep | None:
    """The sweep that the form has made already."""
    made = sent_before.filter(verb=SUBMITTED)
    return access.sweeps_for(user).filter(pk__in=made.values("sweep")).first()
