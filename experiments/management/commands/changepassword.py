"""Django's command, which also logs it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import changepassword

from experiments import origin
from experiments.models import Event


class Command(changepassword.Command):
    def handle(self, *args: Any, **options: Any) -> str | None:
        answer = super().handle(*args, **options)
        Event.log(
            "password changed", about=options["username"] or origin.current().person
        )
        return answer
