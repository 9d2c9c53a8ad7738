"""A PostgreSQL cursor whose statements the server plans once.

Apart from prepared.py because it needs psycopg.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base

ServerBindingCursor: Any = base.ServerBindingCursor


class PlannedCursor(ServerBindingCursor):  # type: ignore[misc]
    """Prepares only its own statements: the ORM's contain values and never repeat."""

    def execute(self, *arguments: Any, **options: Any) -> Any:
        self.connection.prepare_threshold = 0
        try:
            return super().execute(*arguments, **options)
        finally:
            self.connection.prepare_threshold = None
