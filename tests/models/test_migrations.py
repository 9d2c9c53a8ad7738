"""The rows of an installation made by the first migration survive all later ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.apps.registry import Apps
from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.migrations.executor import MigrationExecutor

from tests.models.initial_rows import FILE, INITIAL, own_models

pytestmark = pytest.mark.django_db(transaction=True)

Rows = dict[str, dict[Any, dict[str, Any]]]


@pytest.fixture
def initial() -> Iterator[Apps]:
    """The models of the first migration. Other tests find the latest again."""
    yield MigrationExecutor(connection).migrate([INITIAL]).apps
    migrate_to_latest()


def migrate_to_latest() -> Apps:
    executor = MigrationExecutor(connection)
    latest = executor.loader.graph.leaf_nodes("experiments")
    return executor.migrate(latest).apps


def load(apps: Apps) -> None:
    """The rows of the file, as they are there: no column sets its own time."""
    found = json.loads(FILE.read_text())
    made = list(own_models(apps))
    with transaction.atomic():
        for model in made:
            for row in found[str(model._meta.model_name)]:
                values = {
                    field.attname: field.to_python(row[field.attname])
                    for field in model._meta.fields
                }
                model(**values).save_base(raw=True, force_insert=True)
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), made):
            cursor.execute(statement)


def stored(apps: Apps) -> Rows:
    """All rows by table and primary key."""
    return {
        str(model._meta.model_name): {
            row[model._meta.pk.attname]: row for row in model._base_manager.values()
        }
        for model in own_models(apps)
    }


def test_every_row_survives_the_migrations(initial: Apps) -> None:
    load(initial)
    before = stored(initial)
    assert all(len(rows) == 2 for rows in before.values())
    after = stored(migrate_to_latest())
    for table in before.keys() & after.keys():
        for pk, row in before[table].items():
            kept = after[table][pk]
            assert {name: kept[name] for name in row.keys() & kept.keys()} == {
                name: row[name] for name in row.keys() & kept.keys()
            }
