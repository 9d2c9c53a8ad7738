"""The tables of a new database are those that all migrations would make."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.contrib.auth.models import Permission
from django.core.management import BaseCommand, call_command
from django.core.management.commands import migrate as by_django
from django.db import DEFAULT_DB_ALIAS, connection
from django.db.migrations.recorder import MigrationRecorder

from experiments.backup.database import opened
from experiments.management.commands import migrate


def tables() -> dict[str, Any]:
    """The columns, indexes and constraints of each table, in no order."""
    found: dict[str, Any] = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            columns = connection.introspection.get_table_description(cursor, table)
            keys = connection.introspection.get_constraints(cursor, table)
            # SQLite's constraints without names are numbered in their columns' order.
            facts = [
                (re.sub(r"^(fk|__unnamed_constraint)_\d+(__)?$", "", name), str(key))
                for name, key in keys.items()
            ]
            found[table] = sorted(map(str, columns)), sorted(facts)
    return found


def made_by(command: BaseCommand, path: Path) -> dict[str, Any]:
    with opened(path, DEFAULT_DB_ALIAS):
        for _ in range(2):
            call_command(command, verbosity=0)
        return {
            "tables": tables(),
            "migrations": set(MigrationRecorder(connection).applied_migrations()),
            "permissions": set(Permission.objects.values_list("codename", flat=True)),
        }


def test_they_are_equal(tmp_path: Path, django_db_blocker: Any) -> None:
    with django_db_blocker.unblock():
        at_once = made_by(migrate.Command(), tmp_path / "one")
        one_by_one = made_by(by_django.Command(), tmp_path / "two")
    assert at_once == one_by_one
