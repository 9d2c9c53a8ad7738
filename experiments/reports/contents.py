"""What a report says about a sweep. Without names of people, hosts and pools, files,
environment variables and logs: it goes to readers outside the team.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from experiments.formatting import (
    distinct_texts,
    duration_text,
    metric_text,
    parameter_text,
    share_text,
)
from experiments.models import Sweep, Trial
from experiments.models.trials import TrialState
from experiments.reports.figures import Figure, figures_of
from experiments.reports.links import PARTS
from experiments.search.document.yaml import yaml_text
from experiments.search.wording import counted
from experiments.sweeps.creation import sweep_document
from experiments.sweeps.progress import Progress, progress_of
from experiments.tracking.spaces import flat_configurations, search_space
from experiments.tracking.training_time import trained

MAX_ROWS, MAX_COLUMNS = 100, 20
# The fields of a document that say how the search worked, and of what.
SHOWN_FIELDS = (
    *("search_space", "constraints", "sampling_algorithm", "objective"),
    *("early_termination", "limits", "inputs"),
)


@dataclass(frozen=True)
class ReportRow:
    rank: int
    number: int
    state: str
    value: str
    reports: int
    took: str
    params: Sequence[str]


@dataclass(frozen=True)
class SweepReport:
    """``parts``: keys of PARTS."""

    sweep: Sweep
    now: datetime
    parts: Sequence[str]
    progress: Progress
    next_best: Trial | None
    rows: Sequence[ReportRow]
    names: Sequence[str]
    figures: Sequence[Figure]

    @property
    def best(self) -> Trial | None:
        return self.progress.best

    @property
    def sentence(self) -> str:
        """The result, before all data."""
        best, metric = self.best, self.sweep.primary_metric
        if best is None:
            return f"No trial has a value of {metric} yet."
        value = best.value
        next_value = self.next_best.value if self.next_best else None
        text, other = distinct_texts(value, next_value)
        found = f"Trial {best.number} is the best: {metric} {text}"
        if self.next_best is None or next_value is None:
            return f"{found}."
        if value == next_value:
            return f"{found}, the same as trial {self.next_best.number}."
        return f"{found}. The next best is trial {self.next_best.number} with {other}."

    @property
    def facts(self) -> Sequence[tuple[str, str]]:
        sweep, compute = self.sweep, self.progress.compute
        counts = self.progress.counts
        ended = [f"{n:,} {_state(s)}" for s, n in counts.items() if n]
        total = f"{sum(counts.values()):,}"
        took = sweep.took(self.now)
        found = [
            ("Objective", f"{sweep.goal} {sweep.primary_metric}"),
            ("State", str(sweep.state)),
            ("Trials", f"{total}: {', '.join(ended)}" if ended else total),
            ("Training time of all trials", duration_text(compute.used)),
        ]
        if compute.saved:
            saved = f"{duration_text(compute.saved)}, about {share_text(compute.share)}"
            found.append(("Saved by early termination", saved))
        if took is not None:
            found.append(("From start to end", duration_text(took)))
        if sweep.code is not None:
            found.append(("Code version", sweep.code.digest[:12]))
        elif sweep.code_commit:
            found.append(("Code version", f"commit {sweep.code_commit[:12]}"))
        return found

    @property
    def configuration(self) -> str:
        return yaml_text(self.best.params) if self.best else ""

    @property
    def notes(self) -> str:
        texts = (self.sweep.description, self.sweep.notes)
        both = "\n\n".join(text.strip() for text in texts if text.strip())
        return both if "notes" in self.parts else ""

    @property
    def document(self) -> str:
        return document_text(self.sweep) if "document" in self.parts else ""

    @property
    def columns(self) -> Sequence[str]:
        return self.names[:MAX_COLUMNS]

    @property
    def rows_note(self) -> str:
        ranked = self.sweep.trials.ranked(self.sweep.goal).count()
        found = f"The best {MAX_ROWS} of {ranked:,} trials"
        if ranked <= MAX_ROWS:
            found = f"All {counted(ranked, 'trial')} with a value"
        if len(self.names) > MAX_COLUMNS:
            found += f", with the first {MAX_COLUMNS} of {len(self.names)} parameters"
        return f"{found}, the best first."


def _state(state: str) -> str:
    return TrialState(state).label.lower()


def report_of(sweep: Sweep, parts: Sequence[str], *, now: datetime) -> SweepReport:
    """The report with these of PARTS."""
    progress = progress_of([sweep])[sweep.pk]
    ranked = sweep.trials.ranked(sweep.goal).annotate(took=trained())
    best = list(ranked[: MAX_ROWS if "trials" in parts else 2])
    space = search_space(sweep)
    params = flat_configurations(space, [trial.params for trial in best])
    names = list(dict.fromkeys([*space.axes, *(n for own in params for n in own)]))
    pairs = zip(best, params, strict=True)
    rows = [_row(k, trial, own, names) for k, (trial, own) in enumerate(pairs, 1)]
    return SweepReport(
        sweep=sweep,
        now=now,
        parts=[part for part in PARTS if part in parts],
        progress=progress,
        next_best=best[1] if len(best) > 1 else None,
        rows=rows if "trials" in parts else (),
        names=names,
        figures=figures_of(sweep),
    )


def _row(
    rank: int, trial: Any, params: Mapping[str, Any], names: Sequence[str]
) -> ReportRow:
    return ReportRow(
        rank=rank,
        number=trial.number,
        state=_state(trial.state),
        value=metric_text(trial.value),
        reports=trial.reports,
        took=duration_text(trial.took),
        params=[
            parameter_text(params[name]) if name in params else "not set"
            for name in names[:MAX_COLUMNS]
        ],
    )


def document_text(sweep: Sweep) -> str:
    """The parts of the sweep document that are shared."""
    whole = sweep_document(sweep)
    shown = {name: whole[name] for name in SHOWN_FIELDS if name in whole}
    command = whole.get("trial", {}).get("command")
    trial = {"trial": {"command": command}} if command else {}
    return yaml_text(trial | shown, width=88)
