"""What happened, one's own setting and others, side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.formatting import duration_text, metric_text, number_text, share_text
from experiments.models import Sweep
from experiments.pages.simulator.policy_words import Settings, kind_name, settings_words
from experiments.search.simulation import Figures, Weighing
from experiments.search.wording import counted, ordinal
from experiments.sweeps.savings import Price

DASH = "\u2013"


@dataclass(frozen=True)
class Outcome:
    """One column: a policy's settings (None for what happened) and what came of it."""

    title: str
    words: str
    settings: Settings | None
    figures: Figures
    ends: NDArray[np.int64]
    own: bool = False
    remove_query: str = ""


@dataclass(frozen=True)
class Cell:
    """``own``: in the column of one's own setting."""

    text: str
    warns: bool = False
    strong: bool = False
    own: bool = False


@dataclass(frozen=True)
class Row:
    name: str
    cells: Sequence[Cell]


def happened(sweep: Sweep, weighing: Weighing) -> Outcome:
    settings = sweep.early_termination
    words = kind_name(str(settings.get("type"))).lower() if settings else "no policy"
    ends = weighing.recording.stopped_after
    return Outcome("What happened", words, None, weighing.happened, ends)


def outcome(
    settings: Settings,
    ends: NDArray[np.int64],
    weighing: Weighing,
    *,
    own: bool = False,
    remove_query: str = "",
) -> Outcome:
    name, words = kind_name(str(settings.get("type"))), settings_words(settings)
    if own:
        name, words = "Your setting", f"{name.lower()}, {words}".removesuffix(", ")
    figures = weighing.figures(ends)
    return Outcome(name, words, settings, figures, ends, own, remove_query)


def rows(sweep: Sweep, outcomes: Sequence[Outcome], weighing: Weighing) -> list[Row]:
    """The table's rows; those about GPUs and money where there are any."""
    price = Price.of(sweep)
    figures = [each.figures for each in outcomes]
    best = figures[0].best_count
    ranked = int(np.isfinite(weighing.finals).sum())
    found = [
        _row("Trials ended early", figures, lambda f: f"{f.ended:,}"),
        _row("Reports used", figures, lambda f: f"{f.reports:,.0f}"),
        _row("Compute", figures, lambda f: duration_text(f.seconds)),
        _row("Saved", figures, lambda f: share_text(f.saved), strong=True),
    ]
    found += _costs(price, figures)
    found += [
        _row("Best kept", figures, lambda f: _value(sweep, f)),
        Row(f"Its rank of {ranked:,}", [_rank(f) for f in figures]),
        Row(f"Ended among the best {best:,}", [_lost(f) for f in figures]),
    ]
    return [_marked(row, outcomes) for row in found]


def _marked(row: Row, outcomes: Sequence[Outcome]) -> Row:
    pairs = zip(row.cells, outcomes, strict=True)
    return Row(row.name, [replace(cell, own=each.own) for cell, each in pairs])


def _costs(price: Price, figures: Sequence[Figures]) -> list[Row]:
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
) -> Row:
    return Row(name, [Cell(text(each), strong=strong) for each in figures])


def _value(sweep: Sweep, figures: Figures) -> str:
    if figures.loss is None:
        return DASH
    return metric_text(sweep.objective.value(figures.loss))


def _rank(figures: Figures) -> Cell:
    if figures.rank is None:
        return Cell(DASH)
    worse = figures.rank > 1
    return Cell(ordinal(figures.rank), warns=worse, strong=worse)


def _lost(figures: Figures) -> Cell:
    lost = figures.ended_best > 0
    return Cell(number_text(figures.ended_best), warns=lost, strong=lost)


@dataclass(frozen=True)
class Answer:
    """The sentence about one's own setting, in pieces: what it ends and saves, what
    becomes of the best, and what else is lost."""

    ended: str
    of: str
    saved: str
    time: str
    best: str
    lost: str


def answer(sweep: Sweep, outcome: Outcome, weighing: Weighing) -> Answer:
    figures, trials = outcome.figures, len(weighing.recording.numbers)
    return Answer(
        ended=f"{figures.ended:,}",
        of=counted(trials, "trial"),
        saved=share_text(figures.saved),
        time=duration_text(saved_seconds(figures)),
        best=_best_words(sweep, figures, weighing),
        lost=_lost_words(figures),
    )


def _best_words(sweep: Sweep, figures: Figures, weighing: Weighing) -> str:
    if figures.rank is None or figures.loss is None:
        return "no trial has a value"
    if figures.rank == 1:
        return "keeps the best" if figures.ended_rank != 1 else "keeps the best value"
    objective = sweep.objective
    reached = metric_text(objective.value(figures.loss))
    best = metric_text(objective.value(float(weighing.finals.min())))
    place = ordinal(figures.rank)
    return f"loses the best: it reaches {reached}, the {place}, instead of {best}"


def _lost_words(figures: Figures) -> str:
    if figures.ended == 0:
        return "No trial falls behind far enough."
    if figures.ended_rank is None:
        return ""
    place = ordinal(figures.ended_rank)
    return f"The best trial it would have ended ranked {place}."
