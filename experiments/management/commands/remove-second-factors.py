"""``manage.py remove-second-factors``: for a person who lost phone and codes."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from experiments.accounts.people import remove_factors
from experiments.management.lookups import find_user


class Command(BaseCommand):
    help = (
        "Removes a person's authenticator app, passkeys and recovery codes, and ends"
        " their sessions."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", help="the user's name")

    def handle(self, *args: Any, **options: Any) -> None:
        person = find_user(options["name"])
        if remove_factors(person, actor=None):
            self.stdout.write(f"{person.username} logs in with the password alone now.")
        else:
            self.stdout.write(f"{person.username} has no second factor.")
