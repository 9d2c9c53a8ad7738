"""``manage.py setup``: what a new or upgraded installation needs before it starts."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from experiments import installation
from experiments.management.commands.up import collecting_static


class Command(BaseCommand):
    help = (
        "Brings the database up to date, gathers static files and, the first time,"
        " makes an admin with a team and a pool. 'up' does the same by itself."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with collecting_static():
            call_command("migrate", verbosity=0, interactive=False)
            password = installation.ensure_admin()
        if password is None:
            self.stdout.write("The database and the static files are up to date.")
            return
        self.stdout.write(
            f"Made the user {installation.ADMIN} with the password {password}"
            " (shown only now), a team and the pool 'default'."
        )
