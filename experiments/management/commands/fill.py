"""``manage.py fill``: a sweep of synthetic trials, for demonstrations and tests."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from experiments.management.lookups import find_team, find_user
from experiments.management.progress import ProgressBar, VisibleOutput
from experiments.search.document.limits import MAX_TRIALS
from experiments.sweeps.synthetic import Filling, fill_sweep

MAX_PARAMETERS, MAX_POINTS = 50, 10_000


class Command(BaseCommand):
    help = (
        "Make a completed sweep of synthetic trials, with values, curves and ends as"
        " real ones have. No script runs, and there are no logs and outputs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        add = parser.add_argument
        add("--team", metavar="SLUG", help="the only team by default")
        add("--user", metavar="NAME", help="who created it")
        add(
            "--experiment",
            default="synthetic",
            metavar="NAME",
            help="%(default)s by default",
        )
        known = Filling()
        add(
            "--trials",
            type=_whole(MAX_TRIALS),
            default=known.trials,
            metavar="N",
            help="%(default)s by default",
        )
        add(
            "--parameters",
            type=_whole(MAX_PARAMETERS),
            default=known.parameters,
            metavar="N",
            help="parameters of each trial, %(default)s by default",
        )
        add(
            "--points",
            type=_whole(MAX_POINTS),
            default=known.points,
            metavar="N",
            help="of each of its two metrics in a completed trial",
        )
        add("--seed", type=int, default=known.seed, help="an equal seed, equal trials")
        add(
            "--running",
            type=_whole(MAX_TRIALS),
            default=0,
            metavar="N",
            help="the last N trials run: for a test site without scheduler",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout = VisibleOutput(options.get("stdout") or sys.stdout)
        user = find_user(options["user"]) if options["user"] else None
        bar = ProgressBar(self.stdout)
        numbers = ("trials", "parameters", "points", "running", "seed")
        sweep = fill_sweep(
            find_team(options["team"], user),
            Filling(**{name: options[name] for name in numbers}),
            experiment_name=options["experiment"],
            user=user,
            progress=bar,
        )
        bar.end()
        address = sweep.get_absolute_url()
        self.stdout.write(f"{sweep.label} has {options['trials']:,} trials: {address}")


def _whole(most: int) -> Any:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not 0 < int(text) <= most:
            raise argparse.ArgumentTypeError(
                f"{text!r} must be a whole number from 1 to {most:,}"
            )
        return int(text)

    return read
