"""Cards of a sweep's page: its pre-flight, and requested trials that wait to run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.failures.preflight import Preflight, PreflightCheck
from experiments.models import Sweep
from experiments.models.sweeps import SweepState
from experiments.pages.sweep.trial_cells import summaries
from experiments.pages.trial_rows import origin_words
from experiments.sweeps.preflight_remedies import preflight_remedies, waits_for_choice
from experiments.sweeps.remedies import Remedy
from experiments.sweeps.requests import waiting_requests
from experiments.tracking.spaces import flat_configurations, search_space

TITLES = {
    "running": "Testing one configuration first",
    "passed": "The tested configuration works",
    "failed": "The tested configuration does not work",
}


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
        remedies=preflight_remedies(sweep, flight) if waits_for_choice(sweep) else (),
    )


def _title(sweep: Sweep, flight: Preflight) -> str:
    if flight.problem == "unseen":
        return f"{sweep.primary_metric} was not reported yet"
    if flight.problem in ("near_miss", "no_metric"):
        return f"The tested configuration does not report {sweep.primary_metric}"
    return TITLES.get(flight.state, "")


def _shows(sweep: Sweep, flight: Preflight) -> bool:
    is_open = sweep.state in (SweepState.RUNNING, SweepState.PAUSED)
    if not is_open or flight.state == "running":
        return is_open
    unseen = flight.problem == "unseen"
    return waits_for_choice(sweep) or (
        unseen and not sweep.trials.filter(reports__gt=0).exists()
    )


def _text(sweep: Sweep, flight: Preflight) -> str:
    if flight.problem == "unseen" and not waits_for_choice(sweep):
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
