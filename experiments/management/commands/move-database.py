"""``manage.py move-database``: from SQLite to PostgreSQL."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from experiments.backup.restoring import move_database
from experiments.backup.rows import BackupError
from experiments.management.commands.up import locked_folder
from experiments.management.progress import ProgressBar


class Command(BaseCommand):
    help = (
        "Moves everything from the SQLite database into the PostgreSQL database in"
        " DATABASE_URL, and compares both. Trials may run, the site may not."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from",
            dest="file",
            type=Path,
            default=settings.HOME / "sweepsite.sqlite3",
            help="the SQLite database; default: the one in the data folder",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)
        progress = ProgressBar(self.stderr)
        try:
            with locked_folder(settings.HOME):
                moved = move_database(options["file"], progress)
        except (BackupError, OSError) as problem:
            raise CommandError(str(problem)) from problem
        finally:
            progress.end()
        self.stdout.write(
            "All rows are in PostgreSQL, and equal to those before. Start the site"
            f" with this DATABASE_URL. The old database is {moved}; delete it when all"
            " works."
        )
