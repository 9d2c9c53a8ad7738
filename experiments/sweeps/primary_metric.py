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
from experiments.search.records import goal_of
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


def goal_with(sweep: Sweep, name: str) -> str:
    """The sweep's goal, turned round where the names say so: one that maximizes
    accuracy would minimize val_loss."""
    if goal_of(name) == goal_of(sweep.primary_metric):
        return sweep.goal
    return goal_of(name)


def use_metric(sweep: Sweep, name: str, *, actor: User | None) -> None:
    """Compare the sweep's trials by this metric from now on. Raises NotPossible, and
    DefinitionError for an invalid name."""
    with transaction.atomic():
        lock_sweep(sweep)
        # Running attempts cannot report meanwhile.
        attempts = _locked_attempts(sweep, name)
        refusal = refusal_of(sweep)
        if refusal:
            raise NotPossible(refusal)
        before = {"primary_metric": sweep.primary_metric, "goal": sweep.goal}
        after = {"primary_metric": name, "goal": goal_with(sweep, name)}
        document = sweep_document(sweep)
        document["objective"] = {**document["objective"], **after}
        parse_document(document)
        objective = {**sweep.definition["objective"], **after}
        Sweep.objects.filter(pk=sweep.pk).update(
            **after,
            definition={**sweep.definition, "objective": objective},
            updated_at=Now(),
        )
        Event.log(
            "sweep changed",
            f"The sweep {after['goal']}s {name} instead of {before['primary_metric']}.",
            actor=actor,
            sweep=sweep,
            before=before,
            after=after,
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
