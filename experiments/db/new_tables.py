"""A new database gets its tables at once: one migration after the other takes many
times as long, and each first start would wait for it."""

from __future__ import annotations

from collections.abc import Iterable

from django.apps import apps
from django.db import connections, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder


def tables() -> list[type[models.Model]]:
    """Every model that has a table, also those of many-to-many fields."""
    found = apps.get_models(include_auto_created=True)
    return [each for each in found if each._meta.managed and not each._meta.proxy]


def all_migrations() -> Iterable[tuple[str, str]]:
    """(App, name) of every migration of this version."""
    return MigrationLoader(None).disk_migrations.keys()


def make_tables(alias: str, applied: Iterable[tuple[str, str]]) -> None:
    """The tables of the models as they are now, in one transaction. The database says
    that these migrations were applied."""
    database = connections[alias]
    recorder = MigrationRecorder(database)
    with database.schema_editor() as editor:
        editor.create_model(recorder.Migration)
        for model in tables():
            if not model._meta.auto_created:
                editor.create_model(model)
        for app, name in applied:
            recorder.record_applied(app, name)
