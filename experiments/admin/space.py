"""The space that was measured, orphans, the trash and its rules."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from experiments.admin.base import ReadOnlyAdmin
from experiments.formatting import bytes_text
from experiments.models import CleanupRule, CleanupTask, Orphan, SpaceUsage, TrashItem


class SizeAdmin(ReadOnlyAdmin):
    """Shows the bytes of a row as a size."""

    @admin.display(description="size", ordering="bytes")
    def size(self, row: Any) -> str:
        return "unknown" if row.bytes is None else bytes_text(row.bytes)


@admin.register(SpaceUsage)
class SpaceUsageAdmin(SizeAdmin):
    list_display = ("day", "team", "sweep_id", "owner", "kind", "size", "files", "rows")
    list_filter = ("kind", "team", "day")
    list_select_related = ("team", "owner")
    search_fields = ("team__name", "owner__username", "=sweep__id")
    # The sweep may be deleted: its id stays.
    fields = (
        *("day", "measured_at", "team", "experiment_id", "sweep_id", "owner"),
        *("kind", "bytes", "files", "rows"),
    )
    readonly_fields = ("experiment_id", "sweep_id")


@admin.register(Orphan)
class OrphanAdmin(SizeAdmin):
    """Remove them on the cleanup page."""

    list_display = ("kind", "name", "size", "files", "found_at")
    list_filter = ("kind",)
    search_fields = ("name",)


@admin.register(TrashItem)
class TrashItemAdmin(SizeAdmin):
    """Restore or delete them on the cleanup page."""

    list_display = ("name", "kind", "team", "size", "moved_by", "moved_at", "until")
    list_filter = ("kind", "team", ("stopped_at", admin.EmptyFieldListFilter))
    list_select_related = ("team", "moved_by")
    search_fields = ("name", "moved_by__username")


@admin.register(CleanupRule)
class CleanupRuleAdmin(SizeAdmin):
    """Change them on the cleanup page."""

    list_display = ("__str__", "team", "enabled", "size", "last_run_at", "problem")
    list_filter = ("enabled", "team")
    list_select_related = ("team", "created_by")
    search_fields = ("team__name", "problem")


@admin.register(CleanupTask)
class CleanupTaskAdmin(ReadOnlyAdmin):
    """Large moves that a job does."""

    list_display = ("__str__", "team", "actor", "created_at", "problem")
    list_filter = ("team",)
    list_select_related = ("team", "actor")
    search_fields = ("words", "problem")
