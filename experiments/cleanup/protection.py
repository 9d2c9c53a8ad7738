"""What stays although a selection matches it, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from django.db.models import Exists, OuterRef, Q, QuerySet

from experiments.cleanup.selection import Selection, best_trials
from experiments.cleanup.sizes import Size
from experiments.cleanup.trash import running_sweeps
from experiments.models import Event, Experiment, ReportLink, Sweep, Team, Trial
from experiments.search.wording import counted
from experiments.sweeps.warm_start import WARM_STARTED

# The tag that protects sweeps, experiments, trials and runs.
KEEP = "keep"
TAGGED_KEEP = f"tagged {KEEP}"


def protected_sweeps(
    sweeps: QuerySet[Sweep], teams: Collection[Team]
) -> dict[int, str]:
    """Why these sweeps of the teams must stay, by sweep."""
    rows = sweeps.order_by()
    found = dict.fromkeys(_sources(teams), "another sweep began with its trials")
    tagged = [
        experiment.pk
        for experiment in Experiment.objects.filter(team__in=teams)
        if KEEP in experiment.tags
    ]
    marked = rows.filter(Q(tags__has_key=KEEP) | Q(experiment__in=tagged))
    found |= dict.fromkeys(marked.values_list("pk", flat=True), TAGGED_KEEP)
    shared = ReportLink.open().filter(sweep__experiment__team__in=teams)
    linked = shared.order_by("expires_at").values_list("sweep", "expires_at")
    found |= {pk: f"a report link shows it until {end:%Y-%m-%d}" for pk, end in linked}
    running = running_sweeps(rows).values_list("pk", flat=True)
    return found | dict.fromkeys(running, "running")


def _sources(teams: Collection[Team]) -> set[int]:
    """Sweeps whose trials are the first ones of another sweep that is still there."""
    kept = Sweep.objects.filter(pk=OuterRef("sweep_id"))
    events = Event.objects.filter(Exists(kept), team__in=teams, verb=WARM_STARTED)
    trials = {
        trial
        for data in events.values_list("data", flat=True)
        for trial in data.get("sources", ())
    }
    found = Trial.objects.filter(pk__in=trials, sweep__isnull=False)
    return set(found.order_by().values_list("sweep", flat=True).distinct())


def is_tagged() -> Q:
    """Trials and runs that are tagged themselves."""
    return Q(run__tags__contains=f'"{KEEP}":')


def unprotected(
    selection: Selection, trials: QuerySet[Trial], protected: Mapping[int, str]
) -> QuerySet[Trial]:
    free = trials.exclude(sweep__in=list(protected)).exclude(is_tagged())
    return free.exclude(best_trials(trials, selection.not_best))


def reason(selection: Selection, matched: Size, taken: Size, tagged: bool) -> str:
    if matched.files == taken.files:
        return ""
    best = counted(selection.not_best, "best trial")
    return f"{best}, trials tagged {KEEP}" if tagged else best
