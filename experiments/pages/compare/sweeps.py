"""Sweeps side by side: what each found, what it cost, and how they differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np

from experiments.formatting import (
    duration_text,
    metric_text,
    number_text,
    share_text,
)
from experiments.models import Sweep, Trial
from experiments.models.trials import TrialState
from experiments.pages.compare.comparison import shared_measure
from experiments.pages.compare.lead import plain_text
from experiments.pages.compare.table import (
    ComparedCell,
    ComparedRow,
    ComparedSection,
    CostBar,
    bars_of,
    cost_row,
    metric_row,
    plain_row,
)
from experiments.pages.sweep.head import sweep_facts
from experiments.reports.figures import improvements
from experiments.search.records import Objective
from experiments.search.wording import counted
from experiments.sweeps.analyses import importance_of
from experiments.sweeps.columns import SweepColumns, sweep_columns
from experiments.sweeps.progress import Progress, progress_of
from experiments.tracking.axes import UNSET
from experiments.tracking.spaces import trial_params

Step = tuple[int, float, float]


@dataclass(frozen=True)
class SweepEntrant:
    """One compared sweep. ``found``: its trials as columns."""

    sweep: Sweep
    progress: Progress
    found: SweepColumns
    now: datetime

    @property
    def name(self) -> str:
        return self.sweep.label

    @property
    def best(self) -> Trial | None:
        return self.progress.best

    @cached_property
    def scores(self) -> Any:
        """Of the trials in the order of their ends; lower is better."""
        return self.found.score[self._order]

    @cached_property
    def _order(self) -> Any:
        """Trials that have ended, in that order."""
        ends = self.found.data.ended
        order = np.argsort(ends, kind="stable")
        return order[np.isfinite(ends[order])]

    @cached_property
    def used(self) -> Any:
        """Training time of all trials up to each, in the order of their ends."""
        return np.cumsum(np.nan_to_num(self.found.data.took[self._order]))

    @cached_property
    def values(self) -> Any:
        """Those that count, in the metric's own sign."""
        return self.found.data.value[np.isfinite(self.found.score)]

    @cached_property
    def steps(self) -> list[Step]:
        """(trials ended, seconds used, value) of each new best value."""
        places = improvements(self.scores)
        values = self.found.data.value[self._order][places]
        columns = places + 1, self.used[places], values
        return list(zip(*(column.tolist() for column in columns), strict=True))

    @property
    def ended(self) -> int:
        return len(self._order)

    def reached(self, loss: float) -> tuple[int, float] | None:
        """After how many trials, and seconds of training, it was as good as this."""
        places = np.flatnonzero(self.scores <= loss)
        if not len(places):
            return None
        return int(places[0]) + 1, float(self.used[places[0]])


class SweepsComparison:
    """The sweeps in order, the best first if all have the same objective."""

    def __init__(self, sweeps: Sequence[Sweep], now: datetime) -> None:
        self.objective = shared_measure(sweeps)
        progress = progress_of(sweeps)
        entrants = [
            SweepEntrant(sweep, progress[sweep.pk], sweep_columns(sweep), now)
            for sweep in sweeps
        ]
        self.entrants = _ordered(entrants, self.objective)

    @property
    def reference(self) -> SweepEntrant:
        return self.entrants[0]

    @property
    def has_best(self) -> bool:
        return self.objective is not None and self.reference.best is not None

    @property
    def sentence(self) -> str:
        objective, first = self.objective, self.reference
        if objective is None:
            return "These sweeps have different objectives, so none is the best."
        metric = objective.primary_metric
        able = [each for each in self.entrants if each.best is not None]
        if not able:
            return f"None of these sweeps has a value of {metric} yet."
        if len(able) == 1:
            return f"Only {first.name} has a value of {metric}."
        gap = abs(_value(able[0]) - _value(able[1]))
        if not gap:
            return f"{able[0].name} and {able[1].name} have the same best {metric}."
        lead = f"{able[0].name} leads {able[1].name} by {plain_text(gap, 3)} {metric}."
        return f"{lead} {self._pace(able, objective)}".strip()

    def _pace(self, able: Sequence[SweepEntrant], objective: Objective) -> str:
        """How soon the best sweep was as good as the next one in the end."""
        target = _value(able[1])
        mine = able[0].reached(objective.loss(target))
        theirs = able[1].reached(objective.loss(target))
        if mine is None or theirs is None:
            return ""
        return (
            f"It reached {metric_text(target)} after {counted(mine[0], 'trial')} and"
            f" {duration_text(mine[1])} of training, {able[1].name} after"
            f" {theirs[0]:,} and {duration_text(theirs[1])}."
        )


def _value(entrant: SweepEntrant) -> float:
    found = entrant.best.value if entrant.best else None
    return 0.0 if found is None else found


def _ordered(
    entrants: Sequence[SweepEntrant], objective: Objective | None
) -> list[SweepEntrant]:
    if objective is None:
        return list(entrants)
    able = [each for each in entrants if each.best is not None]
    rest = [each for each in entrants if each.best is None]
    return [*sorted(able, key=lambda each: objective.loss(_value(each))), *rest]


# --- the table ----------------------------------------------------------------------


def sweep_sections(comparison: SweepsComparison) -> list[ComparedSection]:
    entrants = comparison.entrants
    costs = [(each.name, each.sweep.state, each.progress.compute) for each in entrants]
    bars: list[CostBar] = bars_of([(n, s, c.used, c.saved) for n, s, c in costs])
    found = [
        ComparedSection("Result", list(_result_rows(comparison))),
        ComparedSection("Cost", list(_cost_rows(comparison)), bars),
        ComparedSection("Best configuration", list(_best_rows(entrants))),
        ComparedSection("Importance", _differing(map(_importance, entrants))),
        ComparedSection("Search space", _differing(map(_space, entrants))),
        ComparedSection("Setup", _differing(map(_setup, entrants))),
    ]
    return [section for section in found if section.rows]


def _result_rows(comparison: SweepsComparison) -> Iterator[ComparedRow]:
    entrants, objective = comparison.entrants, comparison.objective
    if objective is not None:
        name, tone = objective.primary_metric, "best" if comparison.has_best else ""
        best = [each.best.value if each.best else None for each in entrants]
        yield metric_row(f"{name}, best", best, tone=tone)
        medians = [
            float(np.median(each.values)) if len(each.values) else None
            for each in entrants
        ]
        yield metric_row(f"{name}, median", medians)
    else:
        measures = [f"{e.sweep.goal} {e.sweep.primary_metric}" for e in entrants]
        yield plain_row("objective", measures)
        best = [e.best.value if e.best else None for e in entrants]
        yield plain_row("best", [metric_text(value) for value in best])
    numbers = [e.best.number if e.best else UNSET for e in entrants]
    yield plain_row("best trial", numbers)
    yield plain_row("trials that ended", [each.ended for each in entrants])
    for state in (TrialState.TERMINATED, TrialState.FAILED):
        counts = [each.progress.counts[state] for each in entrants]
        if any(counts):
            yield plain_row(state.label.lower(), counts)


def _cost_rows(comparison: SweepsComparison) -> Iterator[ComparedRow]:
    entrants, objective = comparison.entrants, comparison.objective
    computes = [each.progress.compute for each in entrants]
    yield cost_row("training time", [each.used for each in computes], duration_text)
    if any(each.saved for each in computes):
        saved = [duration_text(each.saved or None) for each in computes]
        yield ComparedRow(
            "saved by ending early", [ComparedCell(text) for text in saved]
        )
    took = [each.sweep.took(each.now) for each in entrants]
    seconds = [each.total_seconds() if each else None for each in took]
    yield cost_row("from start to end", seconds, duration_text)
    able = [each for each in entrants if each.best is not None]
    if objective is None or len(able) < 2:
        return
    worst = _value(able[-1])
    reached = [each.reached(objective.loss(worst)) for each in entrants]
    until = f"until {metric_text(worst)}"
    yield cost_row(f"trials {until}", [r and float(r[0]) for r in reached], number_text)
    yield cost_row(f"training {until}", [r and r[1] for r in reached], duration_text)


def _best_rows(entrants: Sequence[SweepEntrant]) -> list[ComparedRow]:
    return _differing(trial_params(e.best) if e.best else {} for e in entrants)


def _space(entrant: SweepEntrant) -> dict[str, Any]:
    """The range of each parameter, as text."""
    found: dict[str, Any] = {}
    for each in entrant.found.parameters:
        axis = each.axis
        if axis["values"]:
            found[each.name] = ", ".join(map(str, axis["values"]))
        else:
            ends = f"{number_text(axis['low'])} to {number_text(axis['high'])}"
            found[each.name] = f"{ends}, log" if axis["log"] else ends
    return found


def _importance(entrant: SweepEntrant) -> dict[str, Any]:
    """The share of each parameter, the greatest first; nothing with too few trials."""
    found = importance_of(entrant.found)
    if found is None:
        return {}
    return {
        each.name: share_text(each.share)
        + ("" if each.told_apart else ", may be chance")
        for each in found.factors
    }


def _setup(entrant: SweepEntrant) -> dict[str, Any]:
    sweep = entrant.sweep
    sampler, policy, pool = sweep_facts(sweep)
    code = sweep.code.digest[:12] if sweep.code else sweep.code_commit[:12]
    template = sweep.definition.get("trial", {})
    return {
        "sampler": sampler,
        "early termination": policy,
        "runs on": pool,
        "trials at most": sweep.max_total_trials,
        "code": code or "none",
        "command": template.get("command", ""),
        **sweep.definition.get("inputs", {}),
    }


def _differing(columns: Any) -> list[ComparedRow]:
    """A row for each name, those that differ first."""
    found: list[Mapping[str, Any]] = list(columns)
    names = dict.fromkeys(name for column in found for name in column)
    rows = [plain_row(n, [each.get(n, UNSET) for each in found]) for n in names]
    return sorted(rows, key=lambda row: not row.differs)
