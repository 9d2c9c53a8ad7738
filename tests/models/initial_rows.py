"""Rows for every table of the first migration: ``python -m tests.models.initial_rows``
writes them to initial_rows.json. They follow from the migration alone.

Row 1 of a table has a value in every column, row 2 only in those that need one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
from django.apps.registry import Apps
from django.db import models
from django.db.migrations.loader import MigrationLoader

INITIAL = ("experiments", "0001_initial")
FILE = Path(__file__).with_suffix(".json")
NUMBERS = (1, 2)

Row = dict[str, Any]


def own_models(apps: Apps) -> Iterator[type[models.Model]]:
    """The project's models; not the links from its users to Django's permissions."""
    for model in apps.get_app_config("experiments").get_models(
        include_auto_created=True
    ):
        related = [field.related_model for field in model._meta.fields]
        if all(one is None or one._meta.app_label == "experiments" for one in related):
            yield model


def rows_of(model: type[models.Model]) -> list[Row]:
    return [
        {field.attname: _value(field, number) for field in model._meta.fields}
        for number in NUMBERS
    ]


def _value(field: Any, number: int) -> Any:
    if field.primary_key or (field.unique and field.is_relation):
        return number
    if number == 2 and field.null:
        return None
    if number == 2 and field.has_default() and not callable(field.default):
        return field.default
    if field.is_relation:
        return number
    if field.choices:
        return field.flatchoices[0][0]
    return _plain(field, number)


def _plain(field: Any, number: int) -> Any:
    kind = field.get_internal_type()
    if kind == "BooleanField":
        return not field.default
    if kind == "FloatField":
        return number / 4
    if kind == "DecimalField":
        return f"{number}.2500"
    if kind == "BinaryField":
        return "AP+A"
    if kind == "GenericIPAddressField":
        return f"192.0.2.{number}"
    if kind == "UUIDField":
        return f"00000000-0000-0000-0000-00000000000{number}"
    if kind == "DurationField":
        return f"{number} 12:30:00"
    if kind == "DateField":
        return f"2026-01-0{number}"
    if kind == "DateTimeField":
        return f"2026-01-0{number}T12:30:00.250Z"
    if kind.endswith("IntegerField"):
        return number
    if type(field).__name__.endswith("JSONField"):
        return [number] if field.default is list else {"number": number}
    return f"{field.name}-{number}"[: field.max_length]


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
    apps = MigrationLoader(None).project_state(INITIAL).apps
    rows = {model._meta.model_name: rows_of(model) for model in own_models(apps)}
    FILE.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
