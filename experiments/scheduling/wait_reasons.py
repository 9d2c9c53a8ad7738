"""The causes of waiting in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from experiments.formatting import duration_text
from experiments.models import Attempt, Pool, Sweep, Worker
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState
from experiments.scheduling.pools import HostState, PoolState, retry_delay

# More hosts or teams than this are counted and not listed.
MAX_LISTED = 5


@dataclass(frozen=True)
class WaitReason:
    """Why something waits: the cause (bold), the details, and what helps.

    `since` is when the wait began, `command` what a person can run to end it.
    """

    bold: str
    rest: str
    help_text: str = ""
    since: datetime | None = None
    command: str = ""


@dataclass(frozen=True)
class WaitReasons:
    """One pool at one moment, for a reader who may know the sweeps of some teams.

    `workers` are all that the pool has had, the one heard from last in front.
    """

    pool: Pool
    state: PoolState
    workers: Sequence[Worker]
    teams: Collection[int]
    now: datetime

    def dispatched(self, attempt: Attempt) -> WaitReason:
        """Of an attempt that was dispatched to a host."""
        since = attempt.created_at
        host = next(
            (h for h in self.state.hosts if h.worker.pk == attempt.dispatched_to_id),
            None,
        )
        if host is None:
            return self._no_worker(since)
        ago = duration_text(
            (self.now - (attempt.dispatched_at or self.now)).total_seconds()
        )
        return WaitReason(
            f"Host {host.worker.name} is about to start it.",
            f"Dispatched {ago} ago.",
            since=since,
        )

    def held(self, attempt: Attempt) -> WaitReason:
        """Of an attempt that could not have a slot, were there one."""
        sweep, since = attempt.trial.sweep, attempt.created_at
        if sweep is not None and sweep.state == SweepState.PAUSED:
            return WaitReason(
                "Its sweep is paused.", sweep.message, "Resume it.", since
            )
        if sweep is not None and sweep.state != SweepState.RUNNING:
            return WaitReason(
                f"Its sweep is {sweep.state}.", "It ends in a moment.", "", since
            )
        left = attempt.created_at + retry_delay(attempt.n) - self.now
        return WaitReason(
            f"It is tried again in {duration_text(max(0.0, left.total_seconds()))}.",
            f"This is attempt {attempt.n}; the pause grows with each that was lost.",
            since=since,
        )

    def open(
        self, sweep: Sweep, attempt: Attempt | None, before: Sweep | None
    ) -> WaitReason:
        """Of an attempt, or of a sweep's next trial, that waits for its turn."""
        since = None if attempt is None else attempt.created_at
        if not self.state.alive:
            return self._no_worker(since)
        if not self.state.hosts:
            return self._all_drain(since)
        if not self.state.has_host_for(sweep.gpus):
            return self._too_few_gpus(sweep, since)
        if self._room_now(sweep, attempt):
            return WaitReason(
                "A slot is free.", "The scheduler is about to place it.", "", since
            )
        if kept := self._kept_from(sweep, attempt):
            return self._kept(kept, since)
        fitting = self._fitting(sweep)
        if min(self._needs(sweep)) > 1 or any(host.free > 0 for host in fitting):
            return self._several(sweep, attempt, since)
        after = (
            "" if before is None else f" It comes after {self._after(before, sweep)}."
        )
        return WaitReason(
            self._taken_title(fitting), self._taken(fitting) + after, "", since
        )

    # --- hosts ------------------------------------------------------------------

    def _no_worker(self, since: datetime | None) -> WaitReason:
        command = f"python manage.py worker --pool {self.pool.name} --slots 2"
        silent = next((w for w in self.workers if w.stopped_at is None), None)
        if silent is None:
            title = f"No worker of pool {self.pool.name} runs."
            last = self.workers[0] if self.workers else None
            rest = (
                f"The last, {last.name}, was stopped." if last else "It never had one."
            )
            return WaitReason(title, rest, since=since, command=command)
        ago = duration_text((self.now - silent.seen_at).total_seconds())
        return WaitReason(
            f"No worker of pool {self.pool.name} has been heard from for {ago}.",
            f"The last was {silent.name}.",
            since=since,
            command=command,
        )

    def _all_drain(self, since: datetime | None) -> WaitReason:
        draining = [w for w in self.workers if w.draining_since and not w.stopped_at]
        names = _listed([worker.name for worker in draining])
        title = f"All hosts of pool {self.pool.name} are draining."
        if len(draining) == 1:
            title = f"Host {names} is draining."
        reason = next((w.drain_reason for w in draining if w.drain_reason), "")
        help_text = "An admin lets it have trials again, or starts another worker."
        return WaitReason(title, reason, help_text, since)

    def _too_few_gpus(self, sweep: Sweep, since: datetime | None) -> WaitReason:
        most = [(h.worker.name, len(h.worker.gpus)) for h in self.state.hosts]
        has = _listed([f"host {name} has {gpus}" for name, gpus in most])
        return WaitReason(
            f"It needs {_gpus(sweep.gpus)} on one host.",
            f"In pool {self.pool.name}, {has}.",
            "Start a worker with --gpus on a host that has so many, or change"
            " resources.gpus.",
            since,
        )

    def _needs(self, sweep: Sweep) -> list[int]:
        needs = (host.worker.slots_for(sweep.gpus) for host in self.state.hosts)
        return [need for need in needs if need is not None]

    def _fitting(self, sweep: Sweep) -> list[HostState]:
        return [h for h in self.state.hosts if h.worker.slots_for(sweep.gpus)]

    def _room_now(self, sweep: Sweep, attempt: Attempt | None) -> bool:
        found = self.state.best_host(
            sweep.gpus, attempt=attempt, priority=sweep.priority
        )
        return found is not None

    def _kept_from(self, sweep: Sweep, attempt: Attempt | None) -> HostState | None:
        """A host with room, which is kept free for another trial."""
        return next(
            (
                host
                for host in self.state.hosts
                if host.room_for(sweep.gpus)
                and host.is_kept_from(attempt, sweep.priority)
            ),
            None,
        )

    def _kept(self, host: HostState, since: datetime | None) -> WaitReason:
        kept = host.kept_for
        other = kept.trial.sweep if kept is not None else None
        name = "another trial" if other is None else self._name(other)
        needs = "" if other is None else f", which needs {_gpus(other.gpus)} there"
        return WaitReason(
            f"Host {host.worker.name} is kept free.",
            f"It is for {name}{needs} and has waited longer.",
            "",
            since,
        )

    def _several(
        self, sweep: Sweep, attempt: Attempt | None, since: datetime | None
    ) -> WaitReason:
        fitting = self._fitting(sweep)
        frees = [
            f"host {host.worker.name} has {max(0, host.free)} free" for host in fitting
        ]
        own = next((h for h in self.state.hosts if _is_kept_for(h, attempt)), None)
        per_slot = fitting[0].worker.gpus_per_slot
        need = min(self._needs(sweep))
        slots = "" if 1 in (per_slot, need) else f", which are {need} slots"
        keeping = f" Host {own.worker.name} is kept free for it." if own else ""
        return WaitReason(
            f"It needs {_gpus(sweep.gpus)} on one host{slots}.",
            f"Of the slots there, {_listed(frees)}.{keeping}",
            "",
            since,
        )

    # --- who has the slots --------------------------------------------------------

    def _taken_title(self, fitting: Sequence[HostState]) -> str:
        """Of the hosts that could have it: the pool may have free slots elsewhere."""
        slots = sum(host.worker.slots for host in fitting)
        all_fit = len(fitting) == len(self.state.hosts)
        which = "" if all_fit else " on hosts with GPUs enough for it"
        if slots == 1:
            return f"The only slot{which} of pool {self.pool.name} is taken."
        return f"All {slots} slots{which} of pool {self.pool.name} are taken."

    def _taken(self, fitting: Sequence[HostState]) -> str:
        """``By Physics (3) and Chemistry (1).``"""
        hosts = {host.worker.pk for host in fitting}
        held: Counter[str] = Counter()
        for attempt in self.state.placed:
            running = attempt.state == AttemptState.RUNNING
            place = attempt.worker_id if running else attempt.dispatched_to_id
            if place in hosts and attempt.trial.sweep is not None:
                held[attempt.trial.sweep.experiment.team.name] += attempt.slots
        by = _listed([f"{name} ({count})" for name, count in held.most_common()])
        return f"By {by}." if by else ""

    def _after(self, before: Sweep, sweep: Sweep) -> str:
        """``digits-3 (priority 5)``, or what else puts that one in front."""
        name = self._name(before)
        if before.priority > sweep.priority:
            return f"{name} (priority {before.priority})"
        if before.experiment.team_id != sweep.experiment.team_id:
            return f"{name}, a team with no more slots than its own"
        return f"{name}, which has no more slots"

    def _name(self, sweep: Sweep) -> str:
        """The sweep's name for those who may know it."""
        if sweep.experiment.team_id in self.teams:
            return sweep.label
        return f"a sweep of team {sweep.experiment.team.name}"


def _is_kept_for(host: HostState, attempt: Attempt | None) -> bool:
    kept = host.kept_for
    return kept is not None and attempt is not None and kept.pk == attempt.pk


def _gpus(count: int) -> str:
    return "1 GPU" if count == 1 else f"{count} GPUs"


def _listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``, ``a, b, c, d, e and 4 more``."""
    shown = list(parts)
    if len(shown) > MAX_LISTED:
        shown = [*shown[:MAX_LISTED], f"{len(shown) - MAX_LISTED} more"]
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
