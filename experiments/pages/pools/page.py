"""The page of the pools for one viewer: hosts with their slots, and who waits for one.

The number of queries depends on the number of pools, never on the number of hosts,
slots or waiting trials.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max
from django.template.loader import render_to_string

from experiments import access
from experiments.db.clock import database_now
from experiments.models import Pool, Team, Trial, User
from experiments.models.trials import TrialState
from experiments.pages.frame import render_parts
from experiments.pages.pools.hosts import (
    FORGETTABLE_AFTER,
    IDLE,
    HostCard,
    Viewpoint,
    host_loads,
    is_silent,
    slot_cell,
    team_of,
)
from experiments.scheduling.occupancy import HostRow, occupancy
from experiments.scheduling.pools import pool_states
from experiments.scheduling.waiting import QueuePlace, queue_of

MAX_ROWS = 50


@dataclass(frozen=True)
class QueueRow:
    """One place in a pool's queue. Of another team's work only the team is named."""

    wait: QueuePlace
    pool: Pool
    team: Team
    name: str = "another team\u2019s sweep"
    url: str = ""


@dataclass(frozen=True)
class QueueList:
    """The first rows of the teams that are listed; all numbers are of all teams."""

    rows: Sequence[QueueRow]
    left_out: int
    total: int
    sweeps: int
    causes: Sequence[tuple[str, int]]
    by_pool: Mapping[int, int]
    oldest: datetime | None


def queue_list(
    waits: Mapping[Pool, Sequence[QueuePlace]],
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
    causes = Counter(wait.reason.cause.rstrip(".") for _, wait in everything)
    return QueueList(
        rows=[_row(pool, wait, teams) for pool, wait in listed[:MAX_ROWS]],
        left_out=max(0, len(listed) - MAX_ROWS),
        total=len(everything),
        sweeps=len({wait.sweep.pk for _, wait in everything}),
        causes=causes.most_common(3),
        by_pool={pool.pk: len(queue) for pool, queue in waits.items()},
        oldest=min((wait.since for _, wait in everything if wait.since), default=None),
    )


def _team(wait: QueuePlace) -> Team:
    team: Team = wait.sweep.experiment.team
    return team


def _row(pool: Pool, wait: QueuePlace, teams: Collection[int]) -> QueueRow:
    team = _team(wait)
    if team.pk not in teams:
        return QueueRow(wait, pool, team)
    shown = wait.attempt.trial if wait.attempt else wait.sweep
    return QueueRow(wait, pool, team, shown.label, shown.get_absolute_url())


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
    def leaving(self) -> int:
        return sum(host.draining and not host.silent for host in self.hosts)


@dataclass(frozen=True)
class SlotCounts:
    """Slots of hosts that respond: of this team's trials, of others', free, closed."""

    mine: int = 0
    others: int = 0
    free: int = 0
    closed: int = 0

    @property
    def busy(self) -> int:
        return self.mine + self.others

    @property
    def all(self) -> int:
        return self.busy + self.free

    @property
    def label(self) -> str:
        return f"{self.mine} of this team, {self.others} of others, {self.free} free"


@dataclass(frozen=True)
class PoolsPage:
    """``team``: the one that the viewer looks at; ``narrow``: the queue lists only its
    work."""

    user: User
    team: Team | None
    narrow: bool
    hosts: Sequence[HostCard]
    sections: Sequence[PoolSection]
    queue: QueueList
    slots: SlotCounts

    @property
    def pools(self) -> Sequence[Pool]:
        return [section.pool for section in self.sections]

    @property
    def silent(self) -> Sequence[HostCard]:
        """Those to worry about: not an empty one whose machine's other worker runs."""
        machines = {host.machine for host in self.hosts if not host.silent}
        return [
            host
            for host in self.hosts
            if host.silent and not (host.forgettable and host.machine in machines)
        ]

    @property
    def reachable(self) -> int:
        return sum(not host.silent for host in self.hosts)

    @property
    def idle_pools(self) -> Sequence[PoolSection]:
        """Pools where something waits and no host takes it."""
        return [s for s in self.sections if s.waiting and not s.usable]

    def rendered_parts(self) -> Mapping[str, str]:
        context = {"page": self, "is_admin": self.user.is_superuser, "team": self.team}
        parts = render_parts("pools", ("facts", "tiles", "queue"), context)
        for section in self.sections:
            parts[f"pool-{section.pool.pk}"] = render_to_string(
                "experiments/pools/section.html", {**context, "section": section}
            )
        return parts


def pools_page(
    user: User, pools: Sequence[Pool], *, team: Team | None, narrow: bool
) -> PoolsPage:
    now = database_now()
    teams = set(access.teams_for(user).values_list("pk", flat=True))
    # Read once, so that free slots and reasons to wait agree.
    states = pool_states([pool.pk for pool in pools])
    rows = occupancy(pools, states)
    hosts = _host_cards(rows, teams, now)
    waits = {pool: queue_of(pool, teams=teams, state=states[pool.pk]) for pool in pools}
    only = team.pk if narrow and team else None
    queue = queue_list(waits, teams=teams, only=only)
    sections = [
        PoolSection(
            pool,
            [host for host in hosts if host.worker.pool_id == pool.pk],
            queue.by_pool[pool.pk],
        )
        for pool in pools
    ]
    slots = _slot_counts(rows, team, now)
    return PoolsPage(user, team, narrow, hosts, sections, queue, slots)


def _host_cards(
    rows: Sequence[HostRow], teams: Collection[int], now: datetime
) -> list[HostCard]:
    loads = host_loads([row.worker for row in rows], now)
    view = Viewpoint(teams, _usual_reports(rows), now)
    return [
        HostCard(
            worker=row.worker,
            cells=[slot_cell(slot, view) for slot in row.slots],
            busy=loads.get(row.worker.pk, IDLE),
            silent=is_silent(row.worker, now),
            forgettable=is_silent(row.worker, now, after=FORGETTABLE_AFTER)
            and not any(slot.attempt for slot in row.slots),
        )
        for row in rows
    ]


def _usual_reports(rows: Sequence[HostRow]) -> Mapping[int, int]:
    """The reports of the longest completed trial of each sweep that runs here."""
    attempts = [slot.attempt for row in rows for slot in row.slots if slot.attempt]
    sweeps = {attempt.trial.sweep_id for attempt in attempts} - {None}
    completed = Trial.objects.filter(sweep__in=sweeps, state=TrialState.COMPLETED)
    longest = completed.order_by().values_list("sweep").annotate(n=Max("reports"))
    return {sweep: n for sweep, n in longest if n}


def _slot_counts(
    rows: Sequence[HostRow], team: Team | None, now: datetime
) -> SlotCounts:
    counts: Counter[str] = Counter()
    for row in rows:
        for slot in () if is_silent(row.worker, now) else row.slots:
            kind = "free" if slot.state == "free" else "closed"
            if slot.attempt is not None:
                is_mine = team is not None and team_of(slot.attempt.trial) == team
                kind = "mine" if is_mine else "others"
            counts[kind] += slot.span
    return SlotCounts(**counts)
