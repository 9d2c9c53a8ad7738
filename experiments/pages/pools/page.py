"""The page of the pools for one viewer, by part so that its feed can send parts.

The number of queries goes with the number of pools, never with that of hosts, slots or
waiting trials.

Who waits for a slot, for what and why, in the order in which slots will be given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.db.models import Max
from django.template.loader import render_to_string

from experiments import access
from experiments.db.clock import database_now
from experiments.models import Pool, Team, Trial, User, Worker
from experiments.models.trials import TrialState
from experiments.pages.pools.hosts import (
    IDLE,
    HostCard,
    Viewpoint,
    cell,
    host_loads,
    is_silent,
    team_of,
)
from experiments.scheduling.pools import PoolState, pool_states
from experiments.scheduling.waiting import HostRow, Waiting, occupancy, queue_of

MAX_ROWS = 50


@dataclass(frozen=True)
class QueueRow:
    """One place in a pool's queue. ``url`` and ``name`` are there for what the viewer
    may see; of another team's work only the team is named."""

    place: int
    name: str
    url: str
    team: Team
    pool: Pool
    since: datetime | None
    bold: str
    rest: str
    help_text: str


@dataclass(frozen=True)
class QueueList:
    """``rows`` are the first of those that were asked for; the numbers are of all."""

    rows: Sequence[QueueRow]
    left_out: int
    total: int
    sweeps: int
    causes: Sequence[tuple[str, int]]
    by_pool: Mapping[int, int]
    oldest: datetime | None


def queue_rows(
    waits: Mapping[Pool, Sequence[Waiting]],
    *,
    teams: Collection[int],
    only: int | None,
) -> QueueList:
    """``teams``: those whose work has a name; ``only``: the one team that is listed."""
    everything = [(pool, wait) for pool, queue in waits.items() for wait in queue]
    listed = sorted(
        (pair for pair in everything if only in (None, _team(pair[1]).pk)),
        key=lambda pair: (pair[1].place, pair[0].name),
    )
    causes = Counter(wait.cause.rstrip(".") for _, wait in everything)
    return QueueList(
        rows=[_row(pool, wait, teams) for pool, wait in listed[:MAX_ROWS]],
        left_out=max(0, len(listed) - MAX_ROWS),
        total=len(everything),
        sweeps=len({wait.sweep.pk for _, wait in everything}),
        causes=causes.most_common(3),
        by_pool={pool.pk: len(queue) for pool, queue in waits.items()},
        oldest=min((w.since for _, w in everything if w.since), default=None),
    )


def _team(wait: Waiting) -> Team:
    team: Team = wait.sweep.experiment.team
    return team


def _row(pool: Pool, wait: Waiting, teams: Collection[int]) -> QueueRow:
    team = _team(wait)
    trial = wait.attempt.trial if wait.attempt else None
    seen = team.pk in teams
    shown = trial or wait.sweep
    return QueueRow(
        place=wait.place,
        name=shown.label
        if seen
        else "another team\N{RIGHT SINGLE QUOTATION MARK}s sweep",
        url=shown.get_absolute_url() if seen else "",
        team=team,
        pool=pool,
        since=wait.since,
        bold=wait.cause,
        rest=wait.detail,
        help_text=wait.help_text,
    )


@dataclass(frozen=True)
class PoolSection:
    """One pool with its hosts. ``waiting``: entries of its queue."""

    pool: Pool
    hosts: Sequence[HostCard]
    waiting: int

    @property
    def busy(self) -> int:
        return sum(host.busy_slots for host in self.hosts if not host.silent)

    @property
    def slots(self) -> int:
        return sum(host.worker.slots for host in self.hosts if not host.silent)

    @property
    def usable(self) -> int:
        return sum(host.usable for host in self.hosts)

    @property
    def silent(self) -> Sequence[HostCard]:
        return [host for host in self.hosts if host.silent]

    @property
    def leaving(self) -> int:
        return sum(host.draining and not host.silent for host in self.hosts)


@dataclass(frozen=True)
class SlotCounts:
    """Slots of living hosts by who has them."""

    mine: int
    others: int
    free: int
    closed: int

    @property
    def busy(self) -> int:
        return self.mine + self.others

    @property
    def all(self) -> int:
        return self.busy + self.free

    @property
    def label(self) -> str:
        return f"{self.mine} of this team, {self.others} of others, {self.free} free"


class PoolsPage:
    """What somebody sees of some pools now."""

    def __init__(
        self, user: User, pools: Sequence[Pool], *, team: Team | None, narrow: bool
    ) -> None:
        """``team``: the one they look at; ``narrow``: only its work in the queue."""
        self.user, self.pools, self.team, self.narrow = user, pools, team, narrow
        self.now: datetime = database_now()

    @cached_property
    def teams(self) -> Collection[int]:
        """The teams whose work the viewer may see."""
        return set(access.teams_for(self.user).values_list("pk", flat=True))

    @cached_property
    def states(self) -> Mapping[int, PoolState]:
        """Read once: what is free and why others wait agree."""
        return pool_states([pool.pk for pool in self.pools])

    @cached_property
    def rows(self) -> Sequence[HostRow]:
        return occupancy(self.pools, self.states)

    @cached_property
    def hosts(self) -> Sequence[HostCard]:
        busy = host_loads([row.worker for row in self.rows], self.now)
        view = Viewpoint(self.teams, self.lengths, self.now)
        return [
            HostCard(
                worker=row.worker,
                cells=[cell(slot, view) for slot in row.slots],
                busy=busy.get(row.worker.pk, IDLE),
                silent=is_silent(row.worker, self.now),
            )
            for row in self.rows
        ]

    @cached_property
    def lengths(self) -> Mapping[int, int]:
        """Reports of the longest completed trial of each sweep that runs here."""
        sweeps = {
            slot.attempt.trial.sweep_id
            for row in self.rows
            for slot in row.slots
            if slot.attempt is not None
        }
        rows = Trial.objects.filter(
            sweep__in=sweeps - {None}, state=TrialState.COMPLETED
        )
        longest = rows.order_by().values_list("sweep").annotate(n=Max("reports"))
        return {sweep: n for sweep, n in longest if n}

    @cached_property
    def sections(self) -> Sequence[PoolSection]:
        waiting = self.queue.by_pool
        return [
            PoolSection(
                pool,
                [host for host in self.hosts if host.worker.pool_id == pool.pk],
                waiting.get(pool.pk, 0),
            )
            for pool in self.pools
        ]

    @cached_property
    def queue(self) -> QueueList:
        waits = {
            pool: queue_of(pool, teams=self.teams, state=self.states[pool.pk])
            for pool in self.pools
        }
        only = self.team.pk if self.narrow and self.team else None
        return queue_rows(waits, teams=self.teams, only=only)

    @cached_property
    def slots(self) -> SlotCounts:
        mine = others = free = closed = 0
        for row, host in zip(self.rows, self.hosts, strict=True):
            if host.silent:
                continue
            for slot in row.slots:
                if slot.attempt is not None:
                    own = self._is_mine(slot.attempt.trial)
                    mine, others = (
                        mine + own * slot.span,
                        others + (not own) * slot.span,
                    )
                elif slot.state == "free":
                    free += slot.span
                else:
                    closed += slot.span
        return SlotCounts(mine, others, free, closed)

    def _is_mine(self, trial: Trial) -> bool:
        return self.team is not None and team_of(trial).pk == self.team.pk

    @property
    def silent(self) -> Sequence[HostCard]:
        return [host for host in self.hosts if host.silent]

    @property
    def reachable(self) -> int:
        return len(self.hosts) - len(self.silent)

    @property
    def workers(self) -> Sequence[Worker]:
        return [host.worker for host in self.hosts]

    @property
    def idle_pools(self) -> Sequence[PoolSection]:
        """Pools in which something waits and nothing takes it."""
        return [s for s in self.sections if s.waiting and not s.usable]

    @property
    def is_empty(self) -> bool:
        return not self.hosts

    def rendered_parts(self) -> Mapping[str, str]:
        context = {"page": self, "is_admin": self.user.is_superuser, "team": self.team}
        parts = {
            name: render_to_string(f"experiments/pools/{name}.html", context)
            for name in ("facts", "tiles", "queue")
        }
        for section in self.sections:
            parts[f"pool-{section.pool.pk}"] = render_to_string(
                "experiments/pools/section.html", {**context, "section": section}
            )
        return parts
