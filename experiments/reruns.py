"""Trials that somebody wants to run again with the same values, to be surer of them.

The wish is an event of the sweep and so is never lost. The scheduler carries it out
when a slot is free, before the sampler is asked for anything new.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from experiments.lifecycle import RUN_AGAIN
from experiments.models import Sweep
from experiments.models.trials import RERUN, TO_ITS_END
from experiments.search.samplers import Suggestion


class Wish(NamedTuple):
    """A trial, by its number, that shall run again; `to_end`: and not end early."""

    number: int
    to_end: bool = False

    @property
    def origin(self) -> str:
        return f"{RERUN}{self.number}{TO_ITS_END * self.to_end}"


def open_wishes(sweep: Sweep) -> list[Wish]:
    """The trials that wait to run again, in the order they were asked for.

    A trial that is not there any more is passed over.
    """
    events = sweep.events.filter(verb=RUN_AGAIN).order_by("pk")
    wished = Counter(
        Wish(number, bool(data.get("to_end")))
        for data in events.values_list("data", flat=True)
        for number in data["trials"]
    )
    if not wished:
        return []
    begun = Counter(sweep.trials.reruns().values_list("origin", flat=True))
    numbers = [wish.number for wish in wished]
    there = set(
        sweep.trials.filter(number__in=numbers).values_list("number", flat=True)
    )
    left = {w: n - begun[w.origin] for w, n in wished.items() if w.number in there}
    return [wish for wish in wished for _ in range(left.get(wish, 0))]


def open_reruns(sweep: Sweep) -> list[int]:
    """The numbers of the trials that wait to run again."""
    return [wish.number for wish in open_wishes(sweep)]


def next_rerun(sweep: Sweep) -> Suggestion | None:
    """The next trial that was asked for; None: there is none."""
    waiting = open_wishes(sweep)
    if not waiting:
        return None
    trial = sweep.trials.get(number=waiting[0].number)
    return Suggestion(trial.params, waiting[0].origin)


def reruns_under_way(sweep: Sweep) -> bool:
    """Whether a trial waits to run again, or does run again."""
    return sweep.trials.live().reruns().exists() or bool(open_reruns(sweep))
