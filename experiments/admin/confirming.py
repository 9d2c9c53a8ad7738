"""Deletions that first show what they remove."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from experiments import access
from experiments.formatting import bytes_text
from experiments.sweeps.deletion import DeletionSize, StillRunning

# The page sends back the ids of all rows, and Django limits a form's fields.
MAX_ROWS = 1000


@dataclass(frozen=True)
class Deletion:
    """``measure`` says what a deletion removes, ``request`` starts it; ``rows`` makes
    (label, amount) pairs of a size."""

    action: str
    title: str
    warning: str
    measure: Callable[[QuerySet[Any]], DeletionSize]
    request: Callable[..., DeletionSize]
    rows: Callable[[DeletionSize], list[tuple[str, object]]]

    def run(
        self, page: Any, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse | None:
        """Ask first; request the deletion when the answer is yes."""
        if queryset.count() > MAX_ROWS:
            page.message_user(
                request, f"Choose at most {MAX_ROWS:,} rows at once.", messages.ERROR
            )
            return None
        if "confirmed" not in request.POST:
            return self._ask(page, request, queryset)
        try:
            size = self.request(queryset, actor=access.viewer(request))
        except StillRunning as problem:
            page.message_user(request, str(problem), messages.ERROR)
            return None
        amounts = ", ".join(f"{amount} {label}" for label, amount in self.rows(size))
        page.message_user(request, f"Deleting {amounts}.", messages.SUCCESS)
        return None

    def _ask(
        self, page: Any, request: HttpRequest, queryset: QuerySet[Any]
    ) -> HttpResponse:
        context = {
            **admin.site.each_context(request),
            "title": self.title,
            "warning": self.warning,
            "rows": self.rows(self.measure(queryset)),
            "objects": list(queryset[:20]),
            "more": max(0, queryset.count() - 20),
            "ids": list(queryset.values_list("pk", flat=True)),
            "action": self.action,
            "checkbox": helpers.ACTION_CHECKBOX_NAME,
            "opts": page.model._meta,
        }
        template = "admin/experiments/confirm_deletion.html"
        return TemplateResponse(request, template, context)


def size_row(size: DeletionSize) -> tuple[str, object]:
    return "of files", bytes_text(size.bytes)
