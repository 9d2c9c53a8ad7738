"""What people do to a sweep after it was created: start, pause, resume, cancel, extend.

What they change of its settings is in edits.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from django.db import transaction

from experiments import lifecycle, queues
from experiments.models import Sweep, User
from experiments.models.sweeps import SweepState
from experiments.search.document.limits import MAX_TRIALS
from experiments.search.fields import DefinitionError, Problem, shown

Action = Literal["start", "pause", "resume", "cancel"]

# What becomes of the trials that run when a sweep is paused.
Running = Literal["finish", "requeue"]


class NotPossible(Exception):
    """The sweep's state does not allow it, with a sentence that says what would."""


class Step(NamedTuple):
    """One way to move a sweep: where it leads, and what to say when it cannot."""

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


def steer(sweep: Sweep, action: Action, *, actor: User | None) -> Sweep:
    """Move the sweep, which then says where it is; asking twice is asking once.

    Raises NotPossible when it is somewhere from where no way leads there.
    """
    step = STEPS[action]
    if step.move(sweep, actor=actor):
        queues.wake_scheduler()
        return sweep
    sweep.refresh_from_db()
    if sweep.state != step.target:
        raise NotPossible(f"The sweep {sweep} is {sweep.state}; only {step.needs}.")
    return sweep


def pause(sweep: Sweep, *, actor: User | None, running: Running = "finish") -> Sweep:
    """No new trials from now on; running ones finish, or go back to the queue.

    Also a sweep that is paused already lets its running trials be put back. Raises
    NotPossible when it is neither running nor paused.
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
    """How many more trials a person asks for. Raises DefinitionError for what is no
    number of trials."""
    whole = text.isascii() and text.isdigit() and len(text) < 9
    if not whole or not 1 <= int(text) <= MAX_TRIALS:
        raise DefinitionError([Problem("trials", _no_number(shown(text)))])
    return int(text)


def _no_number(given: str) -> str:
    return f"trials must be a whole number from 1 to {MAX_TRIALS:,}, not {given}."


def extend(sweep: Sweep, more: int, *, actor: User | None) -> Sweep:
    """A sweep that has ended goes on for so many more trials, with all it has learnt.

    A target that was reached, and a time limit that is over, no longer hold. Raises
    DefinitionError for a number that cannot be, and NotPossible for a sweep that has
    not ended or has tried all that there is.
    """
    if not 1 <= more <= MAX_TRIALS:
        raise DefinitionError([Problem("trials", _no_number(str(more)))])
    with transaction.atomic():
        sweep.refresh_from_db(from_queryset=Sweep.objects.select_for_update())
        refusal = extension_refusal(sweep, more)
        if refusal:
            raise NotPossible(refusal)
        lifecycle.extend_sweep(sweep, more, actor=actor)
    queues.wake_scheduler()
    return sweep


def extension_refusal(sweep: Sweep, more: int = 1) -> str:
    """Why the sweep cannot go on for so many more trials; empty where it can."""
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
