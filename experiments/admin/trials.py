"""Trials, attempts, output files, metrics, reports and decisions."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from experiments import access
from experiments.admin.base import ReadOnlyAdmin, Removal, SweepRowAdmin, size_row
from experiments.cleanup.sizes import Size, files_size
from experiments.cleanup.trash import move_trial_files
from experiments.formatting import bytes_text
from experiments.models import (
    Artifact,
    Attempt,
    Decision,
    EnvironmentPart,
    LoggedModel,
    Metric,
    Run,
    Trial,
)


def _file_rows(size: Size) -> list[tuple[str, object]]:
    return [("trials without outputs and logs", f"{size.trials:,}"), size_row(size)]


TRASH_FILES = Removal(
    action="delete_files",
    title="Move outputs and logs of these trials to the trash?",
    warning="They can be restored for some days, on the page Cleanup. Parameters and"
    " metrics stay. Trials that still run are refused.",
    measure=files_size,
    request=move_trial_files,
    rows=_file_rows,
)


TRIAL = ("trial__sweep__experiment", "trial__run")
ATTEMPT = tuple(f"attempt__{path}" for path in TRIAL)
TEAM = "attempt__trial__experiment__team"


@admin.register(Trial)
class TrialAdmin(SweepRowAdmin):
    sweep_lookup = "sweep"
    list_display = ("label", "state", "reason", "value", "reports", "created_at")
    list_filter = ("state", "experiment__team")
    list_select_related = ("sweep__experiment", "experiment", "run")
    search_fields = ("=number", "experiment__slug", "sweep__name")
    actions = ("delete_files",)

    @admin.display(description="trial", ordering="pk")
    def label(self, trial: Trial) -> str:
        return trial.label

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return access.viewer(request).has_perm("experiments.delete_trial")

    @admin.action(
        description="Move outputs and logs to the trash", permissions=["erase"]
    )
    def delete_files(
        self, request: HttpRequest, queryset: QuerySet[Trial]
    ) -> HttpResponse | None:
        queryset = queryset.select_related("sweep__experiment", "experiment", "run")
        return TRASH_FILES.run(self, request, queryset)


@admin.register(Run)
class RunAdmin(SweepRowAdmin):
    list_display = ("name", "trial", "created_by", "deleted_at")
    list_filter = (("deleted_at", admin.EmptyFieldListFilter),)
    list_select_related = (
        "trial__sweep__experiment",
        "trial__run",
        "created_by",
    )
    search_fields = ("name", "created_by__username", "trial__experiment__slug")


@admin.register(Attempt)
class AttemptAdmin(SweepRowAdmin):
    list_display = (
        "name",
        "state",
        "reason",
        "worker",
        "slot",
        "elapsed",
        "created_at",
    )
    list_filter = ("state", "pool")
    list_select_related = (
        "trial__sweep__experiment",
        "trial__run",
        "worker__pool",
    )
    search_fields = ("=trial__number", "trial__experiment__slug", "worker__name")
    exclude = ("trial_token_digest", "runner_token_digest")

    @admin.display(description="attempt", ordering="pk")
    def name(self, attempt: Attempt) -> str:
        return str(attempt)


@admin.register(Artifact)
class ArtifactAdmin(SweepRowAdmin):
    sweep_lookup = "attempt__trial__sweep"
    list_display = ("path", "attempt", "bytes", "created_at")
    list_select_related = (
        "attempt__trial__sweep__experiment",
        "attempt__trial__run",
    )
    list_filter = ("whole", TEAM)
    search_fields = ("path", "=sha256")

    @admin.display(description="size", ordering="size")
    def bytes(self, artifact: Artifact) -> str:
        return bytes_text(artifact.size)


@admin.register(Metric)
class MetricAdmin(SweepRowAdmin):
    sweep_lookup = "attempt__trial__sweep"
    list_display = (
        "name",
        "attempt",
        "count",
        "last_step",
        "last_value",
        "low",
        "high",
    )
    list_select_related = ATTEMPT
    list_filter = (TEAM,)
    search_fields = ("name", "attempt__trial__experiment__slug")


@admin.register(Decision)
class DecisionAdmin(SweepRowAdmin):
    list_display = ("trial", "n", "policy", "value", "threshold", "rivals", "stop")
    list_filter = ("stop",)
    list_select_related = TRIAL
    search_fields = ("=trial__number", "trial__experiment__slug", "reason")


@admin.register(LoggedModel)
class LoggedModelAdmin(SweepRowAdmin):
    sweep_lookup = "attempt__trial__sweep"
    list_display = ("name", "experiment", "kind", "status", "created_at")
    list_filter = ("status", "experiment__team")
    list_select_related = ("experiment",)
    search_fields = ("name", "=id", "experiment__slug")


@admin.register(EnvironmentPart)
class EnvironmentPartAdmin(ReadOnlyAdmin):
    """Lists of packages and differences that trials share."""

    list_display = ("digest", "used_at")
    list_filter = ("used_at",)
    search_fields = ("digest",)
