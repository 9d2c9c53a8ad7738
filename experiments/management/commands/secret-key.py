"""``manage.py secret-key``: a new key for signatures, while older ones still count."""

from __future__ import annotations

import os
import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from experiments import storage

MAX_KEYS = 3


class Command(BaseCommand):
    help = (
        "Replaces the key that signs sessions. 'rotate' makes a new one and keeps older"
        " ones valid, so that everyone stays logged in; 'forget' removes these."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "action",
            choices=("rotate", "forget"),
            help="make a new key, or forget the earlier ones",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if os.environ.get("SWEEPSITE_SECRET_KEY"):
            raise CommandError(
                "The key is in SWEEPSITE_SECRET_KEY. Set a new one there, and the old"
                " one in SWEEPSITE_SECRET_KEY_FALLBACKS."
            )
        path = settings.HOME / "secret_key"
        keys = path.read_text().split()
        if options["action"] == "rotate":
            keys.insert(0, secrets.token_urlsafe(50))
            hours = settings.SESSION_COOKIE_AGE // 3600
            say = (
                "The new key counts from the next start of sweepsite. Run 'secret-key"
                f" forget' {hours} hours after it, when all older sessions are over."
            )
        else:
            del keys[1:]
            say = "Only the newest key counts from the next start of sweepsite."
        storage.write_whole(path, ["\n".join(keys[:MAX_KEYS]).encode()])
        self.stdout.write(say)
