"""Which sweep gets the next free slot: priority first, then fair shares.

The order is: higher priority, then the team with the fewest slots of the pool, then its
sweep with the fewest, then the older sweep. It depends on the database alone, so pages
can show it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import Count, F, OuterRef, Subquery
from django.db.models.functions import Coalesce

from experiments.failures.circuit_breaker import max_live_trials
from experiments.models import Attempt, Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import TRIAL_LIVE
from experiments.scheduling.pools import PoolState


@dataclass
class FairShares:
    """The slots of one pool that each team and each sweep has, by their ids."""

    teams: Counter[int] = field(default_factory=Counter)
    sweeps: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, attempts: Iterable[Attempt]) -> FairShares:
        """Counts attempts that run or were dispatched."""
        shares = cls()
        for attempt in attempts:
            if attempt.trial.sweep is not None:
                shares.add(attempt.trial.sweep, attempt.slots)
        return shares

    def add(self, sweep: Sweep, slots: int) -> None:
        self.teams[sweep.experiment.team_id] += slots
        self.sweeps[sweep.pk] += slots

    def rank(self, sweep: Sweep) -> tuple[int, int, int, int]:
        """A sort key: the lowest gets the next free slot."""
        team = self.teams[sweep.experiment.team_id]
        return -sweep.priority, team, self.sweeps[sweep.pk], sweep.pk


@dataclass
class Demand:
    """What one sweep would place: waiting attempts, then new trials.

    `number` is the next trial's; of `live` trials, `prefetched` wait for slots that are
    still taken; `max_live` may be live at a time. If it `is_held`, new trials wait, as
    its team is over its quota of space.
    """

    sweep: Sweep
    number: int
    live: int
    max_live: int
    open: list[Attempt] = field(default_factory=list)
    is_over: bool = False
    prefetched: int = 0
    is_held: bool = False

    @property
    def is_full(self) -> bool:
        """Whether its trials have all the slots that they may have."""
        return self.live - len(self.open) - self.prefetched >= self.max_live

    @property
    def may_choose(self) -> bool:
        """Whether it may have another new trial now."""
        return (
            not self.is_over
            and not self.is_held
            and self.live - self.prefetched < self.max_live
            and self.number < self.sweep.max_total_trials
        )

    def lacks_only_slots(self, slots: int) -> bool:
        """Whether it would have another trial if not all `slots` were taken.

        Where a sweep may have every slot, one more trial may wait for each of them.
        """
        most = self.max_live if self.max_live < slots else self.max_live + slots
        has_more = self.number < self.sweep.max_total_trials
        return not self.is_held and self.live < most and has_more


def demands_of(sweeps: Collection[Sweep]) -> dict[int, Demand]:
    """The demands of those sweeps that run and whose trials workers run."""
    own = Trial.objects.filter(sweep=OuterRef("pk")).order_by()
    live = own.filter(state__in=TRIAL_LIVE).values("sweep").annotate(n=Count("pk"))
    found = Sweep.objects.filter(
        pk__in=[sweep.pk for sweep in sweeps], state=SweepState.RUNNING, launches=True
    ).annotate(
        over_quota_since=F("experiment__team__over_quota_since"),
        last=Subquery(own.order_by("-number").values("number")[:1]),
        live=Coalesce(Subquery(live.values("n")), 0),
    )
    max_live = max_live_trials(sweeps)
    columns = ("pk", "last", "live", "over_quota_since")
    rows = {pk: row for pk, *row in found.values_list(*columns)}
    return {
        sweep.pk: Demand(
            sweep,
            0 if last is None else last + 1,
            live,
            max_live[sweep.pk],
            is_held=held_since is not None,
        )
        for sweep in sweeps
        if sweep.pk in rows
        for last, live, held_since in (rows[sweep.pk],)
    }


def add_waiting(demands: Mapping[int, Demand], state: PoolState) -> None:
    """Add the pool's waiting and prefetched attempts to their sweeps' demands."""
    for attempt in state.open:
        if demand := demands.get(attempt.trial.sweep_id or 0):
            demand.open.append(attempt)
    for attempt in state.prefetched():
        if demand := demands.get(attempt.trial.sweep_id or 0):
            demand.prefetched += 1
