"""``manage.py backup``: a copy of the database and the data folder, at any time."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from experiments.backup.folder import delete_old, make_backup
from experiments.backup.rows import BackupError
from experiments.formatting import bytes_text
from experiments.management.progress import ProgressBar
from experiments.models import Event
from experiments.search.wording import counted


class Command(BaseCommand):
    help = (
        "Copies the database and the data folder into a new folder, also while trials"
        " run. 'restore' reads it, into SQLite or PostgreSQL."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="where the backups are")
        parser.add_argument(
            "--rotate",
            action="store_true",
            help="then delete backups in FOLDER, except the newest of each of 7 days"
            " and 4 weeks",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)
        where, progress = options["folder"], ProgressBar(self.stderr)
        try:
            made, manifest = make_backup(where, progress)
            old = delete_old(where) if options["rotate"] else []
        except (BackupError, OSError) as problem:
            raise CommandError(str(problem)) from problem
        finally:
            progress.end()
        rows = sum(manifest.rows.values())
        files = f"{counted(len(manifest.files), 'file')} ({bytes_text(manifest.size)})"
        Event.log("backup made", f"{made.name}: {rows:,} rows, {files}.")
        self.stdout.write(f"{made}: {rows:,} rows and {files}.")
        if old:
            self.stdout.write(f"Deleted {counted(len(old), 'old backup')}.")
