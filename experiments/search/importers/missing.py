"""What a sweep needs here and other documents may not say: filled in, and noted."""

from __future__ import annotations

from experiments.search.importers.source import Log
from experiments.search.importers.words import DEFAULT_COMMAND
from experiments.search.records import JSONValue

TRIALS = 100
# What to try where a search of another system learns from its trials.
MODEL_BASED = "Choose a sampler that learns from its trials, such as bayesian."
CONCURRENT = 4


def no_command(log: Log, path: str, why: str) -> str:
    """The command that stands in where a document has none."""
    log.changed(
        path,
        f"{why} `{DEFAULT_COMMAND}` stands in for it, with every parameter as an "
        "argument: --name value.",
        "Put your own command in its place.",
    )
    return DEFAULT_COMMAND


def no_metric(log: Log, path: str, why: str, metric: str) -> str:
    """The primary metric that stands in where a document has none."""
    log.changed(
        path,
        f"{why} The sweep here looks at a metric with the name {metric}.",
        "Name the metric that your script reports.",
    )
    return metric


def no_goal(log: Log, path: str, why: str, goal: str) -> str:
    """The goal that stands in where a document has none."""
    log.changed(
        path,
        f"{why} The sweep here is to {goal} its metric.",
        f"Set objective.goal if more is {'worse' if goal == 'maximize' else 'better'}.",
    )
    return goal


def no_total(log: Log, path: str, why: str) -> int:
    """The number of trials that stands in where a document has no limit."""
    log.changed(
        path,
        f"{why} A sweep here has a number of trials: {TRIALS}.",
        "Set limits.max_total_trials.",
    )
    return TRIALS


def limits(total: float | None, concurrent: float | None) -> dict[str, JSONValue]:
    """`limits` of numbers that may be missing."""
    document: dict[str, JSONValue] = {}
    if total is not None:
        document["max_total_trials"] = total
    document["max_concurrent_trials"] = (
        min(CONCURRENT, total or CONCURRENT) if concurrent is None else concurrent
    )
    return document
