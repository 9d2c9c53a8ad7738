"""Cards of a sweep's page: its pre-flight, and requested trials that wait to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments import lifecycle
from experiments.failures.known_errors import known_error
from experiments.failures.preflight import Preflight, PreflightCheck
from experiments.models import Sweep
from experiments.models.sweeps import SweepState
from experiments.pages.sweep.remedies import OUTSIDE, Remedy, proposed_first
from experiments.pages.sweep.trial_cells import summaries
from experiments.pages.trial_rows import origin_words
from experiments.sweeps import primary_metric
from experiments.sweeps.requests import waiting_requests
from experiments.tracking.spaces import flat_configurations, search_space

TITLES = {
    "running": "Testing one configuration first",
    "passed": "The tested configuration works",
    "failed": "The tested configuration does not work",
}
USE = "use:"


@dataclass(frozen=True)
class PreflightCard:
    """``remedies`` only where the sweep waits for a decision."""

    state: str
    title: str
    text: str
    number: int | None
    checks: Sequence[PreflightCheck]
    estimate: str
    remedies: Sequence[Remedy]

    @property
    def is_failure(self) -> bool:
        """Whether it says no more than that the tested trial failed."""
        return self.title == TITLES["failed"]

    @property
    def is_open(self) -> bool:
        """Whether something is not confirmed yet."""
        return any(check.mark == "open" for check in self.checks)


def preflight_card(sweep: Sweep) -> PreflightCard | None:
    """The card while the pre-flight runs, or the sweep is paused because of it."""
    flight = Preflight.of(sweep)
    if flight is None or not _shows(sweep, flight):
        return None
    return PreflightCard(
        state=flight.state,
        title=_title(sweep, flight),
        text=_text(sweep, flight),
        number=flight.number,
        checks=flight.checks(),
        estimate=flight.estimate(),
        remedies=preflight_remedies(sweep, flight) if _waits(sweep) else (),
    )


def _title(sweep: Sweep, flight: Preflight) -> str:
    if flight.problem == "unseen":
        return f"{sweep.primary_metric} was not reported yet"
    if flight.problem in ("near_miss", "no_metric"):
        return f"The tested configuration does not report {sweep.primary_metric}"
    return TITLES.get(flight.state, "")


def _waits(sweep: Sweep) -> bool:
    reasons = (lifecycle.PREFLIGHT_FAILED, lifecycle.PREFLIGHT_HELD)
    return sweep.state == SweepState.PAUSED and sweep.reason in reasons


def _shows(sweep: Sweep, flight: Preflight) -> bool:
    is_open = sweep.state in (SweepState.RUNNING, SweepState.PAUSED)
    if not is_open or flight.state == "running":
        return is_open
    unseen = flight.problem == "unseen"
    return _waits(sweep) or (unseen and not sweep.trials.filter(reports__gt=0).exists())


def _text(sweep: Sweep, flight: Preflight) -> str:
    if flight.problem == "unseen" and not _waits(sweep):
        return "The sweep continues: a script may report it late."
    if flight.state != "running":
        return sweep.message
    after = (
        "Then the sweep waits for you."
        if flight.data.get("hold")
        else "Then the others start."
    )
    return (
        f"It runs alone until it has reported {sweep.primary_metric} twice. {after} It"
        " counts as the first trial."
    )


def preflight_remedies(sweep: Sweep, flight: Preflight) -> list[Remedy]:
    """The choices, the proposed one first."""
    if flight.state == "passed":
        start = "Start all trials"
        text = "The tested trial counts as the first one."
        return [Remedy("resume", start, text, "proposed"), _copy()]
    found = [_use(name, sweep) for name in flight.similar_names if _may_use(sweep)]
    again = "Fix the cause first; then one more configuration runs alone."
    found += [
        _copy(),
        Remedy("repeat", "Test one configuration again", again, "after a fix"),
        Remedy("resume", "Continue anyway", "All trials start."),
    ]
    return proposed_first(found, "repeat" if _is_outside(sweep) else found[0].value)


def _is_outside(sweep: Sweep) -> bool:
    """Whether the tested trial's error is fixed outside the sweep."""
    failed = sweep.trials.filter(current_attempt__error__gt="").order_by("-number")
    error = failed.values_list("current_attempt__error", flat=True).first()
    cause = known_error(error or "")
    return cause is not None and cause.kind in OUTSIDE


def _may_use(sweep: Sweep) -> bool:
    return not primary_metric.refusal_of(sweep)


def _use(name: str, sweep: Sweep) -> Remedy:
    return Remedy(
        f"{USE}{name}",
        f"Use {name} as the primary metric",
        f"The sweep {primary_metric.goal_with(sweep, name)}s {name} instead of"
        f" {sweep.primary_metric}, after one more test.",
    )


def _copy() -> Remedy:
    return Remedy(
        "copy",
        "Fix it and start a copy",
        "Opens the form with the same settings. Nothing runs until you start it.",
        "your change",
    )


MAX_LISTED = 20


@dataclass(frozen=True)
class WaitingRow:
    pk: int
    origin: str
    values: str
    by: str


@dataclass(frozen=True)
class WaitingCard:
    """``more``: how many wait besides those listed."""

    rows: Sequence[WaitingRow]
    more: int

    @property
    def count(self) -> int:
        return len(self.rows) + self.more


def waiting_card(sweep: Sweep) -> WaitingCard | None:
    """None where nothing waits; one query, or two where very many do."""
    waiting = waiting_requests(sweep)
    found = list(waiting.select_related("requested_by")[: MAX_LISTED + 1])
    if not found:
        return None
    more = waiting.count() - MAX_LISTED if len(found) > MAX_LISTED else 0
    space = search_space(sweep)
    listed = found[:MAX_LISTED]
    values = summaries(
        flat_configurations(space, [trial_request.params for trial_request in listed])
    )
    rows = [
        WaitingRow(
            pk=trial_request.pk,
            origin=origin_words(trial_request),
            values=text,
            by=trial_request.requested_by.display_name
            if trial_request.requested_by
            else "",
        )
        for trial_request, text in zip(listed, values, strict=True)
    ]
    return WaitingCard(rows, more)
