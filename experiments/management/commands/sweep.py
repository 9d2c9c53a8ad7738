"""``manage.py sweep``: submit and check sweep documents, and look at sweeps.

Works on the database directly, with the rights of whoever may run manage.py.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from experiments import folders, lifecycle, queues, tables, terminal
from experiments.checking import check_document
from experiments.management.lookups import find_sweep, find_team, find_user, url_of
from experiments.models import Sweep
from experiments.models.sweeps import SweepState
from experiments.progress import progress_of
from experiments.search.definition import load_document, parse_document
from experiments.search.problems import DefinitionError
from experiments.submission import create_sweep, sweep_document

SHOWN_CONFIGURATIONS = 5
MOST_LISTED = 1_000
FORMATS = ("yaml", "json", "csv")


class Command(BaseCommand):
    help = "Submit and check sweep documents; list, show and export sweeps."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        submit = actions.add_parser("submit", help="create a sweep and start it")
        submit.add_argument("file", metavar="FILE", help="a YAML or JSON document")
        submit.add_argument("--experiment", metavar="NAME", help="not the file's")
        submit.add_argument("--no-start", action="store_true", help="leave it a draft")
        submit.add_argument("--watch", action="store_true", help="until it has ended")
        submit.add_argument("--team", metavar="SLUG", help="if there are several")
        submit.add_argument("--user", metavar="NAME", help="on whose behalf")
        check = actions.add_parser("check", help="check a document, store nothing")
        check.add_argument("file", metavar="FILE")
        actions.add_parser("list", help="the newest sweeps")
        for action, meaning in (
            ("show", "where a sweep stands"),
            ("best", "its best trial"),
            ("export", "its document (yaml, json) or its trials (csv)"),
        ):
            reading = actions.add_parser(action, help=meaning)
            reading.add_argument("id", metavar="ID", help="such as 7 or digits-3")
            if action == "export":
                reading.add_argument("--format", choices=FORMATS, default="yaml")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"do_{options['action']}")(options)
        except DefinitionError as error:
            for problem in error.problems:
                self.stderr.write(str(problem))
            sys.exit(1)

    # --- writing ------------------------------------------------------------------

    def do_submit(self, options: dict[str, Any]) -> None:
        if options["watch"] and options["no_start"]:
            raise CommandError("A draft does not run; leave out --no-start or --watch.")
        user = find_user(options["user"]) if options["user"] else None
        team = find_team(options["team"], user)
        document = read_file(Path(options["file"]))
        if options["experiment"]:
            document["experiment_name"] = options["experiment"]
        definition = parse_document(document)
        if isinstance(definition.trial.code, str):
            folder = Path(options["file"]).parent / definition.trial.code
            document = folders.with_stored_code(document, folder, team, user=user)
            definition = parse_document(document)
        with transaction.atomic():
            sweep = create_sweep(team, definition, user=user)
            if not options["no_start"]:
                lifecycle.start_sweep(sweep, actor=user)
                transaction.on_commit(queues.wake_scheduler)
        for warning in definition.warnings:
            self.stderr.write(f"warning: {warning}", str)
        self.stdout.write(f"{sweep.label} (id {sweep.pk}) {url_of(sweep)}")
        self.stdout.flush()
        if options["watch"]:
            self._watch(sweep)

    def _watch(self, sweep: Sweep) -> None:
        """Exits 0 when the sweep completes, 1 when it ends otherwise."""
        try:
            terminal.watch(sweep, self.stdout)
        except KeyboardInterrupt:
            self.stdout.write(f"\nNo longer watching. It goes on: {url_of(sweep)}")
            sys.exit(130)
        self.stdout.write(f"{sweep.label} {sweep.state}: {sweep.message}")
        if sweep.state != SweepState.COMPLETED:
            sys.exit(1)

    def do_check(self, options: dict[str, Any]) -> None:
        path = Path(options["file"])
        checked = check_document(read_file(path))
        code = checked.definition.trial.code
        if isinstance(code, str):
            folders.read_folder(path.parent / code)
        count = checked.combinations
        self.stdout.write(yaml_text(checked.definition.dump()))
        words = "infinitely many" if count is None else f"{count:,}"
        self.stdout.write(f"# combinations: {words}")
        for params in checked.configurations[:SHOWN_CONFIGURATIONS]:
            self.stdout.write(f"# such as: {json.dumps(params, ensure_ascii=False)}")
        for warning in checked.definition.warnings:
            self.stdout.write(f"# warning: {warning}")

    # --- reading ------------------------------------------------------------------

    def do_list(self, options: dict[str, Any]) -> None:
        newest = Sweep.objects.select_related("experiment").order_by("-pk")
        sweeps = list(newest[:MOST_LISTED])
        progress = progress_of(sweeps)
        for sweep in sweeps:
            line = terminal.progress_line(sweep, progress[sweep.pk])
            self.stdout.write(f"{sweep.pk:>5}  {line}")

    def do_show(self, options: dict[str, Any]) -> None:
        sweep = find_sweep(options["id"])
        progress = progress_of([sweep])[sweep.pk]
        self.stdout.write(terminal.progress_line(sweep, progress))
        facts = {
            "id": sweep.pk,
            "url": url_of(sweep),
            "name": sweep.name,
            "team": sweep.experiment.team.name,
            "objective": f"{sweep.goal} {sweep.primary_metric}",
            "message": sweep.message,
            "compute spent": f"{progress.spent:.0f} s",
            "compute saved": f"{progress.saved:.0f} s (estimate)",
        }
        for name, value in facts.items():
            if value:
                self.stdout.write(f"{name + ':':<15}{value}")

    def do_best(self, options: dict[str, Any]) -> None:
        sweep = find_sweep(options["id"])
        trial = sweep.trials.ranked(sweep.goal).first()
        if trial is None:
            raise CommandError(
                f"No ended trial of {sweep} has a value of {sweep.primary_metric} yet."
            )
        self.stdout.write(f"{trial.label} (id {trial.pk}) {trial.state}")
        self.stdout.write(f"{sweep.primary_metric}: {trial.value!r}")
        self.stdout.write(json.dumps(trial.params, ensure_ascii=False))

    def do_export(self, options: dict[str, Any]) -> None:
        sweep = find_sweep(options["id"])
        if options["format"] == "csv":
            tables.write_csv(sweep, self.stdout)
        elif options["format"] == "json":
            text = json.dumps(sweep_document(sweep), indent=2, ensure_ascii=False)
            self.stdout.write(text)
        else:
            self.stdout.write(yaml_text(sweep_document(sweep)))


def read_file(path: Path) -> dict[str, Any]:
    try:
        return dict(load_document(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text.") from error


def yaml_text(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True).rstrip()
