"""The nearest early-termination policy for rules that other systems have."""

from __future__ import annotations

import math

from experiments.search.figures import counted
from experiments.search.importers.source import Source
from experiments.search.problems import listed
from experiments.search.records import JSONValue
from experiments.search.termination import POLICIES

HALVING = "asha"


def halving(source: Source, first: int, factor: float) -> dict[str, JSONValue]:
    """What stands for Hyperband and successive halving; noted at the whole rule.

    `first` is the report at which a trial is judged first, `factor` (eta) how much
    longer the next stretch is, and one in how many goes on.
    """
    first, factor = max(first, 1), min(max(factor, 2), 100)
    if HALVING in POLICIES:
        whole = max(math.floor(factor), 2)
        reports = listed([first, first * whole, first * whole**2])
        source.log.changed(
            source.path,
            "Its brackets become the one of ASHA: trials are judged at reports "
            f"{reports} and so on, and one in {whole} goes on each time.",
            "Take median stopping instead.",
        )
        return {"type": HALVING, "min_resource": first, "reduction_factor": whole}
    source.log.changed(
        source.path,
        "Successive halving is not among the policies here. Median stopping takes its "
        f"place: a trial ends when, after {counted(first, 'report')} or later, its "
        "best is worse than the median of the others.",
        f"Truncation selection with {share(factor)} % at each check ends more trials.",
    )
    return {"type": "median_stopping", "delay_evaluation": first}


def share(factor: float) -> int:
    """The percentage of trials that ends where one in `factor` goes on."""
    return min(max(math.floor(100 * (1 - 1 / factor)), 1), 99)
