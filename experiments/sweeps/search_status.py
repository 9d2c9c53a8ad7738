"""What a sweep's search is doing now, and which trial is likely its best.

Both read every trial and are cached until another trial ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from experiments.models import Sweep
from experiments.search.fields import DefinitionError
from experiments.search.history import COMPLETED, History
from experiments.search.likely_best import Likely, likely_best
from experiments.tracking.history import TrialHistory, search_of
from experiments.tracking.spaces import began_at

# With fewer completed trials a model cannot tell good trials from lucky ones.
MIN_COMPLETED = 10
# Reading and ranking more trials would make a page slow. A running sweep has a lower
# limit: each trial that ends makes it necessary again.
MAX_TRIALS, MAX_WHILE_RUNNING = 5_000, 2_000
COUNT = 5
# The usual origin of this many of the newest trials is shown.
NEWEST = 8

T = TypeVar("T")


@dataclass(frozen=True)
class SearchStatus:
    """`words`: what the sampler does, in a sentence or empty; `origin`: the usual
    origin of the newest trials; `likely`: the likely best configurations, best first,
    if the trials are neither too few nor too many."""

    words: str = ""
    origin: str = ""
    likely: tuple[Likely, ...] = ()


def search_status(sweep: Sweep, *, tried: int) -> SearchStatus:
    """The search of a sweep that has `tried` trials."""
    if not 0 < tried <= (MAX_TRIALS if sweep.has_ended else MAX_WHILE_RUNNING):
        return SearchStatus()
    try:
        with search_of(sweep) as search:
            words = _once(search, "words", lambda: _words(search))
            likely = _once(search, "likely", lambda: _likely(search))
    except DefinitionError:
        # A document of an earlier version that cannot be read any more.
        return SearchStatus()
    return SearchStatus(words, _usual_origin(sweep), likely)


def _usual_origin(sweep: Sweep) -> str:
    """The most common origin of the newest trials in the current search space."""
    own = sweep.trials.own().filter(number__gte=began_at(sweep))
    newest = own.exclude(pk__in=sweep.trials.requested()).order_by("-number")
    origins = Counter(newest.values_list("origin", flat=True)[:NEWEST])
    return max(origins, key=origins.__getitem__, default="")


def _once(search: TrialHistory, name: str, compute: Callable[[], T]) -> T:
    if name not in search.kept:
        search.kept[name] = compute()
    found: T = search.kept[name]
    return found


def _words(search: TrialHistory) -> str:
    return search.sampler.in_words(search.history)


def _likely(search: TrialHistory) -> tuple[Likely, ...]:
    if not len(search.history.space.axes) or _completed(search.history) < MIN_COMPLETED:
        return ()
    return tuple(likely_best(search.history, COUNT))


def _completed(history: History) -> int:
    """The number of completed trials with a value."""
    valued = np.isfinite(history.losses) & (history.states == COMPLETED)
    return int(valued.sum())
