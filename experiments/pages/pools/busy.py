"""How busy each host was in the last hour, and in each few minutes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.core.cache import cache

from experiments.models import Attempt, Worker
from experiments.models.trials import AttemptState

HOUR = timedelta(hours=1)
BUCKETS = 30
# Seconds for which a page shows what was counted before.
KEPT_FOR = 20
BAR_HEIGHT = 20


@dataclass(frozen=True)
class Busy:
    """``share`` of the host's slots over the hour; ``bars``: heights in pixels, the
    oldest first."""

    share: float
    bars: Sequence[int]

    @property
    def outline(self) -> str:
        """All bars as one path of a picture with 4 pixels for each."""
        bars = (
            f"M{4 * i} {BAR_HEIGHT}v-{bar}h3v{bar}z"
            for i, bar in enumerate(self.bars)
            if bar
        )
        return "".join(bars)


IDLE = Busy(0.0, (0,) * BUCKETS)


def busy_hosts(workers: Sequence[Worker], now: datetime) -> Mapping[int, Busy]:
    """By worker; one query, and none when the same was asked a moment ago."""
    key = f"busy-hosts-{hash(tuple(worker.pk for worker in workers))}"
    known: Mapping[int, Busy] | None = cache.get(key)
    if known is None:
        known = measure(workers, now)
        cache.set(key, known, KEPT_FOR)
    return known


def measure(workers: Sequence[Worker], now: datetime) -> Mapping[int, Busy]:
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
    """Worker, slots, begin and end of what ran since then. A lost attempt held its
    slot until it was last heard of, and not until it was given up."""
    rows = Attempt.objects.filter(
        worker__in=workers,
        state__in=(AttemptState.RUNNING, AttemptState.FINISHED, AttemptState.LOST),
        heartbeat_at__gt=since,
        claimed_at__isnull=False,
    ).values_list("worker", "slots", "claimed_at", "heartbeat_at", "state")
    return [
        (worker, slots, begin, None if state == AttemptState.RUNNING else heard)
        for worker, slots, begin, heard, state in rows.order_by().iterator()
        if worker is not None and begin is not None
    ]


def _add(
    buckets: list[float],
    slots: int,
    span: tuple[datetime, datetime],
    since: datetime,
    width: float,
) -> None:
    """Give each bucket the seconds of the span that lie in it, times the slots."""
    begin = max(0.0, (span[0] - since).total_seconds())
    end = min(width * BUCKETS, (span[1] - since).total_seconds())
    while begin < end:
        bucket = min(int(begin / width), BUCKETS - 1)
        edge = min(end, (bucket + 1) * width)
        buckets[bucket] += slots * (edge - begin)
        begin = edge if edge > begin else end


def _busy(buckets: Sequence[float], capacity: float) -> Busy:
    shares = [min(1.0, seconds / capacity) for seconds in buckets]
    bars = [max(round(share * BAR_HEIGHT), 1 if share else 0) for share in shares]
    return Busy(sum(shares) / BUCKETS, bars)
