"""The audit log: rows that nobody changes."""

from __future__ import annotations

from django.contrib import admin

from experiments.admin.reading import ReadOnlyAdmin
from experiments.models import Event


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = ("created_at", "actor", "verb", "message", "team", "sweep", "trial")
    list_filter = ("team",)
    list_select_related = (
        "actor",
        "team",
        "sweep__experiment",
        "trial__sweep__experiment",
        "trial__experiment",
    )
    search_fields = ("verb", "message", "actor__username")
