"""Successive halving and hyperband of other systems, as policies of this site."""

from __future__ import annotations

import math

from experiments.search.importers.source import Source
from experiments.search.records import JSONValue

LEAST_FACTOR, MOST_FACTOR = 2, 100


def halving(source: Source, first: float, factor: float) -> dict[str, JSONValue]:
    """ASHA for one bracket of successive halving; noted at the whole rule.

    `first` is the report at which a trial is judged first, `factor` (eta) how much
    longer the next stretch is, and one in how many goes on.
    """
    start, whole = max(math.floor(first), 1), whole_factor(factor)
    reports = f"{start:,}, {start * whole:,}, {start * whole**2:,}"
    source.log.changed(
        source.path,
        f"It becomes asha: trials are judged at reports {reports} and so on, and one "
        f"in {whole} goes on each time.",
        "Take median stopping instead where fewer trials should end.",
    )
    return {"type": "asha", "min_resource": start, "reduction_factor": whole}


def brackets(
    source: Source, first: float, factor: float, last: float
) -> dict[str, JSONValue]:
    """Hyperband for trials of `last` reports; noted at the whole rule.

    Elsewhere it may start a trial anew with a larger budget; here one trial goes on.
    """
    start, whole = max(math.floor(first), 1), whole_factor(factor)
    most = max(math.floor(last), start + 1)
    source.log.changed(
        source.path,
        f"A trial is started once and runs for up to {most:,} reports, with no budget "
        f"of its own; at each rung one in {whole} goes on.",
        "Let the script run to its end, and report once for each unit of the budget.",
    )
    return {
        "type": "hyperband",
        "min_resource": start,
        "reduction_factor": whole,
        "max_resource": most,
    }


def whole_factor(factor: float) -> int:
    """The nearest factor that this site takes."""
    return min(max(round(factor), LEAST_FACTOR), MOST_FACTOR)
