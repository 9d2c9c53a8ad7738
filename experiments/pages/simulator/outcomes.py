"""What happened, the entered policy and others, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.formatting import (
    duration_text,
    named_metric_text,
    number_text,
    share_text,
)
from experiments.models import Sweep
from experiments.pages.simulator.policy_words import (
    Settings,
    kind_in_sentence,
    kind_name,
    settings_words,
)
from experiments.search.simulation import Evaluation, Figures
from experiments.search.wording import counted, ordinal
from experiments.sweeps.savings import TrialPrice

DASH = "\u2013"


@dataclass(frozen=True)
class PolicyOutcome:
    """One column: a policy's settings (None for what happened) and its result."""

    title: str
    words: str
    settings: Settings | None
    figures: Figures
    ends: NDArray[np.int64]
    own: bool = False
    remove_query: str = ""


@dataclass(frozen=True)
class OutcomeCell:
    """One value; `own`: in the column of the entered policy."""

    text: str
    warns: bool = False
    strong: bool = False
    own: bool = False


@dataclass(frozen=True)
class OutcomeRow:
    name: str
    cells: Sequence[OutcomeCell]


def happened(sweep: Sweep, evaluation: Evaluation) -> PolicyOutcome:
    settings = sweep.early_termination
    words = kind_in_sentence(settings) if settings else "no policy"
    ends = evaluation.recording.stopped_after
    return PolicyOutcome("What happened", words, None, evaluation.happened, ends)


def outcome(
    settings: Settings,
    ends: NDArray[np.int64],
    evaluation: Evaluation,
    *,
    own: bool = False,
    remove_query: str = "",
) -> PolicyOutcome:
    name, words = kind_name(str(settings.get("type"))), settings_words(settings)
    if own:
        name = "Your setting"
        words = f"{kind_in_sentence(settings)}, {words}".removesuffix(", ")
    figures = evaluation.figures(ends)
    return PolicyOutcome(name, words, settings, figures, ends, own, remove_query)


def outcome_rows(
    sweep: Sweep, outcomes: Sequence[PolicyOutcome], evaluation: Evaluation
) -> list[OutcomeRow]:
    """The table's rows; GPU time and money only if the sweep has them."""
    price = TrialPrice.of(sweep)
    figures = [each.figures for each in outcomes]
    best = figures[0].best_count
    ranked = int(np.isfinite(evaluation.finals).sum())
    found = [
        _row("Trials ended early", figures, lambda f: f"{f.ended:,}"),
        _row("Reports used", figures, lambda f: f"{f.reports:,.0f}"),
        _row("Compute", figures, lambda f: duration_text(f.seconds)),
        _row("Saved", figures, lambda f: share_text(f.saved), strong=True),
    ]
    found += _costs(price, figures)
    found += [
        _row("Best kept", figures, lambda f: _value(sweep, f)),
        OutcomeRow(f"Its rank among {ranked:,}", [_rank(f) for f in figures]),
        OutcomeRow(f"Ended early among the best {best:,}", [_lost(f) for f in figures]),
    ]
    return [_marked(row, outcomes) for row in found]


def _marked(row: OutcomeRow, outcomes: Sequence[PolicyOutcome]) -> OutcomeRow:
    pairs = zip(row.cells, outcomes, strict=True)
    return OutcomeRow(row.name, [replace(cell, own=each.own) for cell, each in pairs])


def _costs(price: TrialPrice, figures: Sequence[Figures]) -> list[OutcomeRow]:
    found = []
    if price.gpus:
        found.append(
            _row(
                "GPU time saved",
                figures,
                lambda f: duration_text(price.gpu_seconds(saved_seconds(f))),
            )
        )
    if price.per_hour is not None:
        found.append(
            _row(
                "Money saved",
                figures,
                lambda f: f"{price.money(saved_seconds(f)) or 0:,.2f}",
            )
        )
    return found


def saved_seconds(figures: Figures) -> float:
    return max(0.0, figures.seconds_all - figures.seconds)


def _row(
    name: str,
    figures: Sequence[Figures],
    text: Callable[[Figures], str],
    *,
    strong: bool = False,
) -> OutcomeRow:
    return OutcomeRow(
        name, [OutcomeCell(text(each), strong=strong) for each in figures]
    )


def _value(sweep: Sweep, figures: Figures) -> str:
    if figures.loss is None:
        return DASH
    return named_metric_text(sweep.objective.value(figures.loss), sweep.primary_metric)


def _rank(figures: Figures) -> OutcomeCell:
    if figures.rank is None:
        return OutcomeCell(DASH)
    worse = figures.rank > 1
    return OutcomeCell(ordinal(figures.rank), warns=worse, strong=worse)


def _lost(figures: Figures) -> OutcomeCell:
    lost = figures.ended_best > 0
    return OutcomeCell(number_text(figures.ended_best), warns=lost, strong=lost)


@dataclass(frozen=True)
class OutcomeSentence:
    """The parts of the sentence about the entered policy: what it ends and saves, and
    what happens to the best trials."""

    ended: str
    of: str
    saved: str
    time: str
    best: str
    lost: str


def outcome_sentence(
    sweep: Sweep, outcome: PolicyOutcome, evaluation: Evaluation
) -> OutcomeSentence:
    figures, trials = outcome.figures, len(evaluation.recording.numbers)
    return OutcomeSentence(
        ended=f"{figures.ended:,}",
        of=counted(trials, "trial"),
        saved=share_text(figures.saved),
        time=duration_text(saved_seconds(figures)),
        best=_best_words(sweep, figures, evaluation),
        lost=_lost_words(figures),
    )


def _best_words(sweep: Sweep, figures: Figures, evaluation: Evaluation) -> str:
    if figures.rank is None or figures.loss is None:
        return "no trial has a value"
    if figures.rank == 1:
        return "keeps the best" if figures.ended_rank != 1 else "keeps the best value"
    objective = sweep.objective
    reached, best = (
        named_metric_text(objective.value(float(loss)), objective.primary_metric)
        for loss in (figures.loss, evaluation.finals.min())
    )
    place = ordinal(figures.rank)
    return f"loses the best: {reached} (ranked {place}) remains instead of {best}"


def _lost_words(figures: Figures) -> str:
    if figures.ended == 0:
        return "No trial falls behind far enough."
    if figures.ended_rank is None:
        return ""
    place = ordinal(figures.ended_rank)
    return f"The best trial that it would have ended ranked {place}."
