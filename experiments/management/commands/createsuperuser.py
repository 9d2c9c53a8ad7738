"""Django's command, which also logs it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management.commands import createsuperuser

from experiments.models import Event, User


class Command(createsuperuser.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        known = set(User.objects.values_list("pk", flat=True))
        super().handle(*args, **options)
        for person in User.objects.exclude(pk__in=known):
            Event.log("administrator created", about=person)
