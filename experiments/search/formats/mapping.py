"""What all importers share: names, command words, bounds, policies and defaults."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from experiments.search.document.command import CommandError, split_command
from experiments.search.fields import listed, shown
from experiments.search.formats.nodes import Log, Node
from experiments.search.records import JSONObject

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
MAX_NAME_LENGTH = 200
MAX_NAMES = 1_000
PLACEHOLDER = re.compile(r"\$\{\{[^{}]*\}\}")
UNQUOTED = re.compile(r"[A-Za-z0-9_./:=,@%+~^!#\[\](){}*?-]+")
MAX_COMMAND_LENGTH = 20_000
MIN_FACTOR, MAX_FACTOR = 2, 100
DEFAULT_COMMAND = "python train.py"
DEFAULT_TRIALS = 100
DEFAULT_CONCURRENT = 4
# The advice where random search replaces a search that learns from its trials.
MODEL_BASED = "Choose a sampler that learns from its trials, such as bayesian."


class Names:
    """Gives every foreign name a valid, unique one, and notes those that change."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._given: dict[str, str] = {}
        self._taken: dict[str, int] = {}

    def give(self, foreign: str, path: str) -> str:
        """The name of a parameter here; always the same one for a foreign name."""
        if foreign in self._given:
            return self._given[foreign]
        name = self._given[foreign] = self.give_another(foreign, path)
        return name

    def give_another(self, foreign: str, path: str) -> str:
        """A new name, also for a foreign one that occurred before."""
        if len(self._taken) >= MAX_NAMES:
            self._log.problem(path, f"A sweep may have up to {MAX_NAMES} parameters.")
            self._log.diagnostics.raise_if_any()
        name = self._unique(_valid_name(foreign))
        if name != foreign:
            self._log.changed(
                path,
                f"The parameter {shown(foreign)} becomes {name}: names are unique and "
                "have only letters, digits and underscores.",
            )
        return name

    def known(self, foreign: str) -> str | None:
        """The name that a foreign one has already; None if it has none."""
        return self._given.get(foreign)

    def _unique(self, name: str) -> str:
        free = name
        while free in self._taken:
            self._taken[name] += 1
            free = f"{name}_{self._taken[name]}"
        self._taken[free] = 1
        return free


def _valid_name(foreign: str) -> str:
    """A valid name that is as similar to a foreign one as possible."""
    if NAME.fullmatch(foreign) and len(foreign) <= MAX_NAME_LENGTH:
        return foreign
    name = re.sub(r"[^A-Za-z0-9_]+", "_", foreign.lstrip("-"))[: MAX_NAME_LENGTH - 10]
    return name if NAME.fullmatch(name) else f"_{name}"


def parameter_placeholder(name: str) -> str:
    """The placeholder of a parameter's value."""
    return f"${{{{search_space.{name}}}}}"


def input_placeholder(name: str) -> str:
    """The placeholder of an input's value."""
    return f"${{{{inputs.{name}}}}}"


def is_too_long(words: Iterable[object]) -> bool:
    """Whether words exceed the length of a command."""
    return sum(len(str(word)) + 1 for word in words) > MAX_COMMAND_LENGTH


def joined(words: Iterable[str]) -> str:
    """A command that splits into exactly these words before placeholders are filled."""
    return " ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    """One word of a command, in quotes if it needs them."""
    bare = PLACEHOLDER.sub("", word)
    if word and (not bare or UNQUOTED.fullmatch(bare)):
        return word
    return "'" + word.replace("'", "'\\''") + "'"


def bounds_of(dist: Node, *, positive: bool = False) -> tuple[float, float] | None:
    """The bounds `min` and `max`; None when one is missing or wrong, which is noted.

    Bounds of a logarithmic distribution have to be `positive`.
    """
    low, high = (_bound(dist, key, positive) for key in ("min", "max"))
    return None if low is None or high is None else (low, high)


def are_ordered(dist: Node, low: float, high: float) -> bool:
    """Whether the bounds are in order; if not, a problem shows them as they are given.

    For bounds that our document has as other numbers, such as their logarithms.
    """
    if low > high:
        dist.problem("max", f"max must be at least min, {low:g}, not {high:g}.")
    return low <= high


def _bound(dist: Node, key: str, positive: bool) -> float | None:
    bound = dist.number(key)
    if bound is None and not dist.has(key):
        dist.problem(key, f"{key} is required for this distribution.")
    elif bound is not None and positive and bound <= 0:
        message = f"{key} must be above 0 for this distribution, not {bound:g}."
        dist.problem(key, message)
        return None
    return bound


def stepped_log(low: float, high: float, step: float) -> JSONObject:
    """Multiples of a step, log-uniform between positive bounds."""
    ends = {"min_value": math.log(low), "max_value": math.log(high)}
    return {"type": "qloguniform", **ends, "q": step}


def asha_policy(
    rule: Node, first: float, factor: float, stages: int | None = None
) -> JSONObject:
    """ASHA for one bracket of successive halving, noted for the whole rule.

    `first` is the report of the first decision. At each stage, reports grow by `factor`
    (eta) and trials shrink by it. Without a number of `stages` there is no last one.
    """
    start, whole = max(math.floor(first), 1), whole_factor(factor)
    reports = [f"{start * whole**stage:,}" for stage in range(stages or 3)]
    named = listed(reports) if stages else f"{', '.join(reports)} and so on"
    rule.log.changed(
        rule.path,
        f"It becomes asha: decisions are at reports {named}, and each time one trial in"
        f" {whole} continues.",
        "Choose median stopping to end fewer trials.",
    )
    policy: JSONObject = {"type": "asha", "min_resource": start}
    policy["reduction_factor"] = whole
    last = start * whole ** (stages - 1) if stages else 0
    return {**policy, "last_rung": last} if stages else policy


def hyperband_policy(
    rule: Node, first: float, factor: float, last: float | None
) -> JSONObject:
    """Hyperband for trials of `last` reports, noted for the whole rule; else ASHA.

    Other systems may restart a trial with a larger budget; here it keeps running.
    """
    if last is None:
        return asha_policy(rule, first, factor)
    start, whole = max(math.floor(first), 1), whole_factor(factor)
    longest = max(math.floor(last), start + 1)
    rule.log.changed(
        rule.path,
        f"A trial starts once and runs for up to {longest:,} reports, instead of again "
        f"with larger budgets; at each stage one trial in {whole} continues.",
        "Let the script run to its end and report once per unit of the budget.",
    )
    return {
        "type": "hyperband",
        "min_resource": start,
        "reduction_factor": whole,
        "max_resource": longest,
    }


def whole_factor(factor: float) -> int:
    """The nearest reduction factor that this site allows."""
    return min(max(round(factor), MIN_FACTOR), MAX_FACTOR)


def default_command(log: Log, path: str, why: str) -> str:
    """The command for a document that has none, which is noted."""
    log.changed(
        path,
        f"{why} `{DEFAULT_COMMAND}` is used, with every parameter as an option: "
        "--name value.",
        "Enter your own command instead.",
    )
    return DEFAULT_COMMAND


def default_metric(log: Log, path: str, why: str, metric: str) -> str:
    """The primary metric for a document that has none, which is noted."""
    log.changed(
        path,
        f"{why} The sweep uses a metric named {metric}.",
        "Enter the name of the metric that your script reports.",
    )
    return metric


def default_goal(log: Log, path: str, why: str, goal: str) -> str:
    """The goal for a document that has none, which is noted."""
    log.changed(
        path,
        f"{why} The goal becomes {goal}.",
        "Set objective.goal if "
        f"{'lower' if goal == 'maximize' else 'higher'} values are better.",
    )
    return goal


def default_total(log: Log, path: str, why: str) -> int:
    """The number of trials for a document without a limit, which is noted."""
    log.changed(
        path,
        f"{why} A sweep here needs a number of trials; it gets {DEFAULT_TRIALS}.",
        "Set limits.max_total_trials.",
    )
    return DEFAULT_TRIALS


def limits_of(total: float | None, concurrent: float | None) -> JSONObject:
    """`limits` of numbers that may be missing."""
    limits: JSONObject = {}
    if total is not None:
        limits["max_total_trials"] = total
    if concurrent is None:
        concurrent = min(DEFAULT_CONCURRENT, total or DEFAULT_CONCURRENT)
    limits["max_concurrent_trials"] = concurrent
    return limits


def code_beside(log: Log, command: str) -> JSONObject:
    """The document's own folder as code, if a word of the command is a file in it."""
    try:
        words = split_command(command)
    except CommandError:
        return {}
    return {"code": "."} if any(log.beside(word) is not None for word in words) else {}


def leave_gpus(log: Log, path: str, who: str, amount: object) -> None:
    """Note the GPUs that `who`, such as `A trial`, requests."""
    log.left_out(
        path,
        f"{who} requests GPUs: {shown(amount)}.",
        "Set resources.gpus, on a pool whose slots have GPUs.",
    )
