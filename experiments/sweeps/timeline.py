"""When trials ran on which slots, and how trials ended over time, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np

from experiments.formatting import share_text
from experiments.models import Attempt, Sweep
from experiments.models.trials import AttemptState, TrialState
from experiments.search.wording import counted
from experiments.sweeps.analyses import Answer
from experiments.sweeps.columns import SweepColumns
from experiments.sweeps.trial_arrays import Codes
from experiments.sweeps.trial_data import STATES

# More bars than this are too thin to see.
MAX_ATTEMPTS = 20_000
FIELDS = (
    *("trial__number", "trial_id", "n", "trial__state", "state", "slots", "slot"),
    *("worker__name", "client", "pool__name"),
    *("claimed_at", "ended_at", "heartbeat_at"),
)
# A pause between heartbeats that is worth a hatch, in seconds.
MIN_SILENT = 60.0


@dataclass(frozen=True)
class Bar:
    """One attempt on a row of the timeline; seconds since 1970."""

    host: str
    slot: int
    span: int
    number: int
    trial_id: int
    attempt: int
    state: str
    lost: bool
    start: float
    end: float
    heartbeat: float

    @property
    def row(self) -> tuple[str, int]:
        return self.host, self.slot


def timeline_answer(sweep: Sweep, now: datetime) -> Answer:
    """Which slot ran which trial, in one query."""
    bars, total = _bars(sweep, now.timestamp())
    if not bars:
        return {"ready": False, "sentence": "No trial has started on a slot yet."}
    rows = {row: place for place, row in enumerate(sorted({b.row for b in bars}))}
    epoch = int(sweep.created_at.timestamp())
    start, end = min(b.start for b in bars), max(b.end for b in bars)
    busy = sum((bar.end - bar.start) * bar.span for bar in bars)
    lanes = len({(b.host, b.slot + k) for b in bars for k in range(b.span)})
    share = min(1.0, busy / (lanes * (end - start))) if end > start else 1.0
    silent = [bar for bar in bars if bar.lost and bar.end - bar.heartbeat >= MIN_SILENT]
    return {
        "ready": True,
        "epoch": epoch,
        "now": round(now.timestamp() - epoch, 1),
        "from": round(start - epoch, 1),
        "to": round(end - epoch, 1),
        "states": STATES,
        "slots": [{"name": _row_name(*row), "host": row[0]} for row in rows],
        "bars": _bar_columns(bars, rows, epoch),
        "silent": [
            {
                "slot": rows[bar.row],
                "from": round(bar.heartbeat - epoch, 1),
                "to": round(bar.end - epoch, 1),
            }
            for bar in silent
        ],
        "busy": round(share, 4),
        "idle": round(max(0.0, lanes * (end - start) - busy), 1),
        "total": len({bar.number for bar in bars}),
        "sentence": _timeline_sentence(bars, lanes, share, total),
    }


def _bars(sweep: Sweep, now: float) -> tuple[list[Bar], int]:
    """The newest attempts that started, and how many there are."""
    attempts = Attempt.objects.filter(trial__sweep=sweep, claimed_at__isnull=False)
    rows = list(attempts.order_by("-pk").values_list(*FIELDS)[: MAX_ATTEMPTS + 1])
    total = attempts.count() if len(rows) > MAX_ATTEMPTS else len(rows)
    return [_bar(row, now) for row in rows[:MAX_ATTEMPTS]], total


def _bar(row: tuple[Any, ...], now: float) -> Bar:
    (
        number,
        trial_id,
        n,
        trial_state,
        state,
        slots,
        slot,
        *names,
        claimed,
        ended,
        beat,
    ) = row
    worker, client, pool = names
    start = claimed.timestamp()
    return Bar(
        host=worker or client or pool or "worker that was removed",
        slot=slot or 0,
        span=slots,
        number=number,
        trial_id=trial_id,
        attempt=n,
        state=trial_state,
        lost=state == AttemptState.LOST,
        start=start,
        end=max(start, ended.timestamp() if ended else now),
        heartbeat=max(start, beat.timestamp()) if beat else start,
    )


def _row_name(host: str, slot: int) -> str:
    return f"{host} · {slot}"


def _bar_columns(
    bars: Sequence[Bar], rows: dict[tuple[str, int], int], epoch: int
) -> dict[str, list[Any]]:
    codes = {state: code for code, state in enumerate(STATES)}
    return {
        "slot": [rows[bar.row] for bar in bars],
        "span": [bar.span for bar in bars],
        "number": [bar.number for bar in bars],
        "id": [bar.trial_id for bar in bars],
        "attempt": [bar.attempt for bar in bars],
        "state": [codes[bar.state] for bar in bars],
        "lost": [int(bar.lost) for bar in bars],
        "from": [round(bar.start - epoch, 1) for bar in bars],
        "to": [round(bar.end - epoch, 1) for bar in bars],
    }


def _timeline_sentence(
    bars: Sequence[Bar], lanes: int, share: float, total: int
) -> str:
    trials = counted(len({bar.number for bar in bars}), "trial")
    sentence = f"{trials} on {counted(lanes, 'slot')}, busy {share_text(share)} of the"
    sentence += " time."
    if total > len(bars):
        sentence += f" The newest {len(bars):,} of {total:,} attempts are drawn."
    lost = sum(bar.lost for bar in bars)
    if lost:
        words = "attempt lost its worker", "attempts lost their worker"
        sentence += f" {counted(lost, *words)}."
    return sentence


# --- how trials ended -------------------------------------------------------------

BINS = 30
ENDS = (
    TrialState.COMPLETED,
    TrialState.TERMINATED,
    TrialState.FAILED,
    TrialState.CANCELLED,
)


def ends_answer(columns: SweepColumns) -> Answer:
    """How many trials ended in each way, over time."""
    data = columns.data
    has_end = np.isfinite(data.ended)
    if not has_end.any():
        return {"ready": False, "sentence": "No trial has ended yet."}
    ended = data.ended[has_end] - columns.epoch
    edges = np.linspace(ended.min(), max(ended.max(), ended.min() + 1.0), BINS + 1)
    kinds = []
    for state, reason in _kinds(data.states[has_end], data.reasons[has_end]):
        chosen = (data.states[has_end] == STATES.index(state)) & (
            (data.reasons[has_end] == reason) if reason is not None else True
        )
        counts = np.histogram(ended[chosen], edges)[0].tolist()
        word = data.reason_words[reason] if reason is not None else ""
        kinds.append(_kind(state, word, counts))
    return {
        "ready": True,
        "epoch": columns.epoch,
        "edges": np.round(edges, 1).tolist(),
        "kinds": kinds,
        "sentence": _ends_sentence(kinds),
    }


def _kinds(states: Codes, reasons: Codes) -> Iterable[tuple[TrialState, int | None]]:
    """States in their usual order; failures and cancelled ones by reason, the most
    frequent first."""
    for state in ENDS:
        own = states == STATES.index(state)
        if not own.any():
            continue
        if state in (TrialState.COMPLETED, TrialState.TERMINATED):
            yield state, None
            continue
        for reason, _ in Counter(reasons[own].tolist()).most_common():
            yield state, reason


# Reasons that do not say enough by their names.
REASON_WORDS = {
    "exit_code": "the script failed",
    "exited": "the script failed",
    "signal": "killed by a signal",
    "no_metric": "no value reported",
    "not_started": "did not start",
    "trial_timeout": "reached its time limit",
    "worker_problem": "the worker had a problem",
    "cut_off": "the worker lost the site",
    "restored": "before a restore",
    "user": "by a person",
    "stopped": "stopped",
    "policy": "by early termination",
    "target": "the target was reached",
}


def _kind(state: TrialState, reason: str, counts: list[int]) -> Answer:
    label = str(state.label).lower()
    words = REASON_WORDS.get(reason, reason.replace("_", " "))
    return {
        "key": f"{state}:{reason}" if reason else str(state),
        "state": str(state),
        "text": f"{label}: {words}" if words else label,
        "counts": counts,
        "total": sum(counts),
    }


def _ends_sentence(kinds: Sequence[Answer]) -> str:
    total = sum(kind["total"] for kind in kinds)
    parts = ", ".join(f"{kind['total']:,} {kind['text']}" for kind in kinds)
    return f"{counted(total, 'trial')} ended: {parts}."
