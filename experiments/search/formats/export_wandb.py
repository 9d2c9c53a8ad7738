"""A sweep document as a Weights & Biases sweep configuration."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from experiments.search.document.yaml import as_yaml
from experiments.search.formats.export_shared import (
    distributions_of,
    ends_of,
    leave_missing,
    leave_ours,
    listed_values,
    log_base,
    note_change,
    number,
)
from experiments.search.formats.nodes import Node, compact, json_value
from experiments.search.formats.wandb_command import WandbCommand
from experiments.search.records import JSONObject, JSONValue

METHODS = {"random": "random", "grid": "grid", "bayesian": "bayes", "sobol": "random"}
BOUNDS = {"min_value": "min", "max_value": "max"}
# Our types by theirs, for those whose fields are the same except for the bounds' names.
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
SCHEDULE = "Hyperband's schedule follows from min_iter and eta."


def export_wandb(document: Node) -> str:
    """The YAML text of a sweep configuration."""
    distributions = distributions_of(document, base=log_base(document))
    inputs = dict(document.inner("inputs").entries())
    command = WandbCommand(document, distributions, inputs)
    sweep: JSONObject = {
        "program": command.program,
        "project": document.text("experiment_name"),
        "name": document.text("display_name"),
        "description": document.text("description"),
        "method": _method(document.inner("sampling_algorithm")),
        "metric": _metric(document.inner("objective")),
        "parameters": {
            **{
                name: _distribution(document, name, dist)
                for name, dist in distributions.items()
            },
            **{name: {"value": json_value(inputs[name])} for name in command.constants},
        },
        "early_terminate": _policy(document),
        "run_cap": _cap(document.inner("limits")),
        "command": json_value(command.words),
    }
    document.leave("tags", "A W&B sweep has no tags.")
    document.leave("compute", "Runs are wherever you start agents.")
    gpus = "An agent uses the GPUs that you start it with."
    leave_ours(document, gpus=gpus, where="a W&B sweep")
    return as_yaml(compact(sweep))


def _method(sampling: Node) -> str:
    kind = sampling.text("type") or "random"
    method = METHODS.get(kind, "bayes")
    if kind not in METHODS or kind == "sobol":
        message = f"W&B has no sampler {kind}; {method} is used instead."
        sampling.changed("type", message)
    sampling.leave("seed", "W&B's search takes no seed.")
    if sampling.take("rule") not in (None, "random"):
        sampling.leave("rule", "W&B draws values independently.")
    sampling.take("logbase")
    sampling.close("a W&B sweep")
    return method


def _metric(objective: Node) -> JSONObject:
    metric: JSONObject = {
        "name": objective.text("primary_metric"),
        "goal": objective.text("goal"),
    }
    objective.carry(metric, "target")
    objective.close("a W&B sweep")
    return metric


def _distribution(document: Node, name: str, dist: JSONObject) -> JSONObject:
    kind = str(dist["type"])
    if kind in KINDS:
        fields = {BOUNDS.get(key, key): dist[key] for key in dist if key != "type"}
        return {"distribution": KINDS[kind], **fields}
    read = DISTRIBUTIONS.get(kind)
    if read is None:
        message = f"There is no distribution {kind}."
        document.problem(f"search_space.{name}.type", message)
        return {}
    return read(document, name, dist)


def _choice(document: Node, name: str, dist: JSONObject) -> JSONObject:
    values = dist.get("values")
    if isinstance(values, list) and any(isinstance(value, dict) for value in values):
        note_change(document, name, "W&B does not draw parameters inside a value.")
    fields: JSONObject = {"values": values}
    if dist.get("probabilities"):
        fields["probabilities"] = dist["probabilities"]
    return fields


def _whole(document: Node, name: str, dist: JSONObject) -> JSONObject:
    low, high = ends_of(dist)
    if dist.get("log"):
        message = "The ends of a rounded range are less likely at W&B."
        note_change(document, name, message)
        return _range("q_log_uniform_values", low, high, q=1)
    if number(dist, "step", 1) != 1:
        return _stepped(document, name, dist)
    return _range("int_uniform", low, high)


def _float(document: Node, name: str, dist: JSONObject) -> JSONObject:
    if dist.get("step"):
        return _stepped(document, name, dist)
    return _range(
        "log_uniform_values" if dist.get("log") else "uniform", *ends_of(dist)
    )


def _stepped(document: Node, name: str, dist: JSONObject) -> JSONObject:
    values = listed_values(document, name, dist)
    if values is not None:
        return {"values": values}
    message = "The range becomes multiples of its step, rounded."
    note_change(document, name, message)
    return _range("q_uniform", *ends_of(dist), q=number(dist, "step", 1))


def _range(kind: str, low: float, high: float, **q: float) -> JSONObject:
    return {"distribution": kind, "min": low, "max": high, **q}


DISTRIBUTIONS: Mapping[str, Callable[[Node, str, JSONObject], JSONObject]] = {
    "choice": _choice,
    "randint": _whole,
    "int": _whole,
    "float": _float,
}


def _policy(document: Node) -> JSONObject:
    if not document.has("early_termination"):
        return {}
    policy = document.inner("early_termination")
    kind = policy.text("type")
    if kind == "wandb_hyperband":
        rule: JSONObject = {"type": "hyperband"}
        policy.carry(rule, "min_iter", "max_iter", "s", "eta", "strict")
        rule = {
            key: value for key, value in rule.items() if value != 0 or key == "strict"
        }
    elif kind in ("asha", "hyperband"):
        rule = _halving(policy)
    else:
        document.leave(
            "early_termination",
            f"W&B has no {kind}; no run ends early there.",
            "W&B only has Hyperband; choose wandb_hyperband for it.",
        )
        return {}
    for key, why in (
        ("evaluation_interval", SCHEDULE),
        ("delay_evaluation", SCHEDULE),
        ("min_rivals", "W&B compares with any number of runs."),
    ):
        if policy.take(key) not in (None, 0, 1):
            policy.leave(key, why)
    leave_missing(policy, "W&B")
    policy.close("Hyperband")
    return rule


def _halving(policy: Node) -> JSONObject:
    """The rule that is closest to successive halving."""
    message = "W&B checks each report, by the others' values at the last band."
    policy.changed("type", message, "Choose wandb_hyperband for W&B's own rule.")
    for key in ("max_resource", "last_rung"):
        if policy.take(key) not in (None, 0):
            policy.leave(key, "W&B checks runs for as long as they report.")
    return {
        "type": "hyperband",
        "min_iter": math.ceil(policy.number("min_resource") or 1),
        "eta": policy.number("reduction_factor") or 3,
        "strict": False,
    }


def _cap(limits: Node) -> JSONValue:
    total = limits.number("max_total_trials")
    message = "The number of agents decides how many runs there are at once."
    limits.leave("max_concurrent_trials", message)
    for key in ("timeout", "trial_timeout", "max_failed_trials"):
        limits.leave(key, "W&B has no such limit.")
    limits.close("a W&B sweep")
    return total
