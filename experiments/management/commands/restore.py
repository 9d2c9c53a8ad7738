"""``manage.py restore``: puts a backup into an empty installation."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from experiments.backup.folder import check_backup
from experiments.backup.restoring import restore
from experiments.backup.rows import BackupError
from experiments.lifecycle.restored import words
from experiments.management.commands.up import locked_folder
from experiments.management.progress import ProgressBar


class Command(BaseCommand):
    help = (
        "Checks a backup and puts it into an empty data folder and database (SQLite or"
        " PostgreSQL). Sweeps that ran are then paused until you resume them."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="the folder of one backup")
        parser.add_argument(
            "--check", action="store_true", help="only check that it is complete"
        )
        parser.add_argument(
            "--keep-worker-tokens",
            action="store_true",
            help="the credentials of the old site's workers stay valid",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)
        progress = ProgressBar(self.stderr)
        try:
            self._run(options, progress)
        except (BackupError, OSError) as problem:
            raise CommandError(str(problem)) from problem
        finally:
            progress.end()

    def _run(self, options: dict[str, Any], progress: ProgressBar) -> None:
        folder = options["folder"]
        if options["check"]:
            rows = sum(check_backup(folder, progress).rows.values())
            progress.end()
            self.stdout.write(f"{folder} is complete: {rows:,} rows.")
            return
        with locked_folder(settings.HOME):
            held = restore(
                folder, progress, keep_worker_tokens=options["keep_worker_tokens"]
            )
        progress.end()
        self.stdout.write(
            f"Restored into {settings.HOME}: {words(held)}. Everyone logs in again."
            "\nMake sure that the old site stays off, run 'manage.py setup', then start"
            " the site and resume the sweeps that should continue."
        )
        if held.worker_tokens:
            self.stdout.write(
                "Workers need new credentials: manage.py worker-token create --pool"
                " NAME"
            )
