"""Pools, the workers in them and their credentials; the schedulers.

The audit log: rows that nobody changes.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from experiments.admin.base import (
    LoggedAdmin,
    ReadOnlyAdmin,
    TokenAdmin,
    VisibleModelForm,
)
from experiments.code.folders import FoldersField
from experiments.models import Event, Pool, SchedulerProcess, Worker, WorkerToken


class AdminPoolForm(VisibleModelForm):
    """Checks folders as the pool's page does."""

    folders = FoldersField(required=False, label="Allowed code folders")


@admin.register(Pool)
class PoolAdmin(LoggedAdmin):
    form = AdminPoolForm
    list_display = ("name", "price_per_hour", "created_at")
    list_filter = ("teams",)
    search_fields = ("name",)
    filter_horizontal = ("teams",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A pool's name is that of its queue, so it never changes."""
        return ("name",) if obj else ()


@admin.register(WorkerToken)
class WorkerTokenAdmin(TokenAdmin):
    list_display = ("pool", "prefix", "created_by", "last_used_at", "revoked_at")
    list_filter = ("pool", ("revoked_at", admin.EmptyFieldListFilter))
    list_select_related = ("pool", "created_by")
    search_fields = ("prefix", "pool__name")


@admin.register(Worker)
class WorkerAdmin(ReadOnlyAdmin):
    """Drain or remove hosts on the pool's page."""

    list_display = (
        *("name", "pool", "host", "slots", "version"),
        *("seen_at", "draining_since", "stopped_at"),
    )
    list_filter = (
        "pool",
        ("draining_since", admin.EmptyFieldListFilter),
        ("stopped_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("pool",)
    search_fields = ("name", "host")


@admin.register(SchedulerProcess)
class SchedulerProcessAdmin(ReadOnlyAdmin):
    list_display = (
        *("host", "pid", "version", "started_at", "heartbeat_at"),
        *("round_seconds", "longest_seconds", "stopped_at"),
    )
    list_filter = (("stopped_at", admin.EmptyFieldListFilter), "version")
    search_fields = ("host", "=pid", "version")


@admin.register(Event)
class EventAdmin(ReadOnlyAdmin):
    list_display = (
        *("created_at", "actor_name", "verb", "object_kind", "object_name"),
        *("message", "team_name", "via", "address"),
    )
    list_filter = ("object_kind", "created_at")
    search_fields = ("verb", "message", "actor_name", "object_name", "address")
