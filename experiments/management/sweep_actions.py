"""``manage.py sweep start|pause|resume|cancel|extend``: arguments, and what they do.

``manage.py sweep fill-gaps``: run what was lost, has failed or was deleted.
"""

from __future__ import annotations

from argparse import _SubParsersAction
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from django.core.management.base import CommandError

from experiments.management.lookups import find_sweep, find_user
from experiments.models import Sweep
from experiments.sweeps import backfill, control
from experiments.sweeps.control import NotPossible

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
    except control.NotPossible as error:
        raise CommandError(str(error)) from error


def _move_of(options: dict[str, Any]) -> Callable[..., Sweep]:
    match options["action"]:
        case "extend":
            return partial(control.extend, more=options["trials"])
        case "pause":
            running: control.Running = "requeue" if options["requeue"] else "finish"
            return partial(control.pause, running=running)
        case action:
            return partial(control.steer, action=action)


FILL_GAPS = "fill-gaps"


def add_fill_gaps(actions: _SubParsersAction[Any]) -> None:
    words = "run what was lost, failed, cancelled with the sweep, or deleted"
    parser = actions.add_parser(FILL_GAPS, help=words)
    parser.add_argument("id", metavar="ID", help="such as 7 or digits-3")
    parser.add_argument("--dry-run", action="store_true", help="only list the gaps")
    parser.add_argument("--user", metavar="NAME", help="on whose behalf")


def fill_gaps(options: dict[str, Any]) -> Iterator[str]:
    """Do it, and say line by line what the gaps were."""
    sweep = find_sweep(options["id"])
    user = find_user(options["user"]) if options["user"] else None
    try:
        found = (
            backfill.find_gaps(sweep)
            if options["dry_run"]
            else backfill.fill_gaps(sweep, actor=user)
        )
    except NotPossible as error:
        raise CommandError(str(error)) from error
    for gap in (*found.gaps, *found.unknown):
        yield f"{gap.number:>6}  {gap.kind:<10}{gap.why}"
    verb = "would run" if options["dry_run"] else "will run"
    words = backfill.counts_in_words(found.counts)
    yield f"{sweep.label}: {words}; {len(found.gaps)} {verb}."
    if found.unknown:
        yield f"{len(found.unknown)} cannot be computed again."
