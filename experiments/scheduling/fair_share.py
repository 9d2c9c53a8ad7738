"""Whose turn it is when a slot is free: priority first, then fair shares.

The order goes by what the database holds and by nothing else, so who waits for whom
can be told afterwards: the higher priority first; then the team that has the smallest
share of the pool's slots; then, in it, the sweep that has the smallest; then the older.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from django.db.models import Count, OuterRef, Subquery
from django.db.models.functions import Coalesce

from experiments.failures.circuit_breaker import max_live_trials
from experiments.models import Attempt, Sweep, Trial
from experiments.models.sweeps import SweepState
from experiments.models.trials import TRIAL_LIVE


@dataclass
class FairShares:
    """How many slots of one pool each team and each sweep has, by their ids."""

    teams: Counter[int] = field(default_factory=Counter)
    sweeps: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, attempts: Iterable[Attempt]) -> FairShares:
        """By the attempts that run or were promised a place."""
        shares = cls()
        for attempt in attempts:
            if attempt.trial.sweep is not None:
                shares.add(attempt.trial.sweep, attempt.slots)
        return shares

    def add(self, sweep: Sweep, slots: int) -> None:
        self.teams[sweep.experiment.team_id] += slots
        self.sweeps[sweep.pk] += slots

    def rank(self, sweep: Sweep) -> tuple[int, int, int, int]:
        """Sorts sweeps into the order in which they get a free slot."""
        team = self.teams[sweep.experiment.team_id]
        return -sweep.priority, team, self.sweeps[sweep.pk], sweep.pk


@dataclass
class Demand:
    """What one sweep would place: attempts that wait, then new trials.

    `number` is that of its next new trial, `live` how many of its trials live, `ahead`
    how many of these wait for slots that are still taken, and `most` how many may live.
    """

    sweep: Sweep
    number: int
    live: int
    most: int
    open: list[Attempt] = field(default_factory=list)
    is_over: bool = False
    ahead: int = 0

    @property
    def is_full(self) -> bool:
        """Whether as many of its trials have a slot, or were promised one, as may."""
        return self.live - len(self.open) - self.ahead >= self.most

    @property
    def may_choose(self) -> bool:
        """Whether it may have one more new trial now."""
        return (
            not self.is_over
            and self.live - self.ahead < self.most
            and self.number < self.sweep.max_total_trials
        )

    def lacks_only_slots(self, slots: int) -> bool:
        """Whether it would have one more trial if all of so many slots were not taken.

        A sweep that may have every slot cannot have too many at a time, so one more of
        its trials may wait for each of them.
        """
        most = self.most if self.most < slots else self.most + slots
        return self.live < most and self.number < self.sweep.max_total_trials


def demands_of(sweeps: Collection[Sweep]) -> dict[int, Demand]:
    """The turns of those sweeps that run and start trials themselves."""
    own = Trial.objects.filter(sweep=OuterRef("pk")).order_by()
    live = own.filter(state__in=TRIAL_LIVE).values("sweep").annotate(n=Count("pk"))
    standing = Sweep.objects.filter(
        pk__in=[sweep.pk for sweep in sweeps], state=SweepState.RUNNING, launches=True
    ).annotate(
        last=Subquery(own.order_by("-number").values("number")[:1]),
        live=Coalesce(Subquery(live.values("n")), 0),
    )
    most = max_live_trials(sweeps)
    rows = {pk: row for pk, *row in standing.values_list("pk", "last", "live")}
    return {
        sweep.pk: Demand(sweep, 0 if last is None else last + 1, live, most[sweep.pk])
        for sweep in sweeps
        if sweep.pk in rows
        for last, live in (rows[sweep.pk],)
    }
