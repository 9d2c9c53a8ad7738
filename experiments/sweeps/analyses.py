"""What the charts say about a sweep's parameters and values, as JSON for browsers.

All rests on the sweep's columns, and is computed again once another trial has ended.
Values are in the metric's own sign. An answer that has nothing to show says what it
needs.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from experiments.formatting import share_text
from experiments.lru_cache import LruCache
from experiments.search.analysis.factors import Factor, Floats
from experiments.search.analysis.importance import (
    MIN_TRIALS,
    FactorImportance,
    Importance,
    importance,
)
from experiments.search.analysis.interactions import MIN_TRIALS as MIN_FOR_PAIRS
from experiments.search.analysis.interactions import Interaction, interactions
from experiments.search.analysis.surface import levels, surface
from experiments.search.wording import counted
from experiments.sweeps.columns import SweepColumns
from experiments.sweeps.parameter_columns import ParameterColumn, rounded

Answer = dict[str, Any]
T = TypeVar("T")

MAX_DOTS = 100
MAX_PAIRS = 10
# Answers that one process caches.
MAX_KEPT = 64
_cached: LruCache[Hashable, Any] = LruCache(MAX_KEPT)


def cached(columns: SweepColumns, name: Hashable, compute: Callable[[], T]) -> T:
    """Computed again once another trial came or ended, or the space was changed."""
    score, sweep = columns.score, columns.sweep
    of_sweep = (sweep.pk, sweep.created_at, sweep.space_version, sweep.primary_metric)
    # Masks are over all trials, so a new one without a value counts, too.
    trials = len(score), int(columns.data.numbers.sum())
    key = (of_sweep, trials, valued(columns), float(np.nansum(score)), name)
    found = _cached.get(key)
    if found is None:
        found = compute()
        _cached.put(key, found)
    return found


def valued(columns: SweepColumns) -> int:
    """How many trials have a value that counts."""
    return int(np.isfinite(columns.score).sum())


def needs(count: int, found: int, *, what: str = "trials with a value") -> Answer:
    have = "1 has" if found == 1 else f"{found or 'none'} have"
    text = f"Needs {count} {what}; {have} one."
    return {"ready": False, "sentence": text, "trials": found, "needs": count}


def own_sign(columns: SweepColumns, losses: Floats) -> Floats:
    return -losses if columns.sweep.goal == "maximize" else losses


def factors_of(columns: SweepColumns) -> dict[str, Factor]:
    """The parameters as an analysis sees them, by name."""
    found = (_factor(each, columns) for each in columns.parameters)
    return {factor.name: factor for factor in found if factor is not None}


def _factor(parameter: ParameterColumn, columns: SweepColumns) -> Factor | None:
    axis = parameter.axis
    if axis["kind"] == "choice":
        count = len(axis["values"])
        return Factor(axis["name"], parameter.cells, choices=count) if count else None
    low, high = axis["low"], axis["high"]
    if low is None or high is None:
        return None
    log = axis["log"] and low > 0
    return Factor(axis["name"], parameter.cells, low=low, high=high, log=log)


# --- importance -------------------------------------------------------------------


def importance_of(
    columns: SweepColumns, *, over_range: bool = False
) -> Importance | None:
    """The importance of its parameters; None with too few trials."""
    return cached(
        columns,
        ("importance", over_range),
        lambda: importance(
            list(factors_of(columns).values()), columns.score, over_range=over_range
        ),
    )


def importance_answer(columns: SweepColumns, *, over_range: bool = False) -> Answer:
    found = importance_of(columns, over_range=over_range)
    count = valued(columns)
    if found is None:
        return needs(MIN_TRIALS, count)
    rows = [
        _row(each, columns.by_name[each.name], found, columns) for each in found.factors
    ]
    return {
        "ready": True,
        "method": "PED-ANOVA",
        "question": "Where in its range is the best quarter?"
        if over_range
        else "What separates the best quarter from the rest?",
        "trials": count,
        "best": int(found.best.sum()),
        "limit": float(own_sign(columns, np.array([found.limit]))[0]),
        "chance": round(found.chance, 4),
        "sentence": _importance_sentence(found, count),
        "rows": rows,
        **_pairs(columns),
    }


def _importance_sentence(found: Importance, count: int) -> str:
    start = f"From {counted(count, 'trial')} with a value."
    if not found.any_told_apart:
        return f"{start} No parameter is told apart from chance yet."
    chance = f"{100 * found.chance:.1g} %" if found.chance < 0.01 else ""
    chance = chance or share_text(found.chance)
    return (
        f"{start} Shares add up to 100 %; below {chance} is not told apart from chance."
    )


def _row(
    each: FactorImportance,
    parameter: ParameterColumn,
    found: Importance,
    columns: SweepColumns,
) -> Answer:
    row = {
        "name": each.name,
        "share": round(each.share, 4),
        "told_apart": each.told_apart,
        "trials": each.trials,
        "kind": parameter.axis["kind"],
    }
    cells, best = parameter.cells[found.best], _best_cell(parameter, columns)
    present = cells[np.isfinite(cells)]
    if parameter.axis["kind"] == "choice":
        values, whole = parameter.axis["values"], np.isfinite(columns.score)
        everywhere = parameter.cells[whole & np.isfinite(parameter.cells)]
        return row | {
            "values": values,
            "best_counts": _by_value(present, len(values)),
            "counts": _by_value(everywhere, len(values)),
            "best": None if best is None else int(best),
        }
    ends = np.quantile(present, (0.1, 0.9)) if len(present) else np.full(2, np.nan)
    low, high = rounded(ends).tolist()
    kept = np.linspace(0, len(present) - 1, min(MAX_DOTS, len(present))).round()
    return row | {
        **{name: parameter.axis[name] for name in ("log", "low", "high")},
        "from": low,
        "to": high,
        "dots": np.sort(present)[kept.astype(int)].tolist(),
        "best": best,
    }


def _by_value(cells: Floats, count: int) -> list[int]:
    counts: list[int] = np.bincount(cells.astype(int), minlength=count).tolist()
    return counts


def _best_cell(parameter: ParameterColumn, columns: SweepColumns) -> float | None:
    number = columns.best
    place = None if number is None else columns.data.place(number)
    cell = None if place is None else float(parameter.cells[place])
    return None if cell is None or np.isnan(cell) else cell


def pairs_of(columns: SweepColumns) -> Sequence[Interaction]:
    """Pairs of the strongest parameters, the greatest interaction first."""
    found, factors = importance_of(columns), factors_of(columns)
    strongest = [factors[each.name] for each in found.factors] if found else []
    return cached(columns, "pairs", lambda: interactions(strongest, columns.score))


def _pairs(columns: SweepColumns) -> Answer:
    count = valued(columns)
    if count < MIN_FOR_PAIRS:
        note = f"Interactions need {MIN_FOR_PAIRS} trials with a value."
        return {"pairs": [], "pairs_note": note}
    pairs = pairs_of(columns)
    rows = [
        {
            "x": pair.x,
            "y": pair.y,
            "share": round(pair.share, 4),
            "told_apart": pair.told_apart,
        }
        for pair in pairs[:MAX_PAIRS]
    ]
    some = any(pair.told_apart for pair in pairs)
    note = "" if some else "No two parameters interact beyond chance."
    return {"pairs": rows, "pairs_note": note}


# --- surface ----------------------------------------------------------------------


def surface_answer(columns: SweepColumns, x: str = "", y: str = "") -> Answer:
    """The smoothed value over two parameters; without names over the two that matter
    most."""
    factors = factors_of(columns)
    x, y = _axes_to_draw(columns, factors, x, y)
    if not x or not y:
        return needs(2, len(factors), what="parameters with values")
    found = cached(
        columns,
        ("surface", x, y),
        lambda: surface(factors[x], factors[y], columns.score),
    )
    if found is None:
        both = np.isfinite(columns.score) & factors[x].is_set & factors[y].is_set
        return needs(MIN_TRIALS, int(both.sum()), what="trials with a value and both")
    cells = own_sign(columns, found.losses)
    ends = (float(np.nanmin(cells)), float(np.nanmax(cells)))
    trials = counted(found.trials, "trial")
    return {
        "ready": True,
        "x": columns.by_name[x].axis,
        "y": columns.by_name[y].axis,
        "columns": cells.shape[1],
        "rows": cells.shape[0],
        "cells": rounded(cells.ravel(), 5).tolist(),
        "levels": levels(*ends),
        "low": ends[0],
        "high": ends[1],
        "best": _best_point(columns, x, y),
        "trials": found.trials,
        "sentence": f"Smoothed from {trials}; empty where no trial is near.",
    }


def _axes_to_draw(
    columns: SweepColumns, factors: Mapping[str, Factor], x: str, y: str
) -> tuple[str, str]:
    found = importance_of(columns)
    names = [each.name for each in found.factors] if found else list(factors)
    usable = [name for name in names if factors[name].varies]
    x = x if x in factors else next((n for n in usable if n != y), "")
    y = y if y in factors and y != x else next((n for n in usable if n != x), "")
    return x, y


def _best_point(columns: SweepColumns, x: str, y: str) -> Answer | None:
    across, up = (_best_cell(columns.by_name[name], columns) for name in (x, y))
    if across is None or up is None:
        return None
    return {"x": across, "y": up, "number": columns.best}
