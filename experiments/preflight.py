"""One configuration runs before all others: does the command start, does the metric
come under its name, how long does a report take.

The sweep's own first trial is the probe, and goes on as trial 0 when it has proven
itself: no work is lost. While it has not, it runs alone. A script that is slow and
silent is no failure; a metric under almost the right name is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import Max, Min

from experiments import lifecycle
from experiments.clock import database_now
from experiments.models import Attempt, Metric, Sweep, Trial
from experiments.models.trials import AttemptState, TrialState
from experiments.search.near_names import comes_later, near_misses

# One report proves a metric when no second one has come for so many seconds.
SECOND_REPORT_WITHIN = 20.0
# So many seconds of training are waited for the first one.
FIRST_REPORT_WITHIN = 60.0
MOST_NAMES = 20
GOOD_ENDS = frozenset({TrialState.COMPLETED, TrialState.TERMINATED})


def is_running(sweep: Sweep) -> bool:
    return (sweep.preflight or {}).get("state") == "running"


def look(sweep: Sweep) -> bool:
    """See how the probe does. True: the sweep was paused, and needs no trials now."""
    if not is_running(sweep):
        return False
    probe = _probe(sweep)
    if probe is None:
        return False
    seen = Seen(sweep, probe, database_now())
    verdict = judge(seen)
    if verdict is None:
        return False
    found = {"state": verdict.state, "trial": probe.number, "problem": verdict.problem}
    lifecycle.end_preflight(
        sweep, {**found, "facts": seen.facts()}, message=verdict.message
    )
    return sweep.state != "running"


def _probe(sweep: Sweep) -> Trial | None:
    first = (sweep.preflight or {}).get("from", 0)
    own = sweep.trials.own().filter(number__gte=first)
    return own.select_related("current_attempt").order_by("number").first()


@dataclass
class Seen:
    """What is known of the probe at one moment."""

    sweep: Sweep
    probe: Trial
    now: datetime

    @property
    def attempt(self) -> Attempt | None:
        return self.probe.current_attempt

    @property
    def trained(self) -> float:
        """Seconds of training so far."""
        return (self.attempt.elapsed if self.attempt else None) or 0.0

    @cached_property
    def names(self) -> list[str]:
        """Of the metrics that were reported."""
        metrics = Metric.objects.filter(attempt=self.attempt).order_by("pk")
        return list(metrics.values_list("name", flat=True)[:MOST_NAMES])

    @cached_property
    def close(self) -> list[str]:
        """Reported names that may have been meant by the primary metric."""
        return near_misses(self.sweep.primary_metric, self.names)

    @cached_property
    def reported_at(self) -> datetime | None:
        """When the first report of the primary metric arrived."""
        first = self.probe.report_set.order_by("n").first()
        return first.time if first else None

    @cached_property
    def per_report(self) -> float | None:
        """Seconds from one report to the next."""
        if self.probe.reports < 2:
            return None
        points = Metric.objects.filter(
            attempt=self.attempt, name=self.sweep.primary_metric
        ).aggregate(first=Min("points__time"), last=Max("points__time"))
        span = (points["last"] - points["first"]).total_seconds()
        return float(max(0.0, span) / (self.probe.reports - 1))

    def facts(self) -> dict[str, Any]:
        """Durations in seconds; None where it has not come to that."""
        attempt = self.attempt
        claimed = attempt.claimed_at if attempt else None
        first = self.reported_at
        return {
            "names": self.names,
            "reports": self.probe.reports,
            "waited": _between(self.probe.created_at, claimed),
            "first_report": _between(claimed, first),
            "per_report": self.per_report,
            "took": self.trained if self.probe.has_ended else None,
        }


def _between(start: datetime | None, end: datetime | None) -> float | None:
    if start is None or end is None:
        return None
    return max(0.0, (end - start).total_seconds())


@dataclass(frozen=True)
class Judgement:
    """``problem`` is empty, or one of: failed, no_metric, near_miss, unseen."""

    state: str
    message: str
    problem: str = ""


def judge(seen: Seen) -> Judgement | None:
    """What the probe has shown; None: nothing yet."""
    if seen.probe.has_ended:
        return _at_its_end(seen)
    if seen.probe.reports >= 2:
        return _passed(seen)
    if seen.reported_at is not None:
        lived = (seen.now - seen.reported_at).total_seconds()
        return _passed(seen) if lived >= SECOND_REPORT_WITHIN else None
    running = seen.attempt is not None and seen.attempt.state == AttemptState.RUNNING
    if not running or seen.trained < FIRST_REPORT_WITHIN:
        return None
    return _without_a_report(seen)


def _at_its_end(seen: Seen) -> Judgement:
    probe, metric = seen.probe, seen.sweep.primary_metric
    if probe.state in GOOD_ENDS or probe.reports:
        return _passed(seen) if probe.state != TrialState.FAILED else _failed(seen)
    if probe.state == TrialState.FAILED:
        return _failed(seen)
    message = f"Trial {probe.number} was cancelled before it reported {metric}."
    return Judgement("passed", message, "unseen")


def _passed(seen: Seen) -> Judgement:
    metric = seen.sweep.primary_metric
    message = f"Trial {seen.probe.number} runs and has reported {metric}."
    return Judgement("passed", message)


def _failed(seen: Seen) -> Judgement:
    probe = seen.probe
    kind = "no_metric" if probe.reason == "no_metric" else "failed"
    message = f"The one configuration that was tried failed: {probe.message}"
    return Judgement("failed", message, kind)


def _without_a_report(seen: Seen) -> Judgement:
    probe, metric = seen.probe, seen.sweep.primary_metric
    close = [name for name in seen.close if not comes_later(metric, name)]
    if not close:
        message = (
            f"Trial {probe.number} has trained for {seen.trained:.0f} s and not"
            f" reported {metric} yet; the sweep goes on."
        )
        return Judgement("passed", message, "unseen")
    meant = " or ".join(close)
    message = (
        f"Trial {probe.number} reports {meant}, but not {metric}, which the sweep"
        f" compares. Did you mean {meant}?"
    )
    return Judgement("failed", message, "near_miss")
