"""Reports of the primary metric: numbered in the order of arrival, with the best and
the mean so far, which policies compare."""

from __future__ import annotations

import math
from collections.abc import Sequence

from django.db.models.functions import Now

from experiments.db.prepared import Insert, Placeholder, SelectObject, Update
from experiments.models import Report, Trial

STANDING = ("reports", "last_value", "value", "value_report")
REPORT = SelectObject(
    lambda: Report.objects.filter(trial=Placeholder("trial"), n=Placeholder("n")),
    Report,
    *("n", "best_loss", "mean_loss", "finite"),
)
NEW_REPORT = Insert(
    Report,
    *("sweep", "trial", "number", "n", "step", "value"),
    *("best_loss", "mean_loss", "finite"),
)
NEW_STANDING = Update(
    lambda: Trial.objects.filter(pk=Placeholder("pk")),
    **{name: Placeholder(name) for name in STANDING},
    updated_at=Now(),
)


def stored(value: float) -> float | None:
    """The database keeps NaN as NULL."""
    return None if math.isnan(value) else value


def number_reports(trial: Trial, points: Sequence[tuple[int, float]]) -> list[Report]:
    """Store new reports of the primary metric, by step and value, in the order of
    arrival."""
    if not points:
        return []
    last = REPORT.first(trial=trial.pk, n=trial.reports) if trial.reports else None
    reports: list[Report] = []
    for step, value in points:
        last = _next_report(trial, last, step, value)
        reports.append(last)
    if len(reports) == 1:
        NEW_REPORT.run(reports[0])
    else:
        Report.objects.bulk_create(reports)
    _keep_standing(trial, reports)
    return reports


def _next_report(trial: Trial, last: Report | None, step: int, value: float) -> Report:
    """The report after ``last``, with best and mean of the finite losses so far."""
    report = Report(
        sweep=trial.sweep,
        trial=trial,
        number=trial.number,
        n=last.n + 1 if last else 1,
        step=step,
        value=stored(value),
        best_loss=last.best_loss if last else math.inf,
        mean_loss=last.mean_loss if last else math.inf,
        finite=last.finite if last else 0,
    )
    loss = trial.sweep.objective.loss(value) if trial.sweep else math.inf
    if math.isfinite(loss):
        before = report.mean_loss if report.finite else 0.0
        report.finite += 1
        # Divided before they are added: a sum of large losses may overflow.
        report.mean_loss = before + (loss / report.finite - before / report.finite)
        report.best_loss = min(report.best_loss, loss)
    return report


def _keep_standing(trial: Trial, reports: Sequence[Report]) -> None:
    """Copy what lists show to the trial's row."""
    last = reports[-1]
    trial.reports, trial.last_value = last.n, last.value
    best = _best_value(trial, last)
    if best != trial.value:
        first = next(r for r in reports if r.best_loss == last.best_loss)
        trial.value, trial.value_report = best, first.n
    NEW_STANDING.run(pk=trial.pk, **{name: getattr(trial, name) for name in STANDING})


def _best_value(trial: Trial, report: Report) -> float | None:
    if trial.sweep is None or not report.finite:
        return None
    return trial.sweep.objective.value(report.best_loss)
