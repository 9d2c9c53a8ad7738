"""Fields and a form that Django lacks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django import forms
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from experiments.search.wording import unseen_problem

if TYPE_CHECKING:

    class _TextField(models.TextField[Any, Any]):
        _pyi_private_set_type: Any
        _pyi_private_get_type: Any
else:
    _TextField = models.TextField


class OrderedJSONField(_TextField):
    """JSON that keeps the order of its keys: a grid enumerates parameters in the
    document's order, and PostgreSQL's jsonb would sort them."""

    def from_db_value(
        self, value: str | None, expression: object, connection: BaseDatabaseWrapper
    ) -> Any:
        return None if value is None else json.loads(value)

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> str | None:
        if value is None:
            return None
        return json.dumps(value, ensure_ascii=False, allow_nan=False)

    def value_to_string(self, obj: models.Model) -> str:
        return self.get_prep_value(self.value_from_object(obj)) or ""


def trash_mark() -> models.ForeignKey[Any, Any]:
    """Of a row that is in the trash: the item that holds it."""
    return models.ForeignKey(
        "TrashItem",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        db_index=False,
    )


class VisibleTextForm(forms.BaseForm):
    """A form that refuses invisible characters in its texts."""

    def clean(self) -> Any:
        cleaned = super().clean()
        for name, value in list((cleaned or {}).items()):
            if isinstance(value, str) and (problem := unseen_problem(value)):
                self.add_error(name, problem)
        return cleaned
