"""Experiments, sweeps and code snapshots."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, HttpResponse

from experiments import access, lifecycle, queues
from experiments.admin.base import (
    LoggedAdmin,
    ReadOnlyAdmin,
    Removal,
    SweepRowAdmin,
    VisibleModelForm,
    size_row,
)
from experiments.cleanup.sizes import Size, sweeps_size
from experiments.cleanup.trash import ACTIVE, move_sweeps
from experiments.formatting import bytes_text
from experiments.models import (
    CodeSnapshot,
    Event,
    Experiment,
    SavedView,
    SpaceVersion,
    Sweep,
    SweepTemplate,
    TrialRequest,
)


def _sweep_rows(size: Size) -> list[tuple[str, object]]:
    return [
        ("sweeps", size.sweeps),
        ("trials", f"{size.trials:,}"),
        ("metric points", f"{size.points:,}"),
        size_row(size),
    ]


TRASH_SWEEPS = Removal(
    action="delete_with_files",
    title="Move sweeps with their trials and files to the trash?",
    warning="They can be restored for some days, on the page Cleanup. Cancel sweeps"
    " that still run first.",
    measure=sweeps_size,
    request=move_sweeps,
    rows=_sweep_rows,
)


@admin.register(Experiment)
class ExperimentAdmin(LoggedAdmin):
    form = VisibleModelForm
    list_display = ("name", "team", "question", "created_by", "created_at")
    list_filter = ("team", ("archived_at", admin.EmptyFieldListFilter))
    list_select_related = ("team", "created_by")
    search_fields = ("name", "slug", "question")
    readonly_fields = ("slug", "team", "created_by", "created_at")
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only empty experiments: others would leave files behind."""
        allowed = super().has_delete_permission(request, obj)
        if not allowed or obj is None:
            return False
        sweeps = Sweep.all_objects.filter(experiment=obj)
        return not (sweeps.exists() or obj.trials.exists())


@admin.register(Sweep)
class SweepAdmin(ReadOnlyAdmin):
    list_display = (
        "label",
        "name",
        "team",
        "state",
        "pool",
        "created_by",
        "created_at",
    )
    list_filter = (
        "state",
        "pool",
        "experiment__team",
        ("archived_at", admin.EmptyFieldListFilter),
    )
    list_select_related = ("experiment__team", "pool", "created_by")
    search_fields = ("name", "experiment__name", "experiment__slug", "primary_metric")
    date_hierarchy = None
    actions = ("cancel", "archive", "restore", "delete_with_files")

    @admin.display(description="sweep", ordering="pk")
    def label(self, sweep: Sweep) -> str:
        return sweep.label

    @admin.display(ordering="experiment__team__name")
    def team(self, sweep: Sweep) -> str:
        return sweep.experiment.team.name

    def has_steer_permission(self, request: HttpRequest) -> bool:
        return access.viewer(request).has_perm("experiments.change_sweep")

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return access.viewer(request).has_perm("experiments.delete_sweep")

    @admin.action(description="Cancel the selected sweeps", permissions=["steer"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Sweep]) -> None:
        sweeps = queryset.select_related("experiment")
        won = sum(
            lifecycle.cancel_sweep(s, actor=access.viewer(request)) for s in sweeps
        )
        queues.wake_scheduler()
        text = f"{won} sweeps cancelled. Their running trials will stop."
        self.message_user(request, text, messages.SUCCESS)

    @admin.action(description="Archive the selected sweeps", permissions=["steer"])
    def archive(self, request: HttpRequest, queryset: QuerySet[Sweep]) -> None:
        over = queryset.exclude(state__in=ACTIVE).filter(archived_at=None)
        left = queryset.filter(state__in=ACTIVE).count()
        done = _set_archived(over, request, verb="sweep archived", archived_at=Now())
        self.message_user(request, f"{done} sweeps archived.", messages.SUCCESS)
        if left:
            text = f"{left} sweeps have not ended and were not archived."
            self.message_user(request, text, messages.WARNING)

    @admin.action(description="Restore the selected sweeps", permissions=["steer"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Sweep]) -> None:
        away = queryset.filter(archived_at__isnull=False)
        done = _set_archived(away, request, verb="sweep restored", archived_at=None)
        self.message_user(request, f"{done} sweeps restored.", messages.SUCCESS)

    @admin.action(
        description="Move the selected sweeps to the trash", permissions=["erase"]
    )
    def delete_with_files(
        self, request: HttpRequest, queryset: QuerySet[Sweep]
    ) -> HttpResponse | None:
        return TRASH_SWEEPS.run(self, request, queryset)


def _set_archived(
    sweeps: QuerySet[Sweep], request: HttpRequest, *, verb: str, archived_at: Any
) -> int:
    rows = list(sweeps.select_related("experiment__team"))
    chosen = Sweep.objects.filter(pk__in=[sweep.pk for sweep in rows])
    chosen.update(archived_at=archived_at, updated_at=Now())
    Event.objects.bulk_create(
        Event.of(verb, actor=access.viewer(request), sweep=sweep) for sweep in rows
    )
    return len(rows)


@admin.register(CodeSnapshot)
class CodeSnapshotAdmin(ReadOnlyAdmin):
    list_display = ("short", "team", "bytes", "created_by", "created_at")
    list_filter = ("team",)
    list_select_related = ("team", "created_by")
    search_fields = ("digest",)

    @admin.display(description="snapshot")
    def short(self, snapshot: CodeSnapshot) -> str:
        return str(snapshot)

    @admin.display(description="size", ordering="size")
    def bytes(self, snapshot: CodeSnapshot) -> str:
        return bytes_text(snapshot.size)


@admin.register(SweepTemplate)
class SweepTemplateAdmin(ReadOnlyAdmin):
    list_display = ("name", "team", "created_by", "updated_at")
    list_filter = ("team",)
    list_select_related = ("team", "created_by")
    search_fields = ("name", "team__name", "created_by__username")


@admin.register(SavedView)
class SavedViewAdmin(ReadOnlyAdmin):
    list_display = ("name", "page", "experiment", "owner", "updated_at")
    list_filter = ("page", "experiment__team")
    list_select_related = ("experiment", "owner")
    search_fields = ("name", "experiment__slug", "owner__username")


@admin.register(SpaceVersion)
class SpaceVersionAdmin(SweepRowAdmin):
    sweep_lookup = "sweep"
    list_display = ("sweep", "version", "until", "changed_by", "changed_at")
    list_filter = ("sweep__experiment__team", "changed_at")
    list_select_related = ("sweep__experiment", "changed_by")
    search_fields = ("sweep__experiment__slug", "changed_by__username")


@admin.register(TrialRequest)
class TrialRequestAdmin(SweepRowAdmin):
    sweep_lookup = "sweep"
    list_display = ("sweep", "origin", "number", "requested_by", "requested_at")
    list_filter = ("origin", "sweep__experiment__team")
    list_select_related = ("sweep__experiment", "requested_by")
    search_fields = ("=number", "sweep__experiment__slug", "requested_by__username")
