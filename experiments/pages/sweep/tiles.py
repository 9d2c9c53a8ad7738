"""The four tiles at the top of a sweep's page, in words. Pure: no queries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from experiments.formatting import (
    duration_text,
    metric_text,
    number_text,
    share_text,
)
from experiments.models import Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.pages.sweep.search_tile import SearchTile, search_tile
from experiments.pages.sweep.summary import SweepSummary, forecast_text
from experiments.search.fields import listed
from experiments.search.wording import counted
from experiments.sweeps.savings import Saving
from experiments.sweeps.search_status import SearchStatus

MIN_MONEY = 0.01


def also_saved(saving: Saving) -> str:
    """What follows the saved time: `` and 17 reports``, ``, 17 reports and a cost of
    0.50``; GPU time and cost only where there is some."""
    parts = []
    if reports := round(saving.reports):
        parts.append(counted(reports, "report"))
    if saving.gpu_seconds:
        parts.append(f"{duration_text(saving.gpu_seconds)} of GPU time")
    if saving.money:
        parts.append(money_text(saving.money))
    if not parts:
        return ""
    return f", {listed(parts)}" if len(parts) > 1 else f" and {parts[0]}"


def money_text(money: float) -> str:
    """``a cost of 1,234.50``, in the currency of the pools' prices."""
    least = f"below {MIN_MONEY}"
    return f"a cost {least}" if money < MIN_MONEY else f"a cost of {money:,.2f}"


WHY_ENDED: Mapping[str, str] = {
    "max_total_trials": "ended because all {tried:,} were tried",
    "exhausted": "ended because every configuration was tried",
    "target": "ended because the target was reached",
    "sweep_timeout": "ended because its time limit was reached",
    "first_trials_failed": "stopped because all its first trials failed",
    "all_failed": "ended: all trials failed",
    "user": "cancelled by a person",
}


@dataclass(frozen=True)
class BestMargin:
    """How far the best is ahead of something: ``0.0067``, ``better than`` the
    next."""

    gap: str
    side: str
    trial: Trial | None = None


@dataclass(frozen=True)
class BestTile:
    metric: str
    trial: Trial | None
    leads: tuple[BestMargin, ...] = ()
    text: str = ""
    title: str = "No value yet"


@dataclass(frozen=True)
class ProgressTile:
    label: str
    aside: str
    value: int
    unit: str
    counts: Mapping[str, int]


@dataclass(frozen=True)
class ComputeTile:
    """``used`` and ``saved`` in whole seconds, for the bar; ``also`` in words what
    else was saved."""

    used: int
    saved: int
    also: str
    early: str
    share: str
    text: str = ""


@dataclass(frozen=True)
class Tiles:
    best: BestTile
    progress: ProgressTile
    compute: ComputeTile
    search: SearchTile


def sweep_tiles(summary: SweepSummary, now: SearchStatus) -> Tiles:
    return Tiles(
        best=best_tile(summary),
        progress=progress_tile(summary),
        compute=compute_tile(summary),
        search=search_tile(summary, now),
    )


# --- best -------------------------------------------------------------------------


def best_tile(summary: SweepSummary) -> BestTile:
    sweep, best = summary.sweep, summary.best
    if best is None or best.value is None:
        if sweep.has_ended and not summary.live:
            text = "No trial reported a value without failing."
            return BestTile(
                sweep.primary_metric, None, text=text, title="No best trial"
            )
        return BestTile(sweep.primary_metric, None, text=_no_value(summary))
    leads = []
    runner_up, middle = summary.runner_up, summary.median
    if runner_up is not None and runner_up.value is not None:
        leads.append(_lead(best.value, runner_up.value, runner_up))
    if middle is not None and summary.ranked > 2:
        leads.append(_lead(best.value, middle))
    text = "" if leads else "The only trial so far that has a value and did not fail."
    return BestTile(sweep.primary_metric, best, tuple(leads), text)


def _lead(best: float, other: float, trial: Trial | None = None) -> BestMargin:
    if best == other:
        return BestMargin("equal", "to", trial)
    return BestMargin(_gap(best, other), "better than", trial)


def _gap(best: float, other: float) -> str:
    """The difference with the decimals that the best value shows, or two digits."""
    decimals = len(metric_text(best).partition(".")[2])
    gap = round(abs(best - other), decimals)
    if gap == 0 or gap >= 1000:
        return number_text(abs(best - other), 2)
    return f"{gap:.{decimals}f}"


def _no_value(summary: SweepSummary) -> str:
    leader, counts = summary.leader, summary.counts
    if leader is not None:
        value = metric_text(leader.value)
        return f"Trial {leader.number} leads with {value}; it counts when it ends."
    if counts[TrialState.RUNNING]:
        return "No trial has reported it yet."
    waiting = counts[TrialState.QUEUED]
    if waiting and summary.sweep.state == SweepState.PAUSED:
        trials = counted(waiting, "trial waits", "trials wait")
        return f"{trials} until the sweep resumes."
    return "The first trial that ends sets it."


# --- progress ---------------------------------------------------------------------


def progress_tile(summary: SweepSummary) -> ProgressTile:
    sweep, over = summary.sweep, summary.sweep.has_ended
    unit = f"of {counted(summary.planned, 'trial')} ended"
    if over and summary.ran_for is not None:
        planned = counted(summary.planned, "trial")
        unit = f"of {planned} in {duration_text(summary.ran_for)}"
    return ProgressTile(
        label="Trials" if over else "Progress",
        aside=why_ended(summary) if over else _forecast(sweep, summary),
        value=summary.ended,
        unit=unit,
        counts=summary.bar,
    )


def why_ended(summary: SweepSummary) -> str:
    words = WHY_ENDED.get(summary.sweep.reason, summary.sweep.state)
    if summary.tried == 1:
        words = words.replace("all {tried:,} were", "its only trial was")
    return words.format(tried=summary.tried)


def _forecast(sweep: Sweep, summary: SweepSummary) -> str:
    if sweep.state == SweepState.DRAFT:
        return "not started"
    if sweep.state == SweepState.PAUSED:
        return _paused(summary.counts)
    left = summary.seconds_left
    if left is None:
        return "end not known yet"
    end = summary.now + timedelta(seconds=left)
    return f"ends in about {forecast_text(left)}, {day_and_clock(end, summary.now)}"


def _paused(counts: Mapping[str, int]) -> str:
    running, waiting = counts[TrialState.RUNNING], counts[TrialState.QUEUED]
    parts = [f"{running} still running"] * bool(running)
    parts += [f"{waiting} waiting"] * bool(waiting)
    return ", ".join(["paused", *parts])


def day_and_clock(moment: datetime, now: datetime) -> str:
    """``14:25`` of today, ``yesterday 14:25``, ``3 Nov 14:25``."""
    local, today = timezone.localtime(moment), timezone.localtime(now).date()
    clock = f"{local:%H:%M}"
    days = (today - local.date()).days
    if days == 0:
        return clock
    if days in (1, -1):
        return f"{'yesterday' if days == 1 else 'tomorrow'} {clock}"
    year = f" {local.year}" if local.year != today.year else ""
    return f"{local.day} {local:%b}{year} {clock}"


# --- compute ----------------------------------------------------------------------


def compute_tile(summary: SweepSummary) -> ComputeTile:
    used, saved = summary.progress.spent, summary.progress.saved
    early = summary.counts[TrialState.TERMINATED]
    return ComputeTile(
        used=round(used),
        saved=round(saved),
        also=also_saved(summary.progress.compute.saving),
        early=counted(early, "trial"),
        share=share_text(saved / (used + saved)) if saved else "",
        text="" if saved else _nothing_saved(summary, early),
    )


def _nothing_saved(summary: SweepSummary, early: int) -> str:
    if not summary.sweep.early_termination:
        return "No early termination: each trial runs to its end."
    if not early:
        return "No trial was ended early so far."
    ended = f"{counted(early, 'trial')} ended early"
    if not summary.counts[TrialState.COMPLETED]:
        return f"{ended}; the saving is known once a trial completes."
    return f"{ended}, none of them shorter than the median trial."
