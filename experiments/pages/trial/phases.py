"""How a trial spent its time, its earlier attempts, and its command to run by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from experiments.formatting import duration_text
from experiments.models import Attempt, Trial
from experiments.models.trials import AttemptState
from experiments.runner.stopping import exit_in_short
from experiments.search.wording import counted
from experiments.tracking.training_time import attempt_seconds

# What happened to attempts that were lost, by reason.
LOST_WORDS = {
    "released": "returned to the queue",
    "paused": "stopped by a pause",
    "worker_problem": "not started: a problem of the worker",
    "cut_off": "cut off from the site",
    "silent": "lost: no heartbeat",
    "restored": "lost: the site was restored",
}
LOSS_VERBS = {
    "released": "was returned to the queue",
    "paused": "was stopped when the sweep was paused",
    "worker_problem": "could not run, because of a problem of the worker,",
    "cut_off": "was ended by its runner, which was cut off from the site,",
    "silent": "was lost, as it sent no heartbeat,",
    "restored": "was lost, as the site was restored from a backup,",
}
# The length of the bar, and the shortest phase, in units of its SVG.
BAR = 1_000
MIN_WIDTH = 8
# Seconds besides training that are worth a line.
MIN_AROUND = 2.0


@dataclass(frozen=True)
class Phase:
    """One line: what, how long or where, and when it began."""

    name: str
    detail: str
    at: datetime | None


@dataclass(frozen=True)
class PhaseSpan:
    """One part of the bar. ``kind``: queued, training, stopping."""

    kind: str
    x: int
    width: int


def phases(trial: Trial, attempt: Attempt, now: datetime) -> list[Phase]:
    return list(_phases(trial, attempt, now))


def _phases(trial: Trial, attempt: Attempt, now: datetime) -> Iterator[Phase]:
    claimed = attempt.claimed_at or attempt.ended_at
    yield Phase(
        "queued", _between(attempt.created_at, claimed or now), attempt.created_at
    )
    if attempt.resumed_from is not None:
        yield Phase("resumed", _resumed_words(attempt), attempt.claimed_at)
    if attempt.claimed_at is not None:
        yield _work(attempt, attempt.claimed_at, now)
        yield from _around(attempt, attempt.claimed_at)
    if attempt.stop_requested_at is not None:
        where = f"report {trial.reports}" if trial.reports else ""
        yield Phase("asked to stop", where, attempt.stop_requested_at)
    if attempt.release_requested_at is not None:
        yield Phase("asked to return", "", attempt.release_requested_at)
    if attempt.ended_at is not None:
        yield Phase(_end_words(attempt), _end_detail(attempt), attempt.ended_at)


def _work(attempt: Attempt, claimed: datetime, now: datetime) -> Phase:
    """Training, or the preparation that the attempt is in or ended in."""
    if attempt.phase:
        return Phase(attempt.phase, _between(claimed, attempt.ended_at or now), claimed)
    return Phase("training", duration_text(attempt_seconds(attempt, now)), claimed)


def _around(attempt: Attempt, claimed: datetime) -> Iterator[Phase]:
    """What a worker did besides training: code and packages, files and log."""
    is_lost, ended = attempt.state == AttemptState.LOST, attempt.ended_at
    if is_lost or ended is None or not attempt.elapsed or attempt.worker_id is None:
        return
    seconds = (ended - claimed).total_seconds() - attempt.elapsed
    if seconds >= MIN_AROUND:
        yield Phase("before and after training", duration_text(seconds), None)


def _between(start: datetime, end: datetime) -> str:
    return duration_text(max(0.0, (end - start).total_seconds()))


def _resumed_words(attempt: Attempt) -> str:
    """The attempt whose outputs it uses."""
    files = counted(attempt.resumed_files, "file")
    return f"from attempt {attempt.resumed_from}, {files}"


def _end_words(attempt: Attempt) -> str:
    if attempt.state == AttemptState.LOST:
        return LOST_WORDS.get(attempt.reason, "lost")
    if attempt.claimed_at is None:
        return "withdrawn"
    if attempt.exit_code is None and attempt.signal is None:
        return "ended"
    return exit_in_short(attempt.exit_code, attempt.signal)


def _end_detail(attempt: Attempt) -> str:
    if attempt.stop_requested_at is None or attempt.ended_at is None:
        return ""
    return f"{_between(attempt.stop_requested_at, attempt.ended_at)} later"


def bar(attempt: Attempt, now: datetime) -> list[PhaseSpan]:
    """The phases of one attempt, to scale."""
    end = attempt.ended_at or now
    claimed = attempt.claimed_at or end
    stop = min(attempt.stop_requested_at or end, end)
    spans = [
        ("queued", attempt.created_at, claimed),
        ("training", claimed, max(claimed, stop)),
        ("stopping", max(claimed, stop), end),
    ]
    lengths = [(kind, (to - start).total_seconds()) for kind, start, to in spans]
    return _scaled([(kind, length) for kind, length in lengths if length > 0])


def _scaled(lengths: Sequence[tuple[str, float]]) -> list[PhaseSpan]:
    total = sum(length for _, length in lengths) or 1.0
    parts: list[PhaseSpan] = []
    x = 0
    for kind, length in lengths:
        width = max(MIN_WIDTH, round(BAR * length / total))
        parts.append(PhaseSpan(kind, x, width))
        x += width
    return parts


def earlier(attempts: Sequence[Attempt], current: Attempt | None) -> list[str]:
    """A sentence for every attempt before the current one."""
    current_n = current.n if current else 0
    return [_sentence(attempt) for attempt in attempts if attempt.n < current_n]


def _sentence(attempt: Attempt) -> str:
    where = f" on {attempt.worker.name}" if attempt.worker else ""
    if attempt.client and not where:
        where = f" at {attempt.client}"
    end = attempt.ended_at
    since = attempt.claimed_at or attempt.created_at
    after = f" after {_between(since, end)}" if end else ""
    lost = attempt.state == AttemptState.LOST
    verb = LOSS_VERBS.get(attempt.reason, "was lost") if lost else "ended"
    message = f": {attempt.message.rstrip('.')}." if attempt.message else "."
    resumed = ""
    if attempt.resumed_from is not None:
        resumed = f" It had resumed {_resumed_words(attempt)}."
    return f"Attempt {attempt.n} {verb}{where}{after}{message}{resumed}"


def attempts_in_words(attempts: Sequence[Attempt]) -> str:
    """``One attempt, one worker``, ``2 attempts, slot 1 on ada-01``."""
    count = len(attempts)
    words = "One attempt" if count == 1 else f"{count} attempts"
    place = slot_words(attempts[-1]) if attempts else ""
    return f"{words}, {place}" if place else words


def slot_words(attempt: Attempt | None) -> str:
    """``slot 2 on ada-01``, ``run by host-1``, or nothing before it began."""
    if attempt is None:
        return ""
    if attempt.worker is None and attempt.client:
        return f"run by {attempt.client}"
    if attempt.worker is None or attempt.slot is None:
        return ""
    return f"slot {attempt.slot} on {attempt.worker.name}"
