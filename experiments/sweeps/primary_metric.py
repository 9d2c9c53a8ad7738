"""Changes a sweep's primary metric to a name that its trials report.

This is possible while no trial has reported the old one. Values that were already
reported under the new name count, and trials that failed only because the old one was
missing become completed.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from experiments import lifecycle
from experiments.lifecycle.sweeps import lock_sweep
from experiments.models import Attempt, Event, Metric, Sweep, User
from experiments.search.document.definition import parse_document
from experiments.sweeps.control import NotPossible
from experiments.sweeps.creation import sweep_document
from experiments.tracking import ingest


def refusal_of(sweep: Sweep) -> str:
    """Why the metric cannot be changed any more; empty if it can."""
    if sweep.has_ended:
        return f"The sweep {sweep} is {sweep.state}; a copy can have another metric."
    if sweep.trials.filter(reports__gt=0).exists():
        return (
            f"Trials of {sweep} have reported {sweep.primary_metric} already; a copy"
            " can have another metric."
        )
    return ""


def use_metric(sweep: Sweep, name: str, *, actor: User | None) -> None:
    """Compare the sweep's trials by this metric from now on. Raises NotPossible, and
    DefinitionError for an invalid name."""
    before = sweep.primary_metric
    with transaction.atomic():
        lock_sweep(sweep)
        # Running attempts cannot report meanwhile.
        attempts = _locked_attempts(sweep, name)
        refusal = refusal_of(sweep)
        if refusal:
            raise NotPossible(refusal)
        document = sweep_document(sweep)
        document["objective"] = {**document["objective"], "primary_metric": name}
        parse_document(document)
        objective = {**sweep.definition["objective"], "primary_metric": name}
        Sweep.objects.filter(pk=sweep.pk).update(
            primary_metric=name,
            definition={**sweep.definition, "objective": objective},
            updated_at=Now(),
        )
        Event.log(
            "sweep changed",
            f"The primary metric is {name} instead of {before}.",
            actor=actor,
            sweep=sweep,
            data={
                "before": {"primary_metric": before},
                "after": {"primary_metric": name},
            },
        )
        for attempt in attempts:
            ingest.count_reported(attempt)
        lifecycle.accept_reported(sweep)
    sweep.refresh_from_db()


def _locked_attempts(sweep: Sweep, name: str) -> list[Attempt]:
    """The trials' last attempts that have reported the name. The others are locked as
    well."""
    current = Attempt.objects.filter(
        trial__sweep=sweep, trial__current_attempt=F("pk")
    ).order_by("pk")
    locked = list(current.select_for_update(of=("self",)))
    named = Metric.objects.filter(attempt__in=locked, name=name)
    reported = set(named.values_list("attempt", flat=True))
    return [attempt for attempt in locked if attempt.pk in reported]
