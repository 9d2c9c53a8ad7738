"""Home: what runs in the viewer's team, what needs attention, and what is new."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, Sum
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from experiments import access, queues
from experiments.models import Attempt, Pool, Sweep, Team, Trial, User, Worker
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import AttemptState
from experiments.pages.experiments.sweep_table import SweepRow, sweep_rows
from experiments.pages.frame import current_team, digest, parts_feed, token_of
from experiments.pages.home.attention import Notice, notices_of
from experiments.pages.sweep.summary import forecasts
from experiments.scheduling.occupancy import TeamSlots, team_slots
from experiments.sweeps import demo
from experiments.sweeps.progress import Compute, compute_of

MAX_RUNNING = 12
MAX_RECENT = 12
# The parts of the page that its feed may replace, each with a template of its own.
PARTS = ("fact_running", "fact_slots", "running", "slots", "attention", "recent")


@dataclass(frozen=True)
class Overview:
    """One team now. ``running``: running sweeps, each with about how long it will take.
    ``notice_count`` also counts notices that are not shown."""

    team: Team
    running_count: int
    running: Sequence[tuple[SweepRow, str]]
    recent: Sequence[SweepRow]
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


def rendered_parts(team: Team) -> Mapping[str, str]:
    context = {"overview": overview_of(team)}
    return {
        part: render_to_string(f"experiments/home/{part}.html", context)
        for part in PARTS
    }


def version(team: Team) -> str:
    """A mark that changes when something that home shows changes, from four aggregates
    over indexed columns."""
    pools = Pool.objects.filter(teams=team)
    live = Trial.objects.filter(
        sweep__experiment__team=team,
        sweep__state__in=set(SweepState) - SWEEP_ENDS,
    )
    facts = (
        Sweep.objects.filter(experiment__team=team).aggregate(
            Max("updated_at"), Count("pk"), Count("archived_at")
        ),
        live.aggregate(Max("updated_at"), Count("pk")),
        Worker.objects.alive()
        .filter(pool__in=pools)
        .aggregate(Count("pk"), Sum("slots"), Max("started_at")),
        Attempt.objects.filter(pool__in=pools, state=AttemptState.RUNNING).aggregate(
            Count("pk"), Max("claimed_at")
        ),
    )
    return digest(repr(facts))


@require_GET
def home(request: HttpRequest) -> HttpResponse:
    team = current_team(request)
    if team is None:
        return render(request, "experiments/home/no_team.html")
    steers = isinstance(request.user, User) and access.can_steer(request.user, team)
    context = {"team": team, "can_steer": steers}
    if not Sweep.objects.filter(experiment__team=team).exists():
        context |= {"queue_answers": queues.answers(), "slots": team_slots(team)}
        return render(request, "experiments/home/first_start.html", context)
    mark = version(team)
    parts = rendered_parts(team)
    context |= {
        "month": month_of(team),
        "parts": parts,
        "since": token_of(mark, parts),
        "new_sweep_is_primary": steers,
    }
    return render(request, "experiments/home/page.html", context)


@require_GET
def home_feed(request: HttpRequest) -> JsonResponse:
    team = current_team(request)
    if team is None:
        raise Http404("You are in no team.")
    return parts_feed(request, version(team), lambda: rendered_parts(team))


@require_POST
def demo_start(request: HttpRequest) -> HttpResponse:
    """Create and start the demo sweep in the current team."""
    team, user = current_team(request), request.user
    if not isinstance(user, User) or team is None or not access.can_steer(user, team):
        raise PermissionDenied
    sweep = demo.start_demo(team, user)
    messages.success(request, f"The demo sweep {sweep.label} has started.")
    return redirect(sweep)


urlpatterns = [
    path("", home, name="home"),
    path("home/feed.json", home_feed, name="home_feed"),
    path("demo/", demo_start, name="demo_start"),
]
