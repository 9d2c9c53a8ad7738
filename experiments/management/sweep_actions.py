"""``manage.py sweep start|pause|resume|cancel|extend``: arguments, and what they do.

``manage.py sweep backfill``: run lost, failed and deleted trials again. Progress in a
terminal: one line, and watching until the end.
"""

from __future__ import annotations

import time
from argparse import _SubParsersAction
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from django.core.management.base import OutputWrapper
from django.db import close_old_connections

from experiments.client.sweepsite_client._progress import ProgressDisplay
from experiments.management.lookups import find_sweep, find_user
from experiments.management.progress import Terminal
from experiments.models import Sweep
from experiments.models.sweeps import SweepState
from experiments.sweeps import backfill, control
from experiments.sweeps.progress import Progress, progress_of

STEPS = {
    "start": "start a draft",
    "pause": "start no new trials; running ones finish, or return to the queue",
    "resume": "resume a paused sweep",
    "cancel": "end a sweep; running trials are asked to stop",
    "extend": "resume an ended sweep for more trials",
}

BACKFILL = "backfill"

POLL_SECONDS = 1.0


def add_steps(actions: _SubParsersAction[Any]) -> None:
    for action, meaning in STEPS.items():
        step = actions.add_parser(action, help=meaning)
        step.add_argument("id", metavar="ID", help="such as 7 or digits-3")
        step.add_argument("--user", metavar="NAME", help="the user to act as")
        if action == "pause":
            step.add_argument(
                "--requeue",
                action="store_true",
                help="stop running trials, with time to save, and requeue them",
            )
        if action == "extend":
            step.add_argument("trials", metavar="N", type=int, help="how many more")


def take_step(options: dict[str, Any]) -> Sweep:
    """Do it; returns the sweep. Raises NotPossible if its state does not allow it,
    DefinitionError for a number that cannot be."""
    sweep = find_sweep(options["id"])
    user = find_user(options["user"]) if options["user"] else None
    return _move_of(options)(sweep, actor=user)


def _move_of(options: dict[str, Any]) -> Callable[..., Sweep]:
    match options["action"]:
        case "extend":
            return partial(control.extend, more=options["trials"])
        case "pause":
            running: control.Running = "requeue" if options["requeue"] else "finish"
            return partial(control.pause, running=running)
        case action:
            return partial(control.steer, action=action)


def add_backfill(actions: _SubParsersAction[Any]) -> None:
    words = "run lost, failed, cancelled and deleted trials again"
    parser = actions.add_parser(BACKFILL, help=words)
    parser.add_argument("id", metavar="ID", help="such as 7 or digits-3")
    parser.add_argument("--dry-run", action="store_true", help="only list the trials")
    parser.add_argument("--user", metavar="NAME", help="the user to act as")


def run_backfill(options: dict[str, Any]) -> Iterator[str]:
    """Do it; the answer is a line for each trial."""
    sweep = find_sweep(options["id"])
    user = find_user(options["user"]) if options["user"] else None
    found = backfill.run_backfill(sweep, actor=user, dry_run=options["dry_run"])
    for trial in (*found.trials, *found.unknown):
        yield f"{trial.number:>6}  {trial.kind:<10}{trial.why}"
    verb = "would run" if options["dry_run"] else "will run"
    words = backfill.counts_in_words(found.counts)
    yield f"{sweep.label}: {words}; {len(found.trials)} {verb}."
    if found.unknown:
        yield f"{len(found.unknown)} cannot be computed."


# --- progress ----------------------------------------------------------------------


def progress_facts(sweep: Sweep, progress: Progress) -> Mapping[str, Any]:
    """What the client shows of a sweep, as the API has it."""
    best = progress.best
    return {
        "name": str(sweep),
        "state": sweep.state,
        "progress": progress.share,
        "counts": progress.counts,
        "limits": {"max_total_trials": sweep.max_total_trials},
        "primary_metric": sweep.primary_metric,
        "best_trial": best and {"number": best.number, "value": best.value},
    }


def watch(sweep: Sweep, out: OutputWrapper) -> Sweep:
    """Show the sweep's progress until it ends or pauses itself; in a file, one line per
    change."""
    shown = ProgressDisplay(Terminal(out))
    while True:
        close_old_connections()
        sweep.refresh_from_db()
        shown.show(progress_facts(sweep, progress_of([sweep])[sweep.pk]))
        if sweep.has_ended or has_paused_itself(sweep):
            shown.end()
            return sweep
        time.sleep(POLL_SECONDS)


def has_paused_itself(sweep: Sweep) -> bool:
    """Whether the sweep has paused itself and waits for a user."""
    own = sweep.state == SweepState.PAUSED and sweep.reason not in ("", "user")
    return own and not sweep.trials.live().exists()
