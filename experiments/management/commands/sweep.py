"""``manage.py sweep``: submits and checks sweep documents, shows and controls sweeps.

It works on the database directly: all who can run manage.py have every right.
"""

from __future__ import annotations

import json
import logging
import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
)
from django.db import OperationalError, ProgrammingError, transaction

from experiments import lifecycle, queues
from experiments.client.sweepsite_client._progress import progress_line
from experiments.code import folders
from experiments.code.folders import shared_code_problem
from experiments.failures.groups import failure_groups
from experiments.failures.known_errors import known_error
from experiments.failures.preflight import Preflight
from experiments.management.lookups import (
    MAX_NAMED,
    find_sweep,
    find_team,
    find_user,
    is_installed,
    url_of,
)
from experiments.management.progress import VisibleOutput
from experiments.management.sweep_actions import (
    BACKFILL,
    STEPS,
    add_backfill,
    add_steps,
    progress_facts,
    run_backfill,
    take_step,
    watch,
)
from experiments.models import Pool, Sweep
from experiments.models.sweeps import SweepState
from experiments.search.document.definition import SweepDefinition
from experiments.search.document.entry import read_entry
from experiments.search.document.yaml import yaml_text
from experiments.search.fields import DefinitionError, Problem, listed, shown
from experiments.search.formats import (
    EXPORTERS,
    FORMATS,
    Imported,
    Note,
    definition_of,
)
from experiments.search.formats.detect import parts_of
from experiments.search.preview import BARS, histogram_lines
from experiments.sweeps import export
from experiments.sweeps.check import check_import, read_sweep
from experiments.sweeps.control import NotPossible
from experiments.sweeps.creation import create_sweep
from experiments.sweeps.progress import progress_of
from experiments.sweeps.warm_start import add_finished_trials, usable_trials
from experiments.sweeps.warnings import gpu_warnings

# The errors of SQLite and PostgreSQL without our tables.
NO_TABLES = ("no such table", "does not exist")
SKIPPED = (
    "Whether the worker pool exists, has enough GPUs and allows the code's folder was"
    " not checked, because no installation was found."
)
MAX_LISTED = 1_000
MAX_SHOWN = 5
MAX_BYTES = 64 << 20


class Command(BaseCommand):
    help = "Submit and check sweep documents; list, show, control and export sweeps."
    # Django's checks may ask the database, which `sweep check` must not need.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        submit = actions.add_parser("submit", help="create a sweep and start it")
        submit.add_argument(
            "--experiment", metavar="NAME", help="use this experiment, not the file's"
        )
        submit.add_argument("--no-start", action="store_true", help="create a draft")
        submit.add_argument("--watch", action="store_true", help="show its progress")
        submit.add_argument(
            "--try-first", action="store_true", help="test one configuration first"
        )
        submit.add_argument("--team", metavar="SLUG", help="needed with several teams")
        submit.add_argument("--user", metavar="NAME", help="the user to act as")
        check = actions.add_parser("check", help="check a document, create nothing")
        for reading in (submit, check):
            reading.add_argument(
                "file",
                metavar="FILE",
                help="a sweep document, or a file of Azure ML, W&B, Katib, NNI, Optuna",
            )
            reading.add_argument(
                "--format",
                choices=FORMATS,
                default="",
                help="the file's format; by default, its content decides",
            )
            reading.add_argument(
                "--part",
                metavar="NAME",
                default="",
                help="the pipeline's step or the storage's study, if there are several",
            )
        add_steps(actions)
        add_backfill(actions)
        actions.add_parser("list", help="list the newest sweeps")
        for action, meaning in (
            ("show", "show a sweep's state and results"),
            ("best", "show its best trial"),
            ("export", "print its document, or its trials (csv)"),
        ):
            reading = actions.add_parser(action, help=meaning)
            reading.add_argument("id", metavar="ID", help="such as 7 or digits-3")
            if action == "export":
                kinds = ("yaml", "json", "csv", *EXPORTERS)
                reading.add_argument(
                    "--format",
                    choices=kinds,
                    default="yaml",
                    help="%(default)s by default",
                )

    def handle(self, *args: Any, **options: Any) -> None:
        # State changes belong into the logs of long-running processes, not here.
        logging.getLogger("experiments").setLevel(logging.WARNING)
        self.stdout = VisibleOutput(options.get("stdout") or sys.stdout)
        try:
            if options["action"] in STEPS:
                sweep = take_step(options)
                self.stdout.write(f"{sweep.label} is {sweep.state}.")
            elif options["action"] == BACKFILL:
                for line in run_backfill(options):
                    self.stdout.write(line)
            else:
                getattr(self, f"do_{options['action']}")(options)
        except DefinitionError as error:
            for problem in error.problems:
                self.stderr.write(str(problem))
            sys.exit(1)
        except NotPossible as error:
            raise CommandError(str(error)) from error
        except (OperationalError, ProgrammingError) as error:
            if not any(words in str(error) for words in NO_TABLES):
                raise
            raise CommandError(
                f"There is no installation in {settings.HOME} yet. Set SWEEPSITE_HOME"
                " (or DATABASE_URL) to an existing one, or start one with"
                " `python manage.py up`."
            ) from error

    # --- writing ------------------------------------------------------------------

    def do_submit(self, options: dict[str, Any]) -> None:
        if options["watch"] and options["no_start"]:
            raise CommandError("Nothing to watch. Leave out --no-start or --watch.")
        user = find_user(options["user"]) if options["user"] else None
        team = find_team(options["team"], user)
        imported = read_file(options)
        document = dict(imported.document)
        if options["experiment"]:
            document["experiment_name"] = options["experiment"]
        definition = definition_of(imported, document)
        if isinstance(definition.trial.code, str):
            folder = Path(options["file"]).parent / definition.trial.code
            document = folders.with_stored_code(document, folder, team, user=user)
            definition = read_entry(document)
        with transaction.atomic():
            sweep = create_sweep(team, definition, user=user)
            space = definition.search_space
            number = add_finished_trials(sweep, space, imported.trials)
            if not options["no_start"]:
                start = (
                    partial(lifecycle.start_preflight, hold=False)
                    if options["try_first"]
                    else lifecycle.start_sweep
                )
                start(sweep, actor=user)
                queues.wake_scheduler()
        gpu_notes = gpu_warnings(sweep.pool, sweep.gpus)
        warnings = (*definition.warnings, *gpu_notes)
        for warning in (*note_lines(imported), *map(str, warnings)):
            self.stderr.write(f"warning: {warning}", str)
        if number:
            self.stderr.write(f"Imported {number:,} finished trials.", str)
        self.stdout.write(f"{sweep.label} (id {sweep.pk}) {url_of(sweep)}")
        self.stdout.flush()
        if options["watch"]:
            self._watch(sweep)

    def _watch(self, sweep: Sweep) -> None:
        """Exits 0 when the sweep completes, 1 when it ends otherwise."""
        try:
            watch(sweep, self.stdout)
        except KeyboardInterrupt:
            self.stdout.write(f"\nNo longer watching. It continues: {url_of(sweep)}")
            sys.exit(130)
        self.stdout.write(f"{sweep.label} {sweep.state}: {sweep.message}")
        if sweep.state != SweepState.COMPLETED:
            sys.exit(1)

    def do_check(self, options: dict[str, Any]) -> None:
        imported = read_file(options)
        checked = check_import(imported, bins=BARS)
        definition = checked.definition
        lines = [*note_lines(imported), *map(str, definition.warnings)]
        installed = is_installed()
        lines += pool_lines(definition) if installed else []
        lines += self._folder_lines(definition, imported, Path(options["file"]))
        self.stdout.write(document_text(definition.dump()))
        self.stdout.write(f"# read as: {FORMATS[imported.format]}")
        self.stdout.write(f"# combinations: {checked.combinations_words}")
        for params in checked.configurations[:MAX_SHOWN]:
            self.stdout.write(f"# such as: {json.dumps(params, ensure_ascii=False)}")
        self.stdout.write("# values and how often they are drawn:")
        for line in histogram_lines(checked.histograms):
            self.stdout.write(f"#   {line}")
        usable = len(usable_trials(definition.search_space, imported.trials))
        if imported.trials:
            number = len(imported.trials)
            self.stdout.write(f"# finished trials: {number:,}, {usable:,} usable")
        for warning in lines:
            self.stdout.write(f"# warning: {warning}")
        if not installed:
            self.stdout.write(f"# skipped: {SKIPPED}")

    def _folder_lines(
        self, definition: SweepDefinition, imported: Imported, file: Path
    ) -> list[str]:
        """A missing folder is an error in our own document; an imported one may have
        come without its code."""
        code = definition.trial.code
        if not isinstance(code, str):
            return []
        try:
            folders.read_folder(file.parent / code)
        except DefinitionError as error:
            if imported.format == "sweepsite":
                raise
            return [str(problem) for problem in error.problems]
        return []

    # --- reading ------------------------------------------------------------------

    def do_list(self, options: dict[str, Any]) -> None:
        newest = Sweep.objects.select_related("experiment").order_by("-pk")
        sweeps = list(newest[:MAX_LISTED])
        progress = progress_of(sweeps)
        for sweep in sweeps:
            line = progress_line(progress_facts(sweep, progress[sweep.pk]))
            self.stdout.write(f"{sweep.pk:>5}  {line}")

    def do_show(self, options: dict[str, Any]) -> None:
        sweep = find_sweep(options["id"])
        progress = progress_of([sweep])[sweep.pk]
        self.stdout.write(progress_line(progress_facts(sweep, progress)))
        facts = {
            "id": sweep.pk,
            "url": url_of(sweep),
            "name": sweep.name,
            "team": sweep.experiment.team.name,
            "objective": f"{sweep.goal} {sweep.primary_metric}",
            "message": sweep.message,
            "failures": failures_line(sweep),
            "pre-flight": preflight_line(sweep),
            "compute used": f"{progress.spent:.0f} s",
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
        self.stdout.write(
            f"{trial.label} (id {trial.pk}) {trial.get_state_display().lower()}"
        )
        self.stdout.write(f"{sweep.primary_metric}: {trial.value!r}")
        self.stdout.write(json.dumps(trial.params, ensure_ascii=False))

    def do_export(self, options: dict[str, Any]) -> None:
        sweep = find_sweep(options["id"])
        if options["format"] == "csv":
            export.write_csv(sweep, self.stdout)
            return
        # What another system does not know goes to the error output.
        text, notes = export.document_text(sweep, options["format"])
        self.stdout.write(text.rstrip())
        for line in map(note_line, notes):
            self.stderr.write(f"warning: {line}", str)


def read_file(options: dict[str, Any]) -> Imported:
    path = Path(options["file"])
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_BYTES:
        raise CommandError(f"{path} is larger than {MAX_BYTES >> 20} MB.")
    part = options["part"]
    try:
        return read_sweep(
            content,
            part=part,
            format=options["format"],
            beside=folders.reader_of(path.parent),
        )
    except DefinitionError as error:
        parts = parts_of(content)
        if len(parts) < 2 or part in parts:
            raise
        hint = f"Choose one with --part, such as --part {shlex.quote(parts[0])}."
        raise DefinitionError([*error.problems, Problem("", hint)]) from error


def pool_lines(definition: SweepDefinition) -> list[str]:
    """Warnings about the site's pool; the document itself is right."""
    names = list(Pool.objects.order_by("name").values_list("name", flat=True))
    if definition.compute in names:
        pool = Pool.objects.get(name=definition.compute)
        problem = shared_code_problem(definition.trial.code, pool)
        gpu_notes = gpu_warnings(pool, definition.resources.gpus)
        return [str(each) for each in (problem, *gpu_notes) if each]
    known = listed(names[:MAX_NAMED]) or "none yet"
    return [
        f"compute: There is no worker pool {shown(definition.compute)} on this site;"
        f" its pools are: {known}. Without it the sweep cannot be submitted here."
    ]


def failures_line(sweep: Sweep) -> str:
    """The most frequent error of its failed trials; empty without a failure."""
    groups = failure_groups(sweep)
    if not groups:
        return ""
    count = sum(group.count for group in groups)
    alike = f"{groups[0].count:,} of {count:,}: " if len(groups) > 1 else f"{count:,}: "
    known = known_error(groups[0].words)
    likely = f" (likely {known.cause})" if known else ""
    return f"{alike}{groups[0].words}{likely}"


def preflight_line(sweep: Sweep) -> str:
    """The result of the first test trial; empty without one."""
    flight = Preflight.of(sweep)
    if flight is None:
        return ""
    found = " ".join(check.text for check in flight.checks())
    return f"{flight.state}. {found} {flight.estimate()}".strip()


def note_lines(imported: Imported) -> list[str]:
    return [note_line(note) for note in imported.notes]


def note_line(note: Note) -> str:
    """Such as `early_terminate.s: Left out. … (line 31)`."""
    line = f"(line {note.line})" if note.line else ""
    parts = (f"{note.kind.capitalize()}.", note.message, note.alternative, line)
    return f"{note.path or 'the file as a whole'}: {' '.join(filter(None, parts))}"


def document_text(document: dict[str, Any]) -> str:
    return yaml_text(document, width=88).rstrip()
