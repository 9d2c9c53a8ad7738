"""``manage.py sweep fill-gaps``: run what was lost, has failed or was deleted."""

from __future__ import annotations

from argparse import _SubParsersAction
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError

from experiments import gaps
from experiments.management.lookups import find_sweep, find_user
from experiments.steering import NotPossible

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
            gaps.find_gaps(sweep)
            if options["dry_run"]
            else gaps.fill_gaps(sweep, actor=user)
        )
    except NotPossible as error:
        raise CommandError(str(error)) from error
    for gap in (*found.gaps, *found.unknown):
        yield f"{gap.number:>6}  {gap.kind:<10}{gap.why}"
    verb = "would run" if options["dry_run"] else "will run"
    words = gaps.counts_in_words(found.counts)
    yield f"{sweep.label}: {words}; {len(found.gaps)} {verb}."
    if found.unknown:
        yield f"{len(found.unknown)} cannot be computed again."
