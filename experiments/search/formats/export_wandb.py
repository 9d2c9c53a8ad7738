"""A sweep document as a Weights & Biases sweep configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from experiments.search.document.yaml import as_yaml
from experiments.search.formats.export_shared import (
    OURS,
    Law,
    laws_of,
    leave_missing,
    log_base,
    natural,
    number,
    values_of,
    without_condition,
)
from experiments.search.formats.nodes import Node, compact, json_value
from experiments.search.formats.wandb_command import Command
from experiments.search.records import JSONValue

METHODS = {"random": "random", "grid": "grid", "bayesian": "bayes"}
BOUNDS = {"min_value": "min", "max_value": "max"}
# Our type to theirs, where the fields are the same but for the bounds' names.
KINDS = {
    "uniform": "uniform",
    "quniform": "q_uniform",
    "loguniform": "log_uniform",
    "qloguniform": "q_log_uniform",
    "normal": "normal",
    "qnormal": "q_normal",
    "lognormal": "log_normal",
    "qlognormal": "q_log_normal",
}


def export_wandb(source: Node) -> str:
    """The YAML text of a sweep configuration."""
    base = log_base(source)
    laws = {
        name: natural(without_condition(source, name, law), base)
        for name, law in laws_of(source).items()
    }
    inputs = dict(source.inner("inputs").entries())
    command = Command(source, laws, inputs)
    sweep: dict[str, JSONValue] = {
        "program": command.program,
        "project": source.text("experiment_name"),
        "name": source.text("display_name"),
        "description": source.text("description"),
        "method": _method(source.inner("sampling_algorithm")),
        "metric": _metric(source.inner("objective")),
        "parameters": {
            **{name: _law(source, name, law) for name, law in laws.items()},
            **{name: {"value": json_value(inputs[name])} for name in command.constants},
        },
        "early_terminate": _policy(source),
        "run_cap": _cap(source.inner("limits")),
        "command": json_value(command.words),
    }
    _leave(source)
    return as_yaml(compact(sweep))


def _method(sampling: Node) -> str:
    kind = sampling.text("type") or "random"
    method = METHODS.get(kind) or ("random" if kind == "sobol" else "bayes")
    if kind not in METHODS:
        sampling.changed("type", f"W&B has no sampler {kind}; {method} stands in.")
    sampling.leave("seed", "W&B's search takes no seed.")
    if sampling.take("rule") not in (None, "random"):
        sampling.leave("rule", "W&B draws independently.")
    sampling.take("logbase")
    sampling.close("a W&B sweep")
    return method


def _metric(objective: Node) -> dict[str, JSONValue]:
    metric: dict[str, JSONValue] = {
        "name": objective.text("primary_metric"),
        "goal": objective.text("goal"),
    }
    objective.carry(metric, "target")
    objective.close("a W&B sweep")
    return metric


def _law(source: Node, name: str, law: Law) -> Law:
    kind = str(law["type"])
    if kind in KINDS:
        fields = {BOUNDS.get(key, key): law[key] for key in law if key != "type"}
        return {"distribution": KINDS[kind], **fields}
    read = LAWS.get(kind)
    if read is None:
        source.problem(f"search_space.{name}.type", f"There is no distribution {kind}.")
        return {}
    return read(source, name, law)


def _choice(source: Node, name: str, law: Law) -> Law:
    values = law.get("values")
    if isinstance(values, list) and any(isinstance(value, dict) for value in values):
        _changed(source, name, "W&B does not draw what is inside a value.")
    fields: Law = {"values": values}
    if law.get("probabilities"):
        fields["probabilities"] = law["probabilities"]
    return fields


def _randint(source: Node, name: str, law: Law) -> Law:
    high = number(law, "upper", 1) - 1
    return {"distribution": "int_uniform", "min": 0, "max": high}


def _whole(source: Node, name: str, law: Law) -> Law:
    low, high = number(law, "low"), number(law, "high")
    step = number(law, "step", 1)
    if law.get("log"):
        _changed(source, name, "The ends of a rounded range are less likely at W&B.")
        kind = "q_log_uniform_values"
        return {"distribution": kind, "min": low, "max": high, "q": 1}
    if step != 1:
        return _listed(source, name, law)
    return {"distribution": "int_uniform", "min": low, "max": high}


def _float(source: Node, name: str, law: Law) -> Law:
    if law.get("step"):
        return _listed(source, name, law)
    kind = "log_uniform_values" if law.get("log") else "uniform"
    low, high = number(law, "low"), number(law, "high")
    return {"distribution": kind, "min": low, "max": high}


def _listed(source: Node, name: str, law: Law) -> Law:
    values = values_of(law)
    if values is not None:
        _changed(source, name, f"The range becomes a list of its {len(values)} values.")
        return {"values": values}
    low, high = number(law, "low"), number(law, "high")
    _changed(source, name, "The range becomes multiples of its step, rounded.")
    step = number(law, "step", 1)
    return {"distribution": "q_uniform", "min": low, "max": high, "q": step}


def _changed(source: Node, name: str, message: str) -> None:
    source.log.changed(source.at(f"search_space.{name}"), message)


LAWS: Mapping[str, Callable[[Node, str, Law], Law]] = {
    "choice": _choice,
    "randint": _randint,
    "int": _whole,
    "float": _float,
}


def _policy(source: Node) -> dict[str, JSONValue]:
    if not source.has("early_termination"):
        return {}
    policy = source.inner("early_termination")
    kind = policy.text("type")
    if kind not in ("asha", "hyperband"):
        source.leave(
            "early_termination",
            f"W&B has no {kind}; no run ends early there.",
            "Its only rule is Hyperband, which asha here becomes.",
        )
        return {}
    if kind == "hyperband":
        policy.changed(
            "type", "At W&B every run is judged from its first bracket on, as by asha."
        )
        policy.leave("max_resource", "Runs are judged for as long as they report.")
    rule: dict[str, JSONValue] = {
        "type": "hyperband",
        "min_iter": math.ceil(policy.number("min_resource") or 1),
        "eta": policy.number("reduction_factor") or 3,
    }
    for key, why in (
        ("evaluation_interval", "Hyperband's checks follow from min_iter and eta."),
        ("delay_evaluation", "Hyperband's checks follow from min_iter and eta."),
        ("min_rivals", "W&B compares with however many runs there are."),
    ):
        if policy.take(key) not in (None, 0, 1):
            policy.leave(key, why)
    leave_missing(policy, "W&B")
    policy.close("Hyperband")
    return rule


def _cap(limits: Node) -> JSONValue:
    total = limits.number("max_total_trials")
    limits.leave("max_concurrent_trials", "As many runs go on as agents are started.")
    for key in ("timeout", "trial_timeout", "max_failed_trials"):
        limits.leave(key, "W&B has no such limit.")
    limits.close("a W&B sweep")
    return total


def _leave(source: Node) -> None:
    for key, why in OURS.items():
        if source.take(key) not in (None, {"max_attempts": 2}):
            source.leave(key, why)
    source.leave("tags", "A W&B sweep has no tags.")
    source.leave("compute", "Runs go on wherever agents are started.")
    resources = source.inner("resources")
    if resources.take("gpus"):
        resources.leave("gpus", "An agent sees the GPUs that it is started with.")
    resources.close("a W&B sweep")
    source.close("a W&B sweep")
