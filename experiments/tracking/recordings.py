"""A sweep's reports as arrays, for simulations: read in one pass, and cached."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Count, F, Max, Sum
from django.db.models.functions import Coalesce
from numpy.typing import NDArray

from experiments.db.clock import Epoch
from experiments.lru_cache import LruCache
from experiments.models import Decision, Sweep, Trial
from experiments.search.history import CODES
from experiments.search.simulation import Recording
from experiments.search.simulation.recording import losses_of
from experiments.tracking import series
from experiments.tracking.training_time import earlier, trained

# A million reports are about 40 MB.
MAX_KEPT = 4
MAX_REPORTS_KEPT = 4_000_000


class Mark(NamedTuple):
    """The key of a recording, which changes whenever a trial of the sweep does."""

    sweep: int
    trials: int
    reports: int
    changed: str

    @classmethod
    def named(cls, sweep: int, text: str) -> Mark | None:
        """The mark with this text; None if it is not valid."""
        parts = re.fullmatch(
            r"(\d{1,15})\.(\d{1,15})\.(\d{1,15}\.\d{6})?", text, re.ASCII
        )
        if parts is None:
            return None
        return cls(sweep, int(parts[1]), int(parts[2]), parts[3] or "")

    def __str__(self) -> str:
        return f"{self.trials}.{self.reports}.{self.changed}"


def mark_of(sweep: Sweep) -> Mark:
    """The sweep's mark now, by one query over its trials."""
    facts = _trials(sweep).aggregate(
        trials=Count("pk"), reports=Sum("reports"), changed=Max("updated_at")
    )
    changed = facts["changed"]
    stamp = f"{changed.timestamp():.6f}" if changed else ""
    return Mark(sweep.pk, facts["trials"], facts["reports"] or 0, stamp)


def load_recording(
    sweep: Sweep, progress: Callable[[float], None] = lambda reports: None
) -> Recording:
    """All reports of the sweep's own trials so far, in the order of arrival.

    It calls `progress` now and then with the number of reports read; that may raise.
    """
    ids, numbers, columns = _columns(sweep)
    chunks, read = [np.empty((0, 3))], 0
    for pk, points in series.reported(_trials(sweep)):
        trial = np.full(len(points), pk)
        # Processes of the site may have different clocks.
        arrived = np.maximum.accumulate(points["arrived"])
        chunks.append(np.stack((trial, points["value"], arrived / 1e6), 1))
        read += len(points)
        progress(read)
    reports = np.concatenate(chunks)
    reports = reports[np.argsort(reports[:, 2], kind="stable")]
    places, known = _places(ids, reports[:, 0])
    reports, places = reports[known], places[known]
    times = reports[:, 2].copy()
    return Recording(
        numbers=numbers,
        states=columns[:, 0].astype(np.int8),
        starts=_starts(columns[:, 1], places, times),
        seconds=_seconds(columns, places, times),
        ended_at=_ended_at(columns[:, 2], places, times),
        stopped_after=_stopped_after(sweep, ids),
        exempt=_exempt(sweep, ids),
        trials=places,
        losses=losses_of(reports[:, 1], sweep.objective),
        times=times,
        without_reports=_without_reports(sweep),
    )


def _trials(sweep: Sweep) -> Any:
    return Trial.objects.own().filter(sweep=sweep)


def _without_reports(sweep: Sweep) -> NDArray[np.float64]:
    rows = _trials(sweep).filter(reports=0).annotate(seconds=trained())
    known = rows.filter(seconds__isnull=False).values_list("seconds", flat=True)
    return np.array(list(known.order_by()), float)


def _columns(
    sweep: Sweep,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Ids and numbers of the trials, and (T, 4): state code, start, end, seconds."""
    rows = list(
        _trials(sweep)
        .filter(reports__gt=0)
        .order_by("number")
        .values_list(
            "pk",
            "number",
            "state",
            Epoch("current_attempt__claimed_at"),
            Epoch("ended_at"),
            "current_attempt__elapsed",
            Coalesce(earlier(), 0.0),
        )
    )
    ids = np.array([row[0] for row in rows], np.int64)
    numbers = np.array([row[1] for row in rows], np.int64)
    table = np.array([(CODES[row[2]], *row[3:]) for row in rows], float)
    state, claimed, ended, seconds, before = table.reshape(-1, 5).T
    # The time of earlier attempts counts as if the last one had begun sooner.
    columns = np.stack((state, claimed - before, ended, seconds + before), axis=1)
    return ids, numbers, columns


def _places(
    ids: NDArray[np.int64], trials: NDArray[np.float64]
) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """The place of each report's trial, and which of them are known."""
    if not len(ids):
        return np.zeros(len(trials), np.int32), np.zeros(len(trials), np.bool_)
    order = np.argsort(ids)
    found = np.searchsorted(ids[order], trials).clip(0, len(ids) - 1)
    places = order[found]
    return places.astype(np.int32), ids[places] == trials


def _starts(
    claimed: NDArray[np.float64],
    places: NDArray[np.int32],
    times: NDArray[np.float64],
) -> NDArray[np.float64]:
    """When each trial was claimed, or its first report if that is unknown."""
    first = np.full(len(claimed), np.inf)
    np.minimum.at(first, places, times)
    return np.where(np.isfinite(claimed), claimed, first)


def _seconds(
    columns: NDArray[np.float64],
    places: NDArray[np.int32],
    times: NDArray[np.float64],
) -> NDArray[np.float64]:
    """How long each trial trained; up to its last report while it runs."""
    last = np.full(len(columns), -np.inf)
    np.maximum.at(last, places, times)
    so_far = np.maximum(last - _starts(columns[:, 1], places, times), 0.0)
    elapsed = columns[:, 3]
    return np.where(np.isfinite(elapsed), elapsed, so_far)


def _ended_at(
    ended: NDArray[np.float64],
    places: NDArray[np.int32],
    times: NDArray[np.float64],
) -> NDArray[np.int64]:
    """How many reports had arrived when each trial ended; -1 for live trials.

    Clocks differ a little, but a trial's own reports always precede its end.
    """
    arrived = np.searchsorted(np.maximum.accumulate(times), ended, side="right")
    own = np.zeros(len(ended), np.int64)
    np.maximum.at(own, places, np.arange(1, len(places) + 1))
    return np.where(np.isfinite(ended), np.maximum(arrived, own), -1)


def _stopped_after(sweep: Sweep, ids: NDArray[np.int64]) -> NDArray[np.int64]:
    """The report after which a policy really ended each trial, 0 for none."""
    stops = dict(
        Decision.objects.filter(
            trial__sweep=sweep, stop=True, attempt=F("trial__current_attempt")
        ).values_list("trial_id", "n")
    )
    return np.array([stops.get(pk, 0) for pk in ids.tolist()], np.int64)


def _exempt(sweep: Sweep, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which trials no policy may end, as their requests say."""
    exempt = set(_trials(sweep).filter(runs_to_end=True).values_list("pk", flat=True))
    return np.array([pk in exempt for pk in ids.tolist()], np.bool_)


class RecordingCache(LruCache[Mark, Recording]):
    """The recordings used last, by mark."""

    def __init__(self) -> None:
        least = MAX_REPORTS_KEPT // MAX_KEPT
        super().__init__(MAX_REPORTS_KEPT, size=lambda found: max(least, found.size))
