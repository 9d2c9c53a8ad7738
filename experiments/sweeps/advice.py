"""Suggestions for a sweep, each with its reason and what to do about it.

They come from at least twenty trials with a value, and what a person has dismissed is
not suggested to them again.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from experiments.formatting import parameter_text, share_text
from experiments.lru_cache import LruCache
from experiments.models import DismissedAdvice, Sweep, User
from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.search.analysis.advice import (
    MIN_TRIALS,
    EdgeAdvice,
    FixAdvice,
    edges,
    has_settled,
    unimportant,
)
from experiments.search.fields import DefinitionError, is_number
from experiments.search.space.bounds import with_bounds
from experiments.search.wording import counted
from experiments.sweeps.analyses import (
    cached,
    factors_of,
    importance_of,
    pairs_of,
    valued,
)
from experiments.sweeps.columns import SweepColumns, sweep_columns
from experiments.sweeps.progress import compute_of_trials
from experiments.tracking.spaces import search_space

MAX_ADVICE = 3
# A policy that saves less than this share of the compute saves little.
LITTLE = 0.03
# A policy cuts too hard with fewer trials than this to compare with, or if this share
# of the trials that it ended were better than half of the others.
MIN_COMPLETED, MIN_CUT, TOO_GOOD = 5, 3, 0.1


@dataclass(frozen=True)
class Advice:
    """One suggestion. ``to``: the builder with ``bounds``, the simulator, or cancel."""

    key: str
    title: str
    reason: str
    action: str
    to: str
    bounds: str = ""


def advice_of(sweep: Sweep) -> Sequence[Advice]:
    """At most MAX_ADVICE suggestions, the most useful first."""
    columns = sweep_columns(sweep)
    count = valued(columns)
    name = ("advice", sweep.state, str(sweep.early_termination))
    found = (
        cached(columns, name, lambda: tuple(_all(columns))[:MAX_ADVICE])
        if count >= MIN_TRIALS
        else ()
    )
    _known.put(sweep.pk, (_mark(sweep, count), found))
    return found


_known: LruCache[int, tuple[Hashable, Sequence[Advice]]] = LruCache(256)


def _mark(sweep: Sweep, valued: int) -> Hashable:
    """Changes with what suggestions rest on."""
    return sweep.created_at, sweep.space_version, sweep.state, valued


def known_advice(sweep: Sweep, *, valued: int) -> Sequence[Advice] | None:
    """The suggestions, if this process has computed them for as many trials with a
    value; none with too few. None: ask advice_of(), which may take a while."""
    if valued < MIN_TRIALS:
        return ()
    mark, found = _known.get(sweep.pk) or (None, ())
    return found if mark == _mark(sweep, valued) else None


def _all(columns: SweepColumns) -> Iterator[Advice]:
    found = importance_of(columns)
    leader = columns.data.place(columns.best) if columns.best is not None else None
    if found is None or leader is None:
        return
    factors = list(factors_of(columns).values())
    at_edge = edges(
        factors,
        _numbers(columns),
        found,
        leader=leader,
        whole=frozenset(p.name for p in columns.parameters if p.integer),
    )
    yield from _possible(
        columns, [_widen(piece, columns, int(found.best.sum())) for piece in at_edge]
    )
    yield from _too_hard(columns)
    joint = [n for p in pairs_of(columns) if p.told_apart for n in (p.x, p.y)]
    other = frozenset([*joint, *(piece.name for piece in at_edge)])
    piece = unimportant(factors, found, but=other)
    by_name = {factor.name: factor for factor in factors}
    if piece is not None and by_name[piece.name].is_set[leader]:
        yield from _possible(columns, [_fix(piece, columns, leader)])
    yield from _settled(columns)
    yield from _saves_little(columns)


def _possible(columns: SweepColumns, pieces: Sequence[Advice]) -> Iterator[Advice]:
    """Those whose bounds the builder can open."""
    space = search_space(columns.sweep)
    for piece in pieces:
        try:
            with_bounds(space, [piece.bounds])
        except DefinitionError:
            continue
        yield piece


def _numbers(columns: SweepColumns) -> dict[str, Sequence[float]]:
    """The values of choices that are all numbers."""
    axes = (parameter.axis for parameter in columns.parameters)
    return {
        axis["name"]: axis["values"]
        for axis in axes
        if axis["values"] and all(map(is_number, axis["values"]))
    }


# --- the search space -------------------------------------------------------------


def _widen(piece: EdgeAdvice, columns: SweepColumns, best: int) -> Advice:
    """``best``: how many trials the best quarter has."""
    name, top = piece.name, "top" if piece.side == "high" else "bottom"
    key, title = f"widen:{name}", f"Widen {name}"
    numbers, end = _numbers(columns).get(name), f"{piece.end:.10g}"
    many = "all" if piece.share == 1 else f"{round(piece.share * best)}"
    many += f" of the best {best} trials"
    if numbers is not None:
        values = sorted([*numbers, _like(piece.end, numbers)])
        at = " or ".join(map(parameter_text, piece.at))
        reason = f"{many} use {at}, the {top} of the range."
        bounds = f"{name}:{json.dumps(values)}"
        return Advice(key, title, reason, f"Add {end}", "builder", bounds)
    low, high = map(parameter_text, piece.at)
    reason = f"{many} are between {low} and {high}, the {top} of the range."
    bounds = f"{name}:..{end}" if piece.side == "high" else f"{name}:{end}.."
    return Advice(key, title, reason, f"Widen to {end}", "builder", bounds)


def _like(number: float, others: Sequence[float]) -> float:
    """Whole if the others are."""
    return int(number) if all(isinstance(o, int) for o in others) else number


def _fix(piece: FixAdvice, columns: SweepColumns, leader: int) -> Advice:
    parameter = columns.by_name[piece.name]
    cell, values = parameter.cells[leader], parameter.axis["values"]
    value = values[int(cell)] if values else float(cell)
    if parameter.integer:
        value = int(value)
    below = f"{max(1, round(100 * piece.below))} %"
    return Advice(
        key=f"fix:{piece.name}",
        title=f"Fix {piece.name}",
        reason=f"its importance is below {below}, not told apart from chance.",
        action=f"Fix at {parameter_text(value)}",
        to="builder",
        bounds=f"{piece.name}:{json.dumps([value])}",
    )


# --- the search and its policy ----------------------------------------------------


def _settled(columns: SweepColumns) -> Iterator[Advice]:
    sweep, data = columns.sweep, columns.data
    if sweep.state not in (SweepState.RUNNING, SweepState.PAUSED):
        return
    by_end = np.argsort(data.ended, kind="stable")
    since = has_settled(columns.score[by_end])
    if since is not None:
        yield Advice(
            key="stop",
            title="No more improvement",
            reason=f"{counted(since, 'trial')} ended since trial {columns.best}, none"
            " better, and the last half of all gained almost nothing.",
            action="Cancel sweep",
            to="cancel",
        )


def _too_hard(columns: SweepColumns) -> Iterator[Advice]:
    data, score = columns.data, columns.score
    if not columns.sweep.early_termination:
        return
    valued = np.isfinite(score)
    cut = valued & data.are_in([TrialState.TERMINATED])
    whole = valued & data.are_in([TrialState.COMPLETED])
    ended, completed = int(cut.sum()), int(whole.sum())
    reason = ""
    if completed < MIN_COMPLETED and ended >= MIN_TRIALS:
        reason = (
            f"{completed} of {counted(ended + completed, 'trial')} ran to the end, too"
            " few to know how good the others could be."
        )
    elif completed >= MIN_COMPLETED:
        better = int((score[cut] < np.median(score[whole])).sum())
        if better >= max(MIN_CUT, TOO_GOOD * ended):
            reason = (
                f"{better} of the {ended} trials that it ended were already better"
                " than the median completed trial."
            )
    if reason:
        title = "Early termination may be too strict"
        yield Advice("policy:strict", title, reason, "Compare policies", "simulator")


def _saves_little(columns: SweepColumns) -> Iterator[Advice]:
    sweep, data = columns.sweep, columns.data
    completed = data.counts[TrialState.COMPLETED]
    cut = data.counts[TrialState.TERMINATED]
    if not sweep.early_termination or completed + cut < MIN_TRIALS:
        return
    share = compute_of_trials(sweep, data).share
    if share < LITTLE:
        yield Advice(
            key="policy:saves",
            title="Early termination saves little",
            reason=f"it ended {cut} of {counted(completed + cut, 'trial')} and saved"
            f" {share_text(share)} of the compute.",
            action="Compare policies",
            to="simulator",
        )


# --- what people have dismissed ---------------------------------------------------


def not_dismissed(
    sweep: Sweep, user: User, advice: Sequence[Advice]
) -> Sequence[Advice]:
    if not advice:
        return ()
    rows = DismissedAdvice.objects.filter(sweep=sweep, user=user)
    dismissed = set(rows.values_list("key", flat=True))
    return [piece for piece in advice if piece.key not in dismissed]


def dismiss(sweep: Sweep, user: User, keys: Sequence[str]) -> None:
    """Suggest these no more to the user, for this sweep."""
    DismissedAdvice.objects.bulk_create(
        [DismissedAdvice(sweep=sweep, user=user, key=key) for key in keys],
        ignore_conflicts=True,
    )
