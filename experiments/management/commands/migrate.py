"""``manage.py migrate``: Django's, but a new database gets its tables at once."""

from __future__ import annotations

from typing import Any

from django.core.management.commands import migrate
from django.db import connections

from experiments.db.new_tables import all_migrations, make_tables


class Command(migrate.Command):
    def handle(self, *args: Any, **options: Any) -> None:
        alias = options["database"]
        partly = ("app_label", "plan", "check_unapplied", "prune")
        whole = not any(options[name] for name in partly)
        if whole and not connections[alias].introspection.table_names():
            make_tables(alias, all_migrations())
        super().handle(*args, **options)
