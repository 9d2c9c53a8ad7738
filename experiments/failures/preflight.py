"""One configuration runs before all others: does the command start, does the metric
come under its name, how long does a report take.

The sweep's own first trial is the probe, and continues as trial 0 when it has proven
itself: no work is lost. While it has not, it runs alone. A script that is slow and
silent is no failure; a metric under almost the right name is one.

What a pre-flight found, and what the whole sweep will take, in sentences.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

import numpy as np

from experiments import lifecycle
from experiments.db.clock import database_now
from experiments.formatting import duration_text
from experiments.models import Attempt, Metric, Sweep, Trial, Worker
from experiments.models.trials import AttemptState, TrialState
from experiments.search.fields import is_number, listed
from experiments.search.wording import is_later_phase, similar_names
from experiments.tracking import codec, series

# One report is enough if no second one comes for this many seconds.
SECOND_REPORT_WITHIN = 20.0
# The first report may take this many seconds of training.
FIRST_REPORT_WITHIN = 60.0
MAX_NAMES = 20
GOOD_ENDS = frozenset({TrialState.COMPLETED, TrialState.TERMINATED})


def is_running(sweep: Sweep) -> bool:
    return (sweep.preflight or {}).get("state") == "running"


def check_probe(sweep: Sweep) -> bool:
    """See how the probe does. True: the sweep was paused, and needs no trials now."""
    if not is_running(sweep):
        return False
    probe = _probe(sweep)
    if probe is None:
        return False
    seen = Probe(sweep, probe, database_now())
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
class Probe:
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
        metrics = Metric.objects.of_training().filter(attempt=self.attempt)
        return list(metrics.order_by("pk").values_list("name", flat=True)[:MAX_NAMES])

    @cached_property
    def close(self) -> list[str]:
        """Reported names that may have been meant by the primary metric."""
        return similar_names(self.sweep.primary_metric, self.names)

    @cached_property
    def reported_at(self) -> datetime | None:
        """When the first report of the primary metric arrived."""
        first = self._report(0)
        return None if first is None else codec.moment(int(first["arrived"]))

    @cached_property
    def per_report(self) -> float | None:
        """Seconds from one report to the next."""
        first, last = self._report(0), self._report(self.probe.reports - 1)
        if first is None or last is None or self.probe.reports < 2:
            return None
        span = float(last["time"] - first["time"]) / 1e6
        return max(0.0, span) / (self.probe.reports - 1)

    def _report(self, place: int) -> np.void | None:
        own = Trial.objects.filter(pk=self.probe.pk)
        found = series.reported(own, start=max(0, place), stop=place + 1)
        return next((points[0] for _, points in found if len(points)), None)

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
class ProbeResult:
    """``problem`` is empty, or one of: failed, no_metric, near_miss, unseen."""

    state: str
    message: str
    problem: str = ""


def judge(seen: Probe) -> ProbeResult | None:
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


def _at_its_end(seen: Probe) -> ProbeResult:
    probe, metric = seen.probe, seen.sweep.primary_metric
    if probe.state in GOOD_ENDS or probe.reports:
        return _passed(seen) if probe.state != TrialState.FAILED else _failed(seen)
    if probe.state == TrialState.FAILED:
        return _failed(seen)
    message = f"Trial {probe.number} was cancelled before it reported {metric}."
    return ProbeResult("passed", message, "unseen")


def _passed(seen: Probe) -> ProbeResult:
    metric = seen.sweep.primary_metric
    message = f"Trial {seen.probe.number} runs and has reported {metric}."
    return ProbeResult("passed", message)


def _failed(seen: Probe) -> ProbeResult:
    probe = seen.probe
    kind = "no_metric" if probe.reason == "no_metric" else "failed"
    message = f"The one configuration that was tried failed: {probe.message}"
    return ProbeResult("failed", message, kind)


def _without_a_report(seen: Probe) -> ProbeResult:
    probe, metric = seen.probe, seen.sweep.primary_metric
    close = [name for name in seen.close if not is_later_phase(metric, name)]
    if not close:
        message = (
            f"Trial {probe.number} has trained for {seen.trained:.0f} s and not"
            f" reported {metric} yet; the sweep continues."
        )
        return ProbeResult("passed", message, "unseen")
    meant = " or ".join(close)
    message = (
        f"Trial {probe.number} reports {meant}, but not {metric}, which the sweep"
        f" compares. Did you mean {meant}?"
    )
    return ProbeResult("failed", message, "near_miss")


# Inputs that are likely to say how many reports a trial makes.
LENGTHS = ("epochs", "num_epochs", "n_epochs", "max_epochs", "steps", "max_steps")
EXAMPLE_REPORTS = 10
Mark = Literal["good", "wrong", "open"]


@dataclass(frozen=True)
class PreflightCheck:
    """One thing that was looked at: how it stands, and the sentence."""

    mark: Mark
    text: str


@dataclass(frozen=True)
class Preflight:
    """A sweep's pre-flight as it is stored. ``state``: running, passed or failed."""

    sweep: Sweep
    data: dict[str, Any]

    @classmethod
    def of(cls, sweep: Sweep) -> Preflight | None:
        return cls(sweep, sweep.preflight) if sweep.preflight else None

    @property
    def state(self) -> str:
        return str(self.data.get("state", ""))

    @property
    def problem(self) -> str:
        return str(self.data.get("problem", ""))

    @property
    def number(self) -> int | None:
        """Of the trial that was the probe."""
        return self.data.get("trial")

    @property
    def facts(self) -> dict[str, Any]:
        return self.data.get("facts") or {}

    @property
    def names(self) -> list[str]:
        return list(self.facts.get("names") or ())

    @property
    def similar_names(self) -> list[str]:
        """Names that were reported and may have been meant by the primary metric."""
        wanted = self.sweep.primary_metric
        return [] if wanted in self.names else similar_names(wanted, self.names)

    def checks(self) -> list[PreflightCheck]:
        """Nothing while it is running."""
        return list(self._checks()) if self.facts else []

    def _checks(self) -> Iterator[PreflightCheck]:
        if self.problem == "failed":
            yield PreflightCheck("wrong", f"Trial {self.number} failed.")
        elif self.facts.get("waited") is not None:
            waited = duration_text(self.facts["waited"])
            yield PreflightCheck(
                "good", f"The command starts; the trial waited {waited}."
            )
        yield self._metric()
        per = self.facts.get("per_report")
        if per is not None:
            yield PreflightCheck("good", f"A report comes every {duration_text(per)}.")

    def _metric(self) -> PreflightCheck:
        metric, first = self.sweep.primary_metric, self.facts.get("first_report")
        if first is not None:
            after = duration_text(first)
            return PreflightCheck("good", f"{metric} was first reported after {after}.")
        seen = listed(self.names) if self.names else "no metric at all"
        mark: Mark = "open" if self.state == "passed" else "wrong"
        text = f"{metric} was not reported; the trial reported {seen}."
        if self.similar_names:
            text += f" Did you mean {' or '.join(self.similar_names)}?"
        return PreflightCheck(mark, text)

    def estimate(self) -> str:
        """What the whole sweep takes, and how that was worked out; "" if unknown."""
        took, per = self.facts.get("took"), self.facts.get("per_report")
        reports = planned_reports(self.sweep)
        if self.state != "passed":
            return ""
        if took:
            return self._whole(took, f"{duration_text(took)} a trial")
        if per and reports:
            count, name = reports
            basis = (
                f"{count} reports a trial (inputs.{name}), {duration_text(per)} each"
            )
            return self._whole(per * count, basis)
        return self._unknown(per)

    def _unknown(self, per: float | None) -> str:
        if self.sweep.trial_timeout:
            most = duration_text(self.sweep.trial_timeout)
            basis = f"limits.trial_timeout of {most} a trial"
            return self._whole(self.sweep.trial_timeout, basis, verb="at most")
        if not per:
            return ""
        basis = f"if each trial makes {EXAMPLE_REPORTS} reports of {duration_text(per)}"
        return self._whole(per * EXAMPLE_REPORTS, basis)

    def _whole(self, seconds: float, basis: str, verb: str = "about") -> str:
        trials, slots = self.sweep.max_total_trials, self._slots()
        whole = duration_text(seconds * -(-trials // slots))
        policy = " Early termination makes it shorter."
        return (
            f"The whole sweep takes {verb} {whole}: {basis}, {trials:,} trials,"
            f" {slots} at a time.{policy if self.sweep.early_termination else ''}"
        )

    def _slots(self) -> int:
        """Trials at a time: by the limit, and by the slots that are there now."""
        workers = Worker.objects.alive().filter(pool=self.sweep.pool_id)
        slots = sum(workers.values_list("slots", flat=True))
        most = self.sweep.max_concurrent_trials
        return max(1, min(most, slots) if slots else most)


def planned_reports(sweep: Sweep) -> tuple[int, str] | None:
    """How many reports a trial is likely to make, and the input that says so."""
    inputs = sweep.definition.get("inputs") or {}
    for name in LENGTHS:
        value = inputs.get(name)
        if is_number(value) and 1 <= value < 1e6 and value == int(value):
            return int(value), name
    return None
