"""What training processes reported, and what policies made of it."""

from __future__ import annotations

from django.contrib import admin

from experiments.admin.reading import ReadOnlyAdmin
from experiments.models import Decision, Metric, MetricPoint, Report

TRIAL = ("trial__sweep__experiment", "trial__experiment")
ATTEMPT = tuple(f"attempt__{path}" for path in TRIAL)


@admin.register(Metric)
class MetricAdmin(ReadOnlyAdmin):
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
    search_fields = ("name", "attempt__trial__experiment__slug")


@admin.register(MetricPoint)
class MetricPointAdmin(ReadOnlyAdmin):
    list_display = ("metric", "attempt", "step", "value", "time")
    list_select_related = tuple(f"metric__{path}" for path in ATTEMPT)
    search_fields = ("=metric__name",)

    @admin.display(description="attempt")
    def attempt(self, point: MetricPoint) -> str:
        return str(point.metric.attempt)


@admin.register(Report)
class ReportAdmin(ReadOnlyAdmin):
    list_display = ("trial", "n", "step", "value", "best_loss", "mean_loss", "time")
    list_select_related = TRIAL
    search_fields = ("=trial__number", "trial__experiment__slug")


@admin.register(Decision)
class DecisionAdmin(ReadOnlyAdmin):
    list_display = ("trial", "n", "policy", "value", "threshold", "rivals", "stop")
    list_filter = ("stop",)
    list_select_related = TRIAL
    search_fields = ("=trial__number", "trial__experiment__slug", "reason")
