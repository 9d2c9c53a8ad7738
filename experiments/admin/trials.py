"""Trials, their attempts and their output files."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse

from experiments import access, cleanup
from experiments.admin.confirming import Deletion, size_row
from experiments.admin.reading import ReadOnlyAdmin
from experiments.cleanup import Toll
from experiments.models import Artifact, Attempt, Trial
from experiments.words import bytes_text


def _file_rows(toll: Toll) -> list[tuple[str, object]]:
    return [("trials without outputs and logs", f"{toll.trials:,}"), size_row(toll)]


DELETE_FILES = Deletion(
    action="delete_files",
    title="Delete outputs and logs of these trials?",
    warning="Parameters and metrics stay. This cannot be undone. Trials that still run"
    " are refused.",
    count=cleanup.trial_files_toll,
    delete=cleanup.delete_trial_files,
    rows=_file_rows,
)


@admin.register(Trial)
class TrialAdmin(ReadOnlyAdmin):
    list_display = ("label", "state", "reason", "value", "reports", "created_at")
    list_filter = ("state", "experiment__team")
    list_select_related = ("sweep__experiment", "experiment")
    search_fields = ("=number", "experiment__slug", "sweep__name")
    actions = ("delete_files",)

    @admin.display(description="trial", ordering="pk")
    def label(self, trial: Trial) -> str:
        return trial.label

    def has_erase_permission(self, request: HttpRequest) -> bool:
        return access.viewer(request).has_perm("experiments.delete_trial")

    @admin.action(description="Delete outputs and logs", permissions=["erase"])
    def delete_files(
        self, request: HttpRequest, queryset: QuerySet[Trial]
    ) -> HttpResponse | None:
        queryset = queryset.select_related("sweep__experiment", "experiment")
        return DELETE_FILES.run(self, request, queryset)


@admin.register(Attempt)
class AttemptAdmin(ReadOnlyAdmin):
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
        "trial__experiment",
        "worker__pool",
    )
    search_fields = ("=trial__number", "trial__experiment__slug", "worker__name")
    exclude = ("trial_token_digest", "runner_token_digest")

    @admin.display(description="attempt", ordering="pk")
    def name(self, attempt: Attempt) -> str:
        return str(attempt)


@admin.register(Artifact)
class ArtifactAdmin(ReadOnlyAdmin):
    list_display = ("path", "attempt", "bytes", "created_at")
    list_select_related = (
        "attempt__trial__sweep__experiment",
        "attempt__trial__experiment",
    )
    search_fields = ("path", "=sha256")

    @admin.display(description="size", ordering="size")
    def bytes(self, artifact: Artifact) -> str:
        return bytes_text(artifact.size)
