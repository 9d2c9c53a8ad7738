"""What home shows of one team, gathered by part so that its feed can send parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Count, Max, QuerySet, Sum
from django.template.loader import render_to_string
from django.utils import timezone

from experiments.models import Attempt, Pool, Sweep, Team, Trial, Worker
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.models.trials import AttemptState
from experiments.occupancy import TeamSlots, team_slots
from experiments.pages.experiments.sweep_table import SweepRow, sweep_rows
from experiments.pages.home.attention import Notice, notice_count, notices
from experiments.pages.live_parts import digest
from experiments.progress import Compute, compute_of

MOST_RUNNING = 12
MOST_RECENT = 12
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
        rows = sweep_rows(list(sweeps.order_by("-started_at", "-id")[:MOST_RUNNING]))
        return [(row, row.ends_in(self.now)) for row in rows]

    @cached_property
    def recent(self) -> Sequence[SweepRow]:
        sweeps = self._sweeps().exclude(state=SweepState.RUNNING)
        return sweep_rows(list(sweeps.order_by("-id")[:MOST_RECENT]))

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
