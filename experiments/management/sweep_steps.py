"""``manage.py sweep start|pause|resume|cancel|extend``: arguments, and what they do."""

from __future__ import annotations

from argparse import _SubParsersAction
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.management.base import CommandError

from experiments import steering
from experiments.management.lookups import find_sweep, find_user
from experiments.models import Sweep

STEPS = {
    "start": "start a draft",
    "pause": "no new trials; running ones finish, or are put back",
    "resume": "let a paused sweep go on",
    "cancel": "end a sweep; running trials are asked to stop",
    "extend": "let a sweep that has ended go on for more trials",
}


def add_steps(actions: _SubParsersAction[Any]) -> None:
    for action, meaning in STEPS.items():
        step = actions.add_parser(action, help=meaning)
        step.add_argument("id", metavar="ID", help="such as 7 or digits-3")
        step.add_argument("--user", metavar="NAME", help="on whose behalf")
        if action == "pause":
            step.add_argument(
                "--requeue",
                action="store_true",
                help="stop running trials with grace and put them back into the queue",
            )
        if action == "extend":
            step.add_argument("trials", metavar="N", type=int, help="how many more")


def take_step(options: dict[str, Any]) -> Sweep:
    """Do it; the sweep as it is then. CommandError where its state does not allow it,
    DefinitionError for a number that cannot be."""
    sweep = find_sweep(options["id"])
    user = find_user(options["user"]) if options["user"] else None
    try:
        return _move_of(options)(sweep, actor=user)
    except steering.NotPossible as error:
        raise CommandError(str(error)) from error


def _move_of(options: dict[str, Any]) -> Callable[..., Sweep]:
    match options["action"]:
        case "extend":
            return partial(steering.extend, more=options["trials"])
        case "pause":
            running: steering.Running = "requeue" if options["requeue"] else "finish"
            return partial(steering.pause, running=running)
        case action:
            return partial(steering.steer, action=action)
