"""Start, pause, resume, cancel, extend and archive a sweep; archive a run. A sweep's
settings are in editing.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

from django.db import transaction
from django.db.models.functions import Now

from experiments import access, lifecycle, queues
from experiments.models import Event, Run, Sweep, Trial, User
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import TRIAL_ENDS
from experiments.search.document.limits import MAX_TRIALS
from experiments.search.fields import DefinitionError, Problem, shown

Action = Literal["start", "pause", "resume", "cancel"]

# What happens to running trials when a sweep is paused.
Running = Literal["finish", "requeue"]


class NotPossible(Exception):
    """The sweep's state does not allow it; the message says which state does."""


class Step(NamedTuple):
    """One action on a sweep, its target state, and the state that it needs."""

    move: Callable[..., bool]
    target: SweepState
    needs: str


STEPS: Mapping[Action, Step] = {
    "start": Step(lifecycle.start_sweep, SweepState.RUNNING, "a draft can be started"),
    "pause": Step(
        lifecycle.pause_sweep, SweepState.PAUSED, "a running sweep can be paused"
    ),
    "resume": Step(
        lifecycle.resume_sweep, SweepState.RUNNING, "a paused sweep can be resumed"
    ),
    "cancel": Step(
        lifecycle.cancel_sweep,
        SweepState.CANCELLED,
        "a sweep that has not ended can be cancelled",
    ),
}


def check_may_run(actor: User | None, sweep: Sweep) -> None:
    """Raises NotPossible for a person who may not run commands on the sweep's pool."""
    if actor is not None and not access.can_run_on(actor, sweep.pool):
        raise NotPossible(
            f"You may not run commands on pool {sweep.pool.name}. Ask an administrator"
            " of the site, or somebody who may."
        )


def steer(sweep: Sweep, action: Action, *, actor: User | None) -> Sweep:
    """Carry out the action. Idempotent. Raises NotPossible if the state forbids it."""
    if action in ("start", "resume"):
        check_may_run(actor, sweep)
    step = STEPS[action]
    if step.move(sweep, actor=actor):
        queues.wake_scheduler()
        return sweep
    sweep.refresh_from_db()
    if sweep.state != step.target:
        raise NotPossible(f"The sweep {sweep} is {sweep.state}; only {step.needs}.")
    return sweep


def pause(sweep: Sweep, *, actor: User | None, running: Running = "finish") -> Sweep:
    """Start no new trials; running ones finish or are requeued.

    A paused sweep can still requeue its running trials. Raises NotPossible for a sweep
    that is neither running nor paused.
    """
    if running == "finish":
        return steer(sweep, "pause", actor=actor)
    if not lifecycle.pause_sweep(sweep, actor=actor, requeue=True):
        sweep.refresh_from_db()
        if sweep.state != SweepState.PAUSED:
            needs = STEPS["pause"].needs
            raise NotPossible(f"The sweep {sweep} is {sweep.state}; only {needs}.")
    queues.wake_scheduler()
    return sweep


def trials_to_add(text: str) -> int:
    """Parse how many more trials to run. Raises DefinitionError."""
    whole = text.isascii() and text.isdigit() and len(text) < 9
    if not whole or not 1 <= int(text) <= MAX_TRIALS:
        raise DefinitionError([Problem("trials", _no_number(shown(text)))])
    return int(text)


def _no_number(given: str) -> str:
    return f"trials must be a whole number from 1 to {MAX_TRIALS:,}, not {given}."


def extend(sweep: Sweep, more: int, *, actor: User | None) -> Sweep:
    """Resume an ended sweep for `more` trials; the sampler keeps what it has learnt.

    A reached target and an exceeded time limit are removed. Raises DefinitionError for
    an invalid number, NotPossible for a sweep that has not ended or is exhausted.
    """
    if not 1 <= more <= MAX_TRIALS:
        raise DefinitionError([Problem("trials", _no_number(str(more)))])
    check_may_run(actor, sweep)
    with transaction.atomic():
        sweep.refresh_from_db(
            from_queryset=Sweep.objects.select_for_update(no_key=True)
        )
        refusal = extension_refusal(sweep, more)
        if refusal:
            raise NotPossible(refusal)
        lifecycle.extend_sweep(sweep, more, actor=actor)
    queues.wake_scheduler()
    return sweep


def extension_refusal(sweep: Sweep, more: int = 1) -> str:
    """Why the sweep cannot run `more` trials; empty if it can."""
    if not sweep.has_ended:
        return (
            f"The sweep {sweep} is {sweep.state}; only one that has ended can be"
            " extended. Raise its max_total_trials instead."
        )
    if sweep.exhausted:
        return (
            f"The sweep {sweep} has tried every configuration of its search space. A"
            " clone of it can have a larger one."
        )
    if more + sweep.next_number() > MAX_TRIALS:
        return f"A sweep has at most {MAX_TRIALS:,} trials, and {sweep} has no room."
    return ""


def set_archived(found: Sweep | Trial, away: bool | None, *, actor: User) -> None:
    """Hide it or show it again, unless it is so already; None changes nothing."""
    row = found if isinstance(found, Sweep) else found.run
    if away is not None and away != (row.archived_at is not None):
        archive_or_restore(found, actor=actor)
        row.refresh_from_db(fields=["archived_at"])


def archive_or_restore(found: Sweep | Trial, *, actor: User) -> str:
    """Hide a draft, an ended sweep or an ended run from lists, or show it again.

    Returns what was done, in a sentence. Raises NotPossible for one that is active.
    """
    is_sweep = isinstance(found, Sweep)
    kind = "sweep" if is_sweep else "run"
    away = (found if isinstance(found, Sweep) else found.run).archived_at is None
    with transaction.atomic():
        if not _archived(found, away=away):
            which = "drafts and ended sweeps" if is_sweep else "ended runs"
            way = "Cancel it first." if is_sweep else "Mark it as ended first."
            raise NotPossible(
                f"{found} is {found.state}. Only {which} can be archived. {way}"
            )
        verb = f"{kind} archived" if away else f"{kind} restored"
        of: Any = {"sweep" if is_sweep else "trial": found}
        Event.log(verb, actor=actor, **of)
    where = "archived and hidden from lists" if away else "in the lists again"
    return f"{found} is {where}."


def _archived(found: Sweep | Trial, *, away: bool) -> bool:
    when = Now() if away else None
    if isinstance(found, Sweep):
        ends = {*SWEEP_ENDS, SweepState.DRAFT} if away else set(SweepState)
        rows = Sweep.objects.filter(pk=found.pk, state__in=ends)
        return bool(rows.update(archived_at=when, updated_at=Now()))
    runs = Run.objects.filter(trial=found)
    over = runs.filter(trial__state__in=TRIAL_ENDS) if away else runs
    if won := over.update(archived_at=when):
        # The pages that list it look at this.
        Trial.objects.filter(pk=found.pk).update(updated_at=Now())
    return bool(won)
