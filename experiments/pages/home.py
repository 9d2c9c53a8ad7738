"""Home: what runs in the viewer's team, what is new, and what needs attention: failed
and paused sweeps, and those that wait for a worker.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Min, Q, QuerySet, Sum, Window
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone

from experiments import access, queues
from experiments.cleanup.quotas import quota_warning
from experiments.failures.circuit_breaker import SAME_FAILURE
from experiments.formatting import HOUR, MINUTE, duration_text
from experiments.lifecycle import PREFLIGHT_FAILED, PREFLIGHT_HELD
from experiments.models import ApiToken, Attempt, Pool, Sweep, Team, Trial, User, Worker
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState, TrialState
from experiments.pages.experiments.entries import EntryTable, entry_table
from experiments.pages.experiments.entry_filter import EntryFilter, completion_answer
from experiments.pages.experiments.run_table import (
    ListedRun,
    recent_runs,
    runs_of_team,
)
from experiments.pages.experiments.summary import sweep_facts
from experiments.pages.experiments.sweep_table import SweepRow, sweep_rows
from experiments.pages.experiments.views import in_no_team, of_other_teams
from experiments.pages.frame import (
    current_team,
    digest,
    get,
    live_parts,
    parts_feed,
    post,
    render_parts,
)
from experiments.pages.sweep.summary import forecasts
from experiments.scheduling.occupancy import PoolSlots, TeamSlots, team_slots
from experiments.sweeps import demo
from experiments.sweeps.progress import Compute, compute_of

FAILURES_SHOWN_FOR = timedelta(days=7)
MAX_NOTICES = 6
# A worker that starts needs a moment.
MIN_WAIT = timedelta(seconds=20)


@dataclass(frozen=True)
class Notice:
    """``title`` follows the sweep's name; ``action`` is the text of a link to it."""

    sweep: Sweep
    glyph: str
    title: str
    text: str
    action: str = ""
    command: str = ""


# Reasons of pauses, in words.
PAUSES = {
    "max_failed_trials": "paused itself",
    SAME_FAILURE: "paused itself",
    PREFLIGHT_FAILED: "paused: the tested configuration failed",
    PREFLIGHT_HELD: "waits for you: one configuration was tested",
}


FAILURES = {
    "first_trials_failed": "stopped: its first trials failed",
    "all_failed": "ended: every trial failed",
}


def notices_of(
    team: Team, slots: TeamSlots, now: datetime
) -> tuple[Sequence[Notice], int]:
    """The most pressing first, and how many there are in all."""
    waiting = list(_waiting(team, slots, now))
    broken = list(_broken_sweeps(team, now)[:MAX_NOTICES])
    count = len(waiting) + (broken[0].total if broken else 0)
    return [*waiting, *map(_broken, broken)][:MAX_NOTICES], count


def _broken_sweeps(team: Team, now: datetime) -> QuerySet[Any]:
    recent = Q(state=SweepState.FAILED, ended_at__gt=now - FAILURES_SHOWN_FOR)
    paused = Q(state=SweepState.PAUSED, reason__in=PAUSES)
    sweeps = Sweep.objects.filter(experiment__team=team, archived_at=None)
    found = sweeps.filter(recent | paused).annotate(total=Window(Count("pk")))
    return found.select_related("experiment").order_by("-updated_at")


def _broken(sweep: Sweep) -> Notice:
    if sweep.state == SweepState.PAUSED:
        title, action = PAUSES[sweep.reason], "Review and resume"
        return Notice(sweep, "paused", title, sweep.message, action)
    title = FAILURES.get(sweep.reason, "failed")
    return Notice(sweep, "failed", title, sweep.message, "See what failed")


def _waiting(team: Team, slots: TeamSlots, now: datetime) -> Iterator[Notice]:
    """Running sweeps whose trials wait in a pool without a live worker."""
    empty = {pool.pool.pk: pool for pool in slots.pools if not pool.total}
    running = Sweep.objects.filter(
        experiment__team=team, state=SweepState.RUNNING, pool__in=list(empty)
    ).select_related("experiment")
    queued = Q(trials__state=TrialState.QUEUED)
    sweeps = running.annotate(since=Min("trials__created_at", filter=queued))
    for sweep in sweeps.filter(since__lt=now - MIN_WAIT).order_by("since"):
        pool = empty[sweep.pool_id]
        waited = _roughly(now - sweep.since)
        yield Notice(
            sweep,
            "queued",
            f"has waited {waited} for a slot",
            _no_worker(pool, now),
            command=f"python manage.py worker --pool {pool.pool.name} --slots 2",
        )


def _no_worker(pool: PoolSlots, now: datetime) -> str:
    name = pool.pool.name
    if not pool.hosts:
        return f"Pool {name} has no worker. Start one on any machine:"
    last = max((host.worker for host in pool.hosts), key=lambda worker: worker.seen_at)
    silence = _roughly(now - last.seen_at)
    return (
        f"Pool {name} has no worker: {last.host} was last seen {silence} ago."
        " Start one on any machine:"
    )


def _roughly(time: timedelta) -> str:
    """A duration without seconds once it has minutes: ``41 m``."""
    seconds = time.total_seconds()
    if MINUTE <= seconds < HOUR:
        return f"{seconds // MINUTE:.0f} m"
    return duration_text(seconds)


MAX_RUNNING = 12
MAX_RECENT = 12
# The parts of the page that its feed may replace, each with its own template.
PARTS = (
    *("fact_running", "fact_slots", "running", "slots", "attention"),
    *("recent", "runs"),
)


@dataclass(frozen=True)
class Overview:
    """One team now. ``running``: running sweeps, each with about how long it will take.
    ``notice_count`` also counts notices that are not shown."""

    team: Team
    running_count: int
    running: Sequence[tuple[SweepRow, str]]
    recent: Sequence[SweepRow]
    runs: Sequence[ListedRun]
    slots: TeamSlots
    notices: Sequence[Notice]
    notice_count: int

    @property
    def notices_left(self) -> int:
        return self.notice_count - len(self.notices)


@dataclass(frozen=True)
class Month:
    """The team's current month: its new sweeps, their trials and compute."""

    first: datetime
    sweeps: int
    trials: int
    compute: Compute


def overview_of(team: Team) -> Overview:
    now, slots = timezone.now(), team_slots(team)
    sweeps = Sweep.objects.filter(experiment__team=team, archived_at=None)
    sweeps = sweeps.select_related("experiment", "created_by")
    running = sweeps.filter(state=SweepState.RUNNING)
    recent = sweeps.exclude(state=SweepState.RUNNING).order_by("-id")[:MAX_RECENT]
    notices, notice_count = notices_of(team, slots, now)
    return Overview(
        team=team,
        running_count=running.count(),
        running=_with_forecasts(
            sweep_rows(list(running.order_by("-started_at", "-id")[:MAX_RUNNING])), now
        ),
        recent=sweep_rows(list(recent)),
        runs=recent_runs(team),
        slots=slots,
        notices=notices,
        notice_count=notice_count,
    )


def _with_forecasts(
    rows: Sequence[SweepRow], now: datetime
) -> list[tuple[SweepRow, str]]:
    to_come = {row.sweep.pk: row.planned - row.ended for row in rows}
    texts = forecasts(to_come, now=now) if rows else {}
    return [(row, texts[row.sweep.pk]) for row in rows]


def month_of(team: Team) -> Month:
    first = timezone.localtime().replace(
        day=1, hour=0, minute=0, second=0, microsecond=0
    )
    made = Sweep.objects.filter(experiment__team=team, created_at__gte=first)
    ids = list(made.values_list("pk", flat=True))
    trials = Trial.objects.filter(sweep__in=ids).count()
    return Month(first, len(ids), trials, sum(compute_of(ids).values(), Compute()))


def rendered_parts(team: Team, table: EntryTable | None) -> dict[str, str]:
    return render_parts("home", PARTS, {"overview": overview_of(team), "table": table})


def table_of(team: Team, query: QueryDict) -> EntryTable | None:
    """What the address asks for, instead of the newest sweeps and runs."""
    if EntryFilter.read(query, team).is_usual:
        return None
    sweeps = Sweep.objects.filter(experiment__team=team).order_by()
    goals = sweeps.values_list("primary_metric", "goal").distinct()
    return entry_table(team, query, goals=dict(goals))


def version(team: Team) -> str:
    """A mark that changes when something that home shows changes, from four aggregates
    over indexed columns."""
    pools = Pool.objects.filter(teams=team)
    facts = (
        sweep_facts(experiment__team=team),
        runs_of_team(team).aggregate(Max("updated_at"), Count("pk")),
        Worker.objects.alive()
        .filter(pool__in=pools)
        .aggregate(Count("pk"), Sum("slots"), Max("started_at")),
        Attempt.objects.filter(pool__in=pools, state=AttemptState.RUNNING).aggregate(
            Count("pk"), Max("claimed_at")
        ),
    )
    return digest(repr(facts))


def home(request: HttpRequest) -> HttpResponse:
    team = current_team(request)
    if team is None:
        return in_no_team(request)
    steers = isinstance(request.user, User) and access.can_steer(request.user, team)
    context = {"team": team, "can_steer": steers}
    context["others"] = of_other_teams(access.viewer(request), team)
    sweeps = Sweep.objects.filter(experiment__team=team)
    if not sweeps.exists() and not runs_of_team(team).exists():
        context |= {"queue_answers": queues.answers(), "slots": team_slots(team)}
        return render(request, "experiments/home/first_start.html", context)
    table = table_of(team, request.GET)
    context |= live_parts(version(team), rendered_parts(team, table))
    context |= {"table": table, "asked": EntryFilter.read(request.GET, team)}
    context |= {"month": month_of(team), "new_sweep_is_primary": steers}
    context["ending"] = [
        token
        for token in ApiToken.valid().filter(user=access.viewer(request))
        if token.ends_soon
    ]
    context["quota_warning"] = quota_warning(team) if steers else ""
    return render(request, "experiments/home/page.html", context)


def home_feed(request: HttpRequest) -> JsonResponse:
    team = current_team(request)
    if team is None:
        raise Http404("You are in no team.")

    def read() -> dict[str, str]:
        return rendered_parts(team, table_of(team, request.GET))

    return parts_feed(request, version(team), read)


def home_completion(request: HttpRequest) -> JsonResponse:
    """What may be typed next in the filter of the team's sweeps and runs."""
    team = current_team(request)
    if team is None:
        raise Http404("You are in no team.")
    return completion_answer(request, team)


def demo_start(request: HttpRequest) -> HttpResponse:
    """Create and start the demo sweep in the current team."""
    team, user = current_team(request), request.user
    if not isinstance(user, User) or team is None or not access.can_steer(user, team):
        raise PermissionDenied
    sweep = demo.start_demo(team, user)
    messages.success(request, f"The demo sweep {sweep.label} has started.")
    return redirect(sweep)


urlpatterns = [
    get("", home, "home"),
    get("home/feed.json", home_feed, "home_feed"),
    get("home/complete.json", home_completion, "home_complete"),
    post("demo/", demo_start, "demo_start"),
]
