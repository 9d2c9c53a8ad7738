"""Trials that somebody wants to run again with the same values, to be surer of them.

The wish is an event of the sweep and so is never lost. The scheduler carries it out
when a slot is free, before the sampler is asked for anything new.
"""

from __future__ import annotations

from collections import Counter

from experiments.lifecycle import RUN_AGAIN
from experiments.models import Sweep
from experiments.models.trials import RERUN
from experiments.search.samplers import Suggestion


def origin_of_rerun(number: int) -> str:
    return f"{RERUN}{number}"


def open_reruns(sweep: Sweep) -> list[int]:
    """The numbers of trials that wait to run again, in the order they were asked for.

    A trial that is not there any more is passed over.
    """
    events = sweep.events.filter(verb=RUN_AGAIN).order_by("pk")
    wished = Counter(
        number
        for data in events.values_list("data", flat=True)
        for number in data["trials"]
    )
    if not wished:
        return []
    begun = Counter(sweep.trials.reruns().values_list("origin", flat=True))
    there = sweep.trials.filter(number__in=list(wished)).values_list(
        "number", flat=True
    )
    left = {n: wished[n] - begun[origin_of_rerun(n)] for n in there}
    return [n for n in wished for _ in range(left.get(n, 0))]


def next_rerun(sweep: Sweep) -> Suggestion | None:
    """The next trial that was asked for; None: there is none."""
    waiting = open_reruns(sweep)
    if not waiting:
        return None
    trial = sweep.trials.get(number=waiting[0])
    return Suggestion(trial.params, origin_of_rerun(trial.number))


def reruns_under_way(sweep: Sweep) -> bool:
    """Whether a trial waits to run again, or does run again."""
    return sweep.trials.live().reruns().exists() or bool(open_reruns(sweep))
