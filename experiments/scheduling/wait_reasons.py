"""Why queued trials wait, in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from experiments.cleanup import quotas
from experiments.formatting import duration_text
from experiments.models import Attempt, Pool, Sweep, Worker
from experiments.models.sweeps import SweepState
from experiments.models.trials import AttemptState
from experiments.scheduling.pools import HostState, PoolState, is_held, retry_delay
from experiments.search.fields import listed
from experiments.search.wording import counted

# Of more hosts or teams than this the rest is only counted.
MAX_LISTED = 5


@dataclass(frozen=True)
class WaitReason:
    """The cause, details, and what helps; `command` is what a person can run."""

    cause: str
    detail: str = ""
    help_text: str = ""
    command: str = ""


@dataclass(frozen=True)
class WaitReasons:
    """The reasons in one pool at one moment, for a reader who may know the sweeps of
    some teams. `workers` are all of the pool, the last heartbeat first."""

    pool: Pool
    state: PoolState
    workers: Sequence[Worker]
    teams: Collection[int]
    now: datetime

    def dispatched(self, attempt: Attempt) -> WaitReason:
        """Of an attempt that was dispatched to a host."""
        hosts = (host.worker for host in self.state.hosts)
        worker = next((w for w in hosts if w.pk == attempt.dispatched_to_id), None)
        if worker is None:
            return self._no_worker()
        ago = self._ago(attempt.dispatched_at or self.now)
        return WaitReason(
            f"Host {worker.name} is about to start it.", f"Dispatched {ago} ago."
        )

    def held(self, attempt: Attempt) -> WaitReason:
        """Of an attempt that may not have a slot now."""
        sweep = attempt.trial.sweep
        if sweep is not None and sweep.state == SweepState.PAUSED:
            return WaitReason("Its sweep is paused.", sweep.message, "Resume it.")
        if sweep is not None and sweep.state != SweepState.RUNNING:
            return WaitReason(f"Its sweep is {sweep.state}.", "It ends in a moment.")
        if sweep is not None and is_held(attempt):
            return self.over_quota(sweep)
        left = attempt.created_at + retry_delay(attempt.n) - self.now
        return WaitReason(
            f"It is tried again in {duration_text(max(0.0, left.total_seconds()))}.",
            f"This is attempt {attempt.n}. The delay grows with each lost attempt.",
        )

    def over_quota(self, sweep: Sweep) -> WaitReason:
        """Of a sweep whose new trials wait, and of its attempts."""
        team = sweep.experiment.team
        return WaitReason(quotas.over_quota_text(team), help_text=quotas.ADVICE)

    def open(
        self, sweep: Sweep, attempt: Attempt | None, before: Sweep | None
    ) -> WaitReason:
        """Of an attempt, or a sweep's next trial, that comes after sweep `before`."""
        if not self.state.alive:
            return self._no_worker()
        if not self.state.hosts:
            return self._all_drain()
        if not self.state.has_host_for(sweep.gpus):
            return self._too_few_gpus(sweep)
        if self.state.best_host(sweep.gpus, attempt=attempt, priority=sweep.priority):
            return WaitReason("A slot is free.", "The scheduler is about to place it.")
        if reserved := self._reserved(sweep, attempt):
            return reserved
        fitting = [h for h in self.state.hosts if h.worker.slots_for(sweep.gpus)]
        need = min(host.worker.slots_for(sweep.gpus) or 1 for host in fitting)
        if need > 1 or any(host.free > 0 for host in fitting):
            return self._several(sweep, attempt, fitting, need)
        after = f" It comes after {self._after(before, sweep)}." if before else ""
        return WaitReason(self._taken_title(fitting), self._taken(fitting) + after)

    def _ago(self, moment: datetime) -> str:
        return duration_text((self.now - moment).total_seconds())

    # --- hosts ------------------------------------------------------------------

    def _no_worker(self) -> WaitReason:
        command = f"python manage.py worker --pool {self.pool.name} --slots 2"
        silent = next((w for w in self.workers if w.stopped_at is None), None)
        if silent is not None:
            ago = self._ago(silent.seen_at)
            cause = (
                f"No worker of pool {self.pool.name} has sent a heartbeat for {ago}."
            )
            detail = f"The last was {silent.name}."
        else:
            cause = f"No worker of pool {self.pool.name} runs."
            last = self.workers[0] if self.workers else None
            detail = f"The last, {last.name}, was stopped." if last else ""
        return WaitReason(cause, detail, f"Start one with {command}", command)

    def _all_drain(self) -> WaitReason:
        draining = [w for w in self.workers if w.draining_since and not w.stopped_at]
        cause = f"All hosts of pool {self.pool.name} are draining."
        if len(draining) == 1:
            cause = f"Host {draining[0].name} is draining."
        reason = next((w.drain_reason for w in draining if w.drain_reason), "")
        help_text = "An admin can take it back or start another worker."
        return WaitReason(cause, reason, help_text)

    def _too_few_gpus(self, sweep: Sweep) -> WaitReason:
        workers = [host.worker for host in self.state.hosts]
        has = _listed(f"host {w.name} has {len(w.gpus)}" for w in workers)
        return WaitReason(
            f"It needs {counted(sweep.gpus, 'GPU')} on one host.",
            f"In pool {self.pool.name}, {has}.",
            "Start a worker with --gpus on a host with enough GPUs, or change"
            " resources.gpus.",
        )

    def _reserved(self, sweep: Sweep, attempt: Attempt | None) -> WaitReason | None:
        """Where a host has room, but is reserved for another trial."""
        for host in self.state.hosts:
            owner = host.reserved_for
            if (
                owner is None
                or not host.room_for(sweep.gpus)
                or not host.is_reserved(attempt, sweep.priority)
            ):
                continue
            other = owner.trial.sweep
            needs = counted(other.gpus if other else 0, "GPU")
            name = self._name(other) if other else "another trial"
            return WaitReason(
                f"Host {host.worker.name} is reserved.",
                f"It is for {name}, which needs {needs} there and has waited longer.",
            )
        return None

    def _several(
        self,
        sweep: Sweep,
        attempt: Attempt | None,
        fitting: Sequence[HostState],
        need: int,
    ) -> WaitReason:
        free = _listed(f"host {h.worker.name} has {max(0, h.free)}" for h in fitting)
        slots = ""
        if need > 1 and fitting[0].worker.gpus_per_slot > 1:
            slots = f", which are {need} slots"
        own = [h for h in self.state.hosts if attempt and h.reserved_for == attempt]
        reserved = f" Host {own[0].worker.name} is reserved for it." if own else ""
        return WaitReason(
            f"It needs {counted(sweep.gpus, 'GPU')} on one host{slots}.",
            f"Free slots: {free}.{reserved}",
        )

    # --- who has the slots --------------------------------------------------------

    def _taken_title(self, fitting: Sequence[HostState]) -> str:
        """Of the hosts that could have it: the pool may have free slots elsewhere."""
        all_fit = len(fitting) == len(self.state.hosts)
        which = "" if all_fit else " on hosts with enough GPUs"
        return f"No slot{which} of pool {self.pool.name} is free."

    def _taken(self, fitting: Sequence[HostState]) -> str:
        """``Used by Physics (3) and Chemistry (1).``"""
        hosts = {host.worker.pk for host in fitting}
        taken: Counter[str] = Counter()
        for attempt in self.state.placed:
            running = attempt.state == AttemptState.RUNNING
            place = attempt.worker_id if running else attempt.dispatched_to_id
            if place in hosts and attempt.trial.sweep is not None:
                taken[attempt.trial.sweep.experiment.team.name] += attempt.slots
        by = _listed(f"{name} ({count})" for name, count in taken.most_common())
        return f"Used by {by}." if by else ""

    def _after(self, before: Sweep, sweep: Sweep) -> str:
        """``digits-3 (priority 5)``, or why else that sweep comes first."""
        name = self._name(before)
        if before.priority > sweep.priority:
            return f"{name} (priority {before.priority})"
        if before.experiment.team_id != sweep.experiment.team_id:
            return f"{name}, a team with no more slots than its own"
        return f"{name}, which has no more slots"

    def _name(self, sweep: Sweep) -> str:
        """The sweep's name, if the reader may know it."""
        if sweep.experiment.team_id in self.teams:
            return sweep.label
        return f"a sweep of team {sweep.experiment.team.name}"


def _listed(parts: Iterable[str]) -> str:
    """``a, b and c``, or ``a, b, c, d, e and 4 more``."""
    shown = list(parts)
    if len(shown) > MAX_LISTED:
        shown = [*shown[:MAX_LISTED], f"{len(shown) - MAX_LISTED} more"]
    return listed(shown)
