"""Names of foreign parameters, made valid here.

Argument lists as the text of a command, and placeholders in them.

The bounds `min` and `max` of a foreign distribution.

Successive halving and hyperband of other systems, as policies of this site.

What a sweep needs here and other documents may not say: filled in, and noted.

GPUs that a foreign trial asks for.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from experiments.search.fields import shown
from experiments.search.formats.nodes import Log, Node
from experiments.search.records import JSONValue

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_NAME_LENGTH = 200
# As many parameters and constants as this may be read.
MAX_NAMES = 1_000


class Names:
    """Gives every foreign name one of its own, and notes those that change."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._given: dict[str, str] = {}
        self._taken: dict[str, int] = {}

    def give(self, foreign: str, path: str) -> str:
        """The name of a parameter here; the same one whenever it is asked for."""
        if foreign in self._given:
            return self._given[foreign]
        if len(self._given) >= MAX_NAMES:
            self._log.problem(path, f"There may be {MAX_NAMES} parameters, not more.")
            self._log.diagnostics.raise_if_any()
        name = self._free(valid_name(foreign))
        self._given[foreign] = name
        if name != foreign:
            self._log.changed(
                path,
                f"The parameter {shown(foreign)} is called {name} here: a name is "
                "letters, digits and underscores.",
            )
        return name

    def known(self, foreign: str) -> str | None:
        """The name that a foreign one was given; None when it was given none."""
        return self._given.get(foreign)

    def _free(self, name: str) -> str:
        free = name
        while free in self._taken:
            self._taken[name] += 1
            free = f"{name}_{self._taken[name]}"
        self._taken[free] = 1
        return free


def valid_name(foreign: str) -> str:
    """A valid name that is as close to a foreign one as can be."""
    if NAME.fullmatch(foreign) and len(foreign) <= MAX_NAME_LENGTH:
        return foreign
    name = re.sub(r"[^A-Za-z0-9_]+", "_", foreign.lstrip("-"))[: MAX_NAME_LENGTH - 10]
    return name if NAME.fullmatch(name) else f"_{name}"


PLACEHOLDER = re.compile(r"\$\{\{[^{}]*\}\}")
PLAIN = re.compile(r"[A-Za-z0-9_./:=,@%+~^!#\[\](){}*?-]+")

MAX_COMMAND_LENGTH = 20_000

DEFAULT_COMMAND = "python train.py"


def parameter(name: str) -> str:
    """The placeholder of a parameter's value."""
    return f"${{{{search_space.{name}}}}}"


def fixed(name: str) -> str:
    """The placeholder of an input's value."""
    return f"${{{{inputs.{name}}}}}"


def too_long(words: Iterable[object]) -> bool:
    """Whether words are more than any command of ours may have."""
    return sum(len(str(word)) + 1 for word in words) > MAX_COMMAND_LENGTH


def joined(words: Iterable[str]) -> str:
    """A command that is split into exactly these words, placeholders filled later."""
    return " ".join(map(quoted, words))


def quoted(word: str) -> str:
    """One word of a command, in quotes where it needs them."""
    bare = PLACEHOLDER.sub("", word)
    if word and (not bare or PLAIN.fullmatch(bare)):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def bounds_of(law: Node, *, positive: bool = False) -> tuple[float, float] | None:
    """Both bounds; None when one is missing or wrong, which is noted.

    Those of a logarithmic distribution of values have to be `positive`.
    """
    low, high = (_bound(law, key, positive) for key in ("min", "max"))
    return None if low is None or high is None else (low, high)


def are_ordered(law: Node, low: float, high: float) -> bool:
    """Whether the bounds are in order; noted with their own numbers if not.

    For those that stand in our document as other numbers, such as their logarithms.
    """
    if low > high:
        law.problem("max", f"max must be at least min, {low:g}, not {high:g}.")
    return low <= high


def _bound(law: Node, key: str, positive: bool) -> float | None:
    bound = law.number(key)
    if bound is None and not law.has(key):
        law.problem(key, f"{key} is required for this distribution.")
    elif bound is not None and positive and bound <= 0:
        message = f"{key} must be above 0 for this distribution, not {bound:g}."
        law.problem(key, message)
        return None
    return bound


MIN_FACTOR, MAX_FACTOR = 2, 100


def asha_policy(source: Node, first: float, factor: float) -> dict[str, JSONValue]:
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


def hyperband_policy(
    source: Node, first: float, factor: float, last: float
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
    return min(max(round(factor), MIN_FACTOR), MAX_FACTOR)


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


def note_gpus(log: Log, path: str, who: str, amount: object) -> None:
    """Say what becomes of GPUs that `who`, such as `A trial`, asks for."""
    log.left_out(
        path,
        f"{who} asks for GPUs: {shown(amount)}.",
        "Set resources.gpus, on a pool whose slots have GPUs.",
    )
