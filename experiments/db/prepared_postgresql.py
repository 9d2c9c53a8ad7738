"""A cursor of PostgreSQL that has the server keep the plans of its statements.

Apart from statements.py, for it is loaded with psycopg only.
"""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base

ServerBindingCursor: Any = base.ServerBindingCursor


class PlannedCursor(ServerBindingCursor):  # type: ignore[misc]
    """It keeps plans for itself only: all that the connection executes would count, and
    the ORM's texts have their values in them and never come again."""

    def execute(self, *arguments: Any, **options: Any) -> Any:
        self.connection.prepare_threshold = 0
        try:
            return super().execute(*arguments, **options)
        finally:
            self.connection.prepare_threshold = None
