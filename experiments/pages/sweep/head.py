"""The frame of a sweep's pages: title, facts, actions and tabs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from experiments.formatting import duration_text
from experiments.models import Sweep
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.pages.frame import may_steer
from experiments.pages.sweep.failure_card import PAUSES
from experiments.pages.sweep.search_tile import sampler_of
from experiments.pages.sweep.tiles import day_and_clock
from experiments.search.fields import DefinitionError
from experiments.search.termination import make_policy
from experiments.search.wording import counted
from experiments.sweeps.progress import combinations, planned_trials

SAMPLERS: Mapping[str, str] = {
    "grid": "grid sampler",
    "sobol": "Sobol sampler",
    "bayesian": "Bayesian sampler",
    "tpe": "TPE sampler",
    "cmaes": "CMA-ES sampler",
}


# The routes of a sweep's pages, and their titles.
TABS = (
    ("sweep_detail", "Overview"),
    ("sweep_trials", "Trials"),
    ("sweep_charts", "Charts"),
    ("sweep_settings", "Settings"),
    ("sweep_events", "Events"),
)


def frame(
    request: HttpRequest, sweep: Sweep, counts: Mapping[str, int], *, now: datetime
) -> dict[str, Any]:
    """What templates/experiments/sweep/frame.html needs."""
    return {
        "sweep": sweep,
        "facts": sweep_facts(sweep),
        "when": _when(sweep, now),
        # Seconds, which a script counts up.
        "running_for": _running(sweep, now),
        "tabs": TABS,
        "trial_count": sum(counts.values()),
        "can_steer": may_steer(request, sweep),
        "waits_for_choice": sweep.state == SweepState.PAUSED and sweep.reason in PAUSES,
        "clone_url": f"{reverse('sweep_create')}?clone={sweep.pk}",
        "cancel_text": cancel_text(sweep, counts),
        "running_count": counts[TrialState.RUNNING],
        "running_text": running_text(counts),
        "can_extend": sweep.has_ended and not sweep.exhausted,
        "extend_text": extend_text(sweep),
        "now": now,
    }


def sweep_facts(sweep: Sweep) -> tuple[str, ...]:
    """Sampler, policy and pool, in a few words each."""
    sampler = sampler_of(sweep)
    who = f"pool {sweep.pool.name}" if sweep.launches else "run by your own processes"
    pool = f"{who}, {sweep.max_concurrent_trials} at a time"
    return SAMPLERS.get(sampler, f"{sampler} sampler"), _policy(sweep), pool


def _policy(sweep: Sweep) -> str:
    try:
        policy = make_policy(sweep.early_termination, sweep.objective)
    except DefinitionError:
        return "unknown early termination"
    return policy.in_words() if policy else "no early termination"


def _when(sweep: Sweep, now: datetime) -> str:
    by = f" by {sweep.creator}" if sweep.created_by else f" from the {sweep.creator}"
    if sweep.started_at is None:
        return f"created {day_and_clock(sweep.created_at, now)}{by}"
    start = day_and_clock(sweep.started_at, now)
    if sweep.ended_at is None:
        return f"started {start}{by}"
    end = day_and_clock(sweep.ended_at, now)
    took = duration_text(sweep.took(now) or timedelta())
    if start.rpartition(" ")[0] == end.rpartition(" ")[0]:
        end = end.rpartition(" ")[2]
    return f"{start} to {end}{by}, took {took}"


def _running(sweep: Sweep, now: datetime) -> float | None:
    took = sweep.took(now)
    if sweep.state != SweepState.RUNNING or took is None:
        return None
    return took.total_seconds()


def running_text(counts: Mapping[str, int]) -> str:
    """How many trials a pause decides about."""
    running = counts[TrialState.RUNNING]
    trials = counted(running, "trial") if running else "No trial"
    return f"{trials} {'run' if running > 1 else 'runs'} now."


def extend_text(sweep: Sweep) -> str:
    """What an ended sweep loses when it runs again."""
    if sweep.reason == "target":
        return "Its target was reached and is removed."
    if sweep.reason == "sweep_timeout":
        return "Its time limit has passed and is removed."
    return "Idle time does not count."


def cancel_text(sweep: Sweep, counts: Mapping[str, int]) -> str:
    """What cancelling loses."""
    tried = sum(counts.values())
    running = counts[TrialState.RUNNING]
    lost = counted(running, "running trial stops", "running trials stop")
    left = planned_trials(sweep, tried, combinations(sweep)) - tried
    left += counts[TrialState.QUEUED]
    rest = f", {counted(left, 'trial is', 'trials are')} not started" if left else ""
    lost = lost if running else "No trial runs"
    more = "" if sweep.exhausted else " To resume it later, use Add more trials."
    return f"{lost}{rest}; results are kept.{more}"
