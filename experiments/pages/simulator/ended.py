"""The trials that a policy would have ended, and when: a picture and a list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from experiments.models import Sweep
from experiments.pages.simulator.outcomes import PolicyOutcome
from experiments.search.simulation import Evaluation
from experiments.search.wording import counted

# With more rows than this each row shows several trials.
MAX_ROWS = 80
MAX_LISTED = 50
ROW, GAP = 6, 1
AXIS_TICKS = 4
STEPS = [lead * 10**power for power in range(7) for lead in (1, 2, 5)]


@dataclass(frozen=True)
class EndedRow:
    """One row of the picture: its kept and its saved reports."""

    y: int
    kept: float
    saved: float
    ended: bool
    best: bool


@dataclass(frozen=True)
class EndedMap:
    """Rows from the best trial down, over `width` reports."""

    bars: Sequence[EndedRow]
    width: int
    height: int
    each: int
    trials: int
    label: str

    @property
    def row(self) -> int:
        return ROW

    @property
    def mark(self) -> float:
        """The width of the mark of an end."""
        return self.width / 90

    @property
    def places(self) -> list[tuple[int, float]]:
        """A few round ranks, each with its height in percent."""
        step = next((s for s in STEPS if s * AXIS_TICKS >= self.trials), self.trials)
        ranks = [1, *range(step, self.trials + 1, step)] if step > 1 else [1]
        return [(rank, self._middle(rank)) for rank in ranks]

    @property
    def reports(self) -> list[tuple[int, float]]:
        """A few round report numbers, each with its place in percent."""
        step = next((s for s in STEPS if s * AXIS_TICKS >= self.width), self.width)
        found = [1, *range(step, self.width + 1, step)] if step > 1 else [1]
        return [(n, round(100 * (n - 0.5) / self.width, 2)) for n in found]

    def _middle(self, rank: int) -> float:
        """The middle of a rank's row, in percent of the height."""
        row = (rank - 1) // self.each
        return round(100 * (row * (ROW + GAP) + ROW / 2) / self.height, 2)


@dataclass(frozen=True)
class EndedTrial:
    """One trial that would have been ended."""

    pk: int | None
    number: int
    rank: int | None
    value: float | None
    report: int
    of: int
    moment: datetime
    saved: float


def ended_map(outcome: PolicyOutcome, evaluation: Evaluation) -> EndedMap:
    order = _by_rank(evaluation)
    cut = np.where(
        outcome.ends > 0, evaluation.cut(outcome.ends), evaluation.all_reports
    )[order]
    whole = evaluation.all_reports[order]
    each = -(-len(order) // MAX_ROWS) if len(order) else 1
    groups = [slice(start, start + each) for start in range(0, len(order), each)]
    ended = outcome.ends[order] > 0
    bars = [
        EndedRow(
            y=row * (ROW + GAP),
            kept=round(float(cut[group].mean()), 2),
            saved=round(float((whole[group] - cut[group]).mean()), 2),
            ended=bool(ended[group].any()),
            best=row == 0 and not ended[0],
        )
        for row, group in enumerate(groups)
    ]
    return EndedMap(
        bars=bars,
        width=max(1, int(whole.max(initial=1))),
        height=max(1, len(bars) * (ROW + GAP)),
        each=each,
        trials=len(order),
        label=_label(outcome, evaluation),
    )


def _label(outcome: PolicyOutcome, evaluation: Evaluation) -> str:
    ended = int((outcome.ends > 0).sum())
    trials = len(evaluation.recording.numbers)
    reports = outcome.ends[outcome.ends > 0]
    if not ended:
        return f"None of {counted(trials, 'trial')} would have been ended."
    return (
        f"{ended:,} of {counted(trials, 'trial')} would have been ended, half of them "
        f"by report {int(np.median(reports)):,}."
    )


def _by_rank(evaluation: Evaluation) -> NDArray[np.intp]:
    """The indices of the trials, the best first."""
    return np.lexsort((evaluation.recording.numbers, evaluation.finals))


def ended_trials(
    sweep: Sweep, outcome: PolicyOutcome, evaluation: Evaluation
) -> list[EndedTrial]:
    """The ended trials, the best first, at most MAX_LISTED."""
    recording = evaluation.recording
    order = _by_rank(evaluation)
    chosen = order[outcome.ends[order] > 0][:MAX_LISTED].tolist()
    numbers = [int(recording.numbers[place]) for place in chosen]
    ids = dict(sweep.trials.filter(number__in=numbers).values_list("number", "pk"))
    spent = recording.spent(evaluation.cut(outcome.ends))
    return [
        EndedTrial(
            pk=ids.get(number),
            number=number,
            rank=_rank(evaluation, place),
            value=_value(sweep, evaluation, place),
            report=int(outcome.ends[place]),
            of=int(evaluation.all_reports[place]),
            moment=_moment(evaluation, place, int(outcome.ends[place])),
            saved=max(0.0, float(evaluation.all_seconds[place] - spent[place])),
        )
        for number, place in zip(numbers, chosen, strict=True)
    ]


def _rank(evaluation: Evaluation, place: int) -> int | None:
    known = np.isfinite(evaluation.finals[place])
    return int(evaluation.ranks[place]) if known else None


def _value(sweep: Sweep, evaluation: Evaluation, place: int) -> float | None:
    loss = float(evaluation.finals[place])
    return sweep.objective.value(loss) if np.isfinite(loss) else None


def _moment(evaluation: Evaluation, place: int, report: int) -> datetime:
    moment = evaluation.recording.moment(place, report)
    return datetime.fromtimestamp(moment, UTC)
