"""One place of a host's row as somebody sees it: own trials, others', free slots."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from experiments.models import Attempt, Team, Trial
from experiments.training_time import attempt_seconds
from experiments.waiting import SlotView

# A row of the map has so many places; a trial of more spans all of them.
ROW = 4
BAR = 100


@dataclass(frozen=True)
class Cell:
    """``kind``: own, other, free, closed or silent. ``percent``: of its usual reports,
    None when nobody knows how many there will be."""

    kind: str
    title: str
    note: str
    url: str = ""
    seconds: float | None = None
    percent: int | None = None
    span: int = 1

    @property
    def columns(self) -> int:
        return min(self.span, ROW)


@dataclass(frozen=True)
class Viewpoint:
    """Who looks, and what cells need beside their slot: the teams that may be seen
    whole, and the reports of the longest completed trial by sweep."""

    teams: Collection[int]
    lengths: Mapping[int, int]
    now: datetime


def cell(slot: SlotView, view: Viewpoint) -> Cell:
    attempt = slot.attempt
    if attempt is not None:
        return _trial_cell(slot, attempt, view)
    place = _place(slot) or f"slot {slot.index + 1}"
    kind = {"draining": "closed", "silent": "silent"}.get(slot.state, "free")
    return Cell(kind, kind, place, span=slot.span)


def _trial_cell(slot: SlotView, attempt: Attempt, view: Viewpoint) -> Cell:
    trial = attempt.trial
    team = team_of(trial)
    own = team.pk in view.teams
    place = _place(slot)
    notes = [place] if place else []
    if slot.state == "silent":
        notes.append("silent")
    elif slot.state == "promised":
        notes.append("about to start")
    elif own:
        notes.append(attempt.phase or _reports(attempt, view))
    else:
        notes.append("another team\N{RIGHT SINGLE QUOTATION MARK}s")
    return Cell(
        kind="silent" if slot.state == "silent" else "own" if own else "other",
        title=trial.label if own else team.name,
        note=", ".join(notes),
        url=trial.get_absolute_url() if own else "",
        seconds=attempt_seconds(attempt, view.now),
        percent=_percent(attempt, view),
        span=slot.span,
    )


def team_of(trial: Trial) -> Team:
    """Of the sweep's experiment, which occupancy brings along."""
    team: Team = (trial.sweep or trial).experiment.team
    return team


def _place(slot: SlotView) -> str:
    """``GPU 0``, ``GPU 0 and 1``, ``GPU 0, 1 and 2``; empty without any."""
    names = [str(device) for device in slot.devices]
    if len(names) < 2:
        return f"GPU {names[0]}" if names else ""
    return f"GPU {', '.join(names[:-1])} and {names[-1]}"


def _length(attempt: Attempt, view: Viewpoint) -> int:
    return view.lengths.get(attempt.trial.sweep_id or 0, 0)


def _reports(attempt: Attempt, view: Viewpoint) -> str:
    """``17 of 30``, or ``17 reports`` while no trial of the sweep has completed."""
    reports, length = attempt.trial.reports, _length(attempt, view)
    if length >= reports and length:
        return f"{reports} of {length}"
    return "1 report" if reports == 1 else f"{reports or 'no'} reports"


def _percent(attempt: Attempt, view: Viewpoint) -> int | None:
    length = _length(attempt, view)
    return min(BAR, BAR * attempt.trial.reports // length) if length else None
