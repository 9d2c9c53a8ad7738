"""A host's row on the pools page: what its slots do, and how busy it was lately."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache

from experiments.formatting import bytes_text
from experiments.models import Attempt, Team, Trial, Worker
from experiments.models.trials import AttemptState
from experiments.models.workers import SILENT_AFTER
from experiments.scheduling.occupancy import SlotView
from experiments.search.fields import listed
from experiments.tracking.training_time import attempt_seconds

# Columns of the map of slots; a trial with more slots spans all of them.
MAX_COLUMNS = 4
HOUR = timedelta(hours=1)
BUCKETS = 30
BAR_HEIGHT = 20
# Seconds for which a page shows the same load again.
LOAD_CACHED_FOR = 20
FORGETTABLE_AFTER = timedelta(minutes=10)
# Bytes: a host with less free disk shows it.
LITTLE_DISK = 5e9


@dataclass(frozen=True)
class SlotCell:
    """``kind``: own, other, free, closed or silent. ``percent`` of the usual number of
    reports; None while that is unknown."""

    kind: str
    title: str
    note: str
    url: str = ""
    seconds: float | None = None
    percent: int | None = None
    span: int = 1

    @property
    def columns(self) -> int:
        return min(self.span, MAX_COLUMNS)


@dataclass(frozen=True)
class Viewpoint:
    """The teams whose work the viewer may see, and by sweep the reports of its longest
    completed trial."""

    teams: Collection[int]
    usual_reports: Mapping[int, int]
    now: datetime


def slot_cell(slot: SlotView, view: Viewpoint) -> SlotCell:
    attempt = slot.attempt
    if attempt is not None:
        return _trial_cell(slot, attempt, view)
    place = _place(slot) or f"slot {slot.index + 1}"
    kind = {"draining": "closed", "silent": "silent"}.get(slot.state, "free")
    return SlotCell(kind, kind, place, span=slot.span)


def _trial_cell(slot: SlotView, attempt: Attempt, view: Viewpoint) -> SlotCell:
    trial = attempt.trial
    team = team_of(trial)
    own = team.pk in view.teams
    usual = view.usual_reports.get(trial.sweep_id or 0, 0)
    place = _place(slot)
    notes = [place] if place else []
    if slot.state == "silent":
        notes.append("silent")
    elif slot.state == "promised":
        notes.append("about to start")
    elif own:
        notes.append(attempt.phase or _reports(attempt, usual))
    else:
        notes.append("another team\u2019s")
    return SlotCell(
        kind="silent" if slot.state == "silent" else "own" if own else "other",
        title=trial.label if own else team.name,
        note=", ".join(notes),
        url=trial.get_absolute_url() if own else "",
        seconds=attempt_seconds(attempt, view.now),
        percent=min(100, 100 * trial.reports // usual) if usual else None,
        span=slot.span,
    )


def team_of(trial: Trial) -> Team:
    """The team of the experiment, which `occupancy` has loaded."""
    team: Team = (trial.sweep or trial).experiment.team
    return team


def _place(slot: SlotView) -> str:
    """``GPU 0``, ``GPU 0 and 1``, ``GPU 0, 1 and 2``; empty without GPUs."""
    return f"GPU {listed(map(str, slot.devices))}" if slot.devices else ""


def _reports(attempt: Attempt, usual: int) -> str:
    """``17 of 30``, or ``17 reports`` while no trial of the sweep has completed."""
    reports = attempt.trial.reports
    if 0 < usual >= reports:
        return f"{reports} of {usual}"
    return "1 report" if reports == 1 else f"{reports or 'no'} reports"


@dataclass(frozen=True)
class HostLoad:
    """``share`` of the host's slots over the hour; ``bars``: heights in pixels, the
    oldest first."""

    share: float
    bars: Sequence[int]

    @property
    def outline(self) -> str:
        """All bars as one SVG path, each 4 pixels wide."""
        bars = (
            f"M{4 * i} {BAR_HEIGHT}v-{bar}h3v{bar}z"
            for i, bar in enumerate(self.bars)
            if bar
        )
        return "".join(bars)


IDLE = HostLoad(0.0, (0,) * BUCKETS)


def host_loads(workers: Sequence[Worker], now: datetime) -> Mapping[int, HostLoad]:
    """By worker, in one query; none if the same was asked for just before."""
    key = f"busy-hosts-{hash(tuple(worker.pk for worker in workers))}"
    known: Mapping[int, HostLoad] | None = cache.get(key)
    if known is None:
        known = measure(workers, now)
        cache.set(key, known, LOAD_CACHED_FOR)
    return known


def measure(workers: Sequence[Worker], now: datetime) -> Mapping[int, HostLoad]:
    seconds = {worker.pk: [0.0] * BUCKETS for worker in workers}
    width = HOUR.total_seconds() / BUCKETS
    for worker, slots, begin, end in _runs(list(seconds), now - HOUR):
        _add(seconds[worker], slots, (begin, end or now), now - HOUR, width)
    return {
        worker.pk: _busy(seconds[worker.pk], worker.slots * width) for worker in workers
    }


def _runs(
    workers: Sequence[int], since: datetime
) -> Sequence[tuple[int, int, datetime, datetime | None]]:
    """Worker, slots, begin and end of what ran since then. A lost attempt held its slot
    until its last heartbeat."""
    rows = Attempt.objects.filter(
        worker__in=workers,
        state__in=(AttemptState.RUNNING, AttemptState.FINISHED, AttemptState.LOST),
        heartbeat_at__gt=since,
        claimed_at__isnull=False,
    ).values_list("worker", "slots", "claimed_at", "heartbeat_at", "state")
    return [
        (worker, slots, begin, None if state == AttemptState.RUNNING else reachable)
        for worker, slots, begin, reachable, state in rows.order_by().iterator()
        if worker is not None and begin is not None
    ]


def _add(
    buckets: list[float],
    slots: int,
    span: tuple[datetime, datetime],
    since: datetime,
    width: float,
) -> None:
    """Add to each bucket its seconds of the span, times the slots."""
    begin = max(0.0, (span[0] - since).total_seconds())
    end = min(width * BUCKETS, (span[1] - since).total_seconds())
    while begin < end:
        bucket = min(int(begin / width), BUCKETS - 1)
        edge = min(end, (bucket + 1) * width)
        buckets[bucket] += slots * (edge - begin)
        begin = edge if edge > begin else end


def _busy(buckets: Sequence[float], capacity: float) -> HostLoad:
    shares = [min(1.0, seconds / capacity) for seconds in buckets]
    bars = [max(round(share * BAR_HEIGHT), 1 if share else 0) for share in shares]
    return HostLoad(sum(shares) / BUCKETS, bars)


@dataclass(frozen=True)
class HostCard:
    """One worker's row. ``forgettable``: it holds no trial and was silent for long."""

    worker: Worker
    cells: Sequence[SlotCell]
    busy: HostLoad
    silent: bool
    forgettable: bool = False

    @property
    def machine(self) -> tuple[int, str]:
        return self.worker.pool_id, self.worker.host

    @property
    def draining(self) -> bool:
        return self.worker.draining_since is not None

    @property
    def state(self) -> str:
        """The name of the row's glyph and style."""
        return "failed" if self.silent else "paused" if self.draining else "completed"

    @property
    def state_words(self) -> str:
        words = {"failed": "silent", "paused": "draining", "completed": "takes trials"}
        return words[self.state]

    @property
    def busy_slots(self) -> int:
        return sum(cell.span for cell in self.cells if cell.kind in ("own", "other"))

    @property
    def usable(self) -> int:
        """Slots that take trials, now or once their present trial has ended."""
        return 0 if self.silent or self.draining else self.worker.slots

    @property
    def running(self) -> int:
        """Trials that run there."""
        return sum(cell.seconds is not None for cell in self.cells)

    @property
    def empty(self) -> bool:
        """Whether nothing runs there."""
        return all(cell.kind in ("free", "closed") for cell in self.cells)

    @property
    def drain_words(self) -> str:
        """The end of "Draining since 14:02": the reason, and a full stop."""
        reason = self.worker.drain_reason.strip()
        text = f": {reason}" if reason else ""
        return text if text.endswith((".", "!", "?")) else f"{text}."

    @property
    def lost(self) -> Sequence[SlotCell]:
        """What ran there when it stopped responding."""
        return [cell for cell in self.cells if cell.kind == "silent" and cell.seconds]

    @property
    def facts(self) -> str:
        """``4 slots, 8 cores, 31 GB``, or ``2 slots, 2 A4000``."""
        return ", ".join(_facts(self.worker))


def is_silent(
    worker: Worker, now: datetime, *, after: timedelta = SILENT_AFTER
) -> bool:
    return worker.seen_at < now - after


def _facts(worker: Worker) -> Iterator[str]:
    yield "1 slot" if worker.slots == 1 else f"{worker.slots} slots"
    gpus = [str(device.get("name") or "GPU") for device in worker.gpus]
    yield from (
        f"{n} \N{MULTIPLICATION SIGN} {name}" for name, n in Counter(gpus).items()
    )
    if worker.gpus and worker.gpus_per_slot != 1:
        yield f"{worker.gpus_per_slot} a slot"
    cores = number(worker.facts, "cpus")
    if cores:
        yield "1 core" if cores == 1 else f"{cores:.0f} cores"
    if memory := number(worker.facts, "memory"):
        yield bytes_text(memory)
    if 0 < (free := number(worker.facts, "disk_free")) < LITTLE_DISK:
        yield f"only {bytes_text(free)} of disk left"


def number(facts: Mapping[str, object], name: str) -> float:
    """A number that the host reported; 0 for anything else."""
    value = facts.get(name) if isinstance(facts, dict) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    return 0.0
