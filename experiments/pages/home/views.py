"""Home: what runs in the viewer's team, what needs them, what is new.

What home shows of one team, gathered by part so that its feed can send parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Max, QuerySet, Sum
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from experiments import access, queues
from experiments.models import Attempt, Pool, Sweep, Team, Trial, User, Worker
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import AttemptState
from experiments.pages.experiments.sweep_table import SweepRow, sweep_rows
from experiments.pages.frame import current_team, digest, parts_feed, token_of
from experiments.pages.home.attention import Notice, notice_count, notices
from experiments.scheduling.occupancy import TeamSlots, team_slots
from experiments.sweeps import demo
from experiments.sweeps.progress import Compute, compute_of

MAX_RUNNING = 12
MAX_RECENT = 12
# The parts of the page that its feed may replace, each with a template of its own.
PARTS = ("fact_running", "fact_slots", "running", "slots", "attention", "recent")


@dataclass(frozen=True)
class Month:
    """The team's current month: sweeps made in it, their trials and compute."""

    first: datetime
    sweeps: int
    trials: int
    compute: Compute


class Overview:
    """One team now. Every property is one or a few queries, asked when it is read."""

    def __init__(self, team: Team) -> None:
        self.team = team
        self.now = timezone.now()

    def _sweeps(self) -> QuerySet[Sweep]:
        return Sweep.objects.filter(
            experiment__team=self.team, archived_at=None
        ).select_related("experiment", "created_by")

    @cached_property
    def has_sweeps(self) -> bool:
        return Sweep.objects.filter(experiment__team=self.team).exists()

    @cached_property
    def running_count(self) -> int:
        return self._sweeps().filter(state=SweepState.RUNNING).count()

    @cached_property
    def running(self) -> Sequence[tuple[SweepRow, float | None]]:
        """Running sweeps, each with about how many seconds are left."""
        sweeps = self._sweeps().filter(state=SweepState.RUNNING)
        rows = sweep_rows(list(sweeps.order_by("-started_at", "-id")[:MAX_RUNNING]))
        return [(row, row.ends_in(self.now)) for row in rows]

    @cached_property
    def recent(self) -> Sequence[SweepRow]:
        sweeps = self._sweeps().exclude(state=SweepState.RUNNING)
        return sweep_rows(list(sweeps.order_by("-id")[:MAX_RECENT]))

    @cached_property
    def slots(self) -> TeamSlots:
        return team_slots(self.team)

    @cached_property
    def notices(self) -> Sequence[Notice]:
        return notices(self.team, self.slots, self.now)

    @cached_property
    def notice_count(self) -> int:
        """How many notices there are, those that are not shown included."""
        return notice_count(self.team, self.slots, self.now)

    @property
    def notices_left(self) -> int:
        return self.notice_count - len(self.notices)

    @cached_property
    def month(self) -> Month:
        first = timezone.localtime(self.now).replace(
            day=1, hour=0, minute=0, second=0, microsecond=0
        )
        ids = list(
            Sweep.objects.filter(
                experiment__team=self.team, created_at__gte=first
            ).values_list("pk", flat=True)
        )
        computes = compute_of(ids).values()
        return Month(
            first,
            len(ids),
            Trial.objects.filter(sweep__in=ids).count(),
            sum(computes, Compute()),
        )

    def rendered_parts(self) -> Mapping[str, str]:
        context = {"overview": self}
        return {
            part: render_to_string(f"experiments/home/{part}.html", context)
            for part in PARTS
        }


def version(team: Team) -> str:
    """A mark that changes whenever something that home shows has changed, from four
    aggregates over indexed columns."""
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
    mark = version(team)
    overview = Overview(team)
    steers = isinstance(request.user, User) and access.can_steer(request.user, team)
    context = {"overview": overview, "can_steer": steers}
    if not overview.has_sweeps:
        context["queue_answers"] = queues.answers()
        return render(request, "experiments/home/first_start.html", context)
    parts = overview.rendered_parts()
    context |= {
        "parts": parts,
        "since": token_of(mark, parts),
        "new_sweep_is_primary": steers,
    }
    return render(request, "experiments/home/page.html", context)


@require_GET
@never_cache
def home_feed(request: HttpRequest) -> JsonResponse:
    team = current_team(request)
    if team is None:
        raise Http404("You are in no team.")
    return parts_feed(request, version(team), Overview(team).rendered_parts)


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
