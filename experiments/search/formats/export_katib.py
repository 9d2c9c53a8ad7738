"""A sweep document as a Kubeflow Katib Experiment."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

from experiments.search.document.command import split_command, value_text
from experiments.search.document.yaml import as_yaml
from experiments.search.formats.export_shared import (
    OURS,
    Law,
    laws_of,
    leave_missing,
    log_base,
    named_command,
    natural,
    note_unused,
    number,
    values_of,
    without_condition,
)
from experiments.search.formats.nodes import Node, compact, json_value
from experiments.search.records import JSONValue

VERSION = "kubeflow.org/v1beta1"
CONTAINER = "training-container"
ALGORITHMS = {
    "random": "random",
    "grid": "grid",
    "bayesian": "bayesianoptimization",
    "tpe": "tpe",
    "cmaes": "cmaes",
    "sobol": "sobol",
}
PLACE = re.compile(r"\$\{\{\s*(search_space|inputs)\.(\w+)\s*\}\}")
LIMITS = {
    "max_total_trials": "maxTrialCount",
    "max_concurrent_trials": "parallelTrialCount",
    "max_failed_trials": "maxFailedTrialCount",
}
# Three standard deviations on either side are Katib's bounds of a normal law.
SIGMAS = 3


def export_katib(source: Node) -> str:
    """The YAML text of an Experiment."""
    base = log_base(source)
    laws = {
        name: natural(without_condition(source, name, law), base)
        for name, law in laws_of(source).items()
    }
    spec: dict[str, JSONValue] = {
        "objective": _objective(source.inner("objective")),
        "algorithm": _algorithm(source.inner("sampling_algorithm")),
        "earlyStopping": _stopping(source),
        **_limits(source.inner("limits")),
        "parameters": [
            {"name": name, **_parameter(source, name, law)}
            for name, law in laws.items()
        ],
        "trialTemplate": _template(source, list(laws)),
    }
    experiment: dict[str, JSONValue] = {
        "apiVersion": VERSION,
        "kind": "Experiment",
        "metadata": _metadata(source),
        "spec": compact(spec),
    }
    _leave(source)
    return as_yaml(experiment)


def _metadata(source: Node) -> dict[str, JSONValue]:
    given = source.text("experiment_name") or "default"
    name = re.sub(r"[^a-z0-9-]+", "-", given.lower()).strip("-")[:40] or "sweep"
    if name != given:
        source.changed("experiment_name", f"Names in a cluster are simpler: {name}.")
    labels = source.inner("tags").entries()
    metadata: dict[str, JSONValue] = {"name": name}
    if labels:
        metadata["labels"] = {key: str(value) for key, value in labels}
    return metadata


def _objective(objective: Node) -> dict[str, JSONValue]:
    spec: dict[str, JSONValue] = {
        "type": objective.text("goal"),
        "goal": objective.number("target"),
        "objectiveMetricName": objective.text("primary_metric"),
    }
    objective.close("Katib's objective")
    return compact(spec)


def _algorithm(sampling: Node) -> dict[str, JSONValue]:
    kind = sampling.text("type") or "random"
    rule = sampling.take("rule")
    name = "sobol" if rule == "sobol" else ALGORITHMS.get(kind, "tpe")
    if kind not in ALGORITHMS:
        sampling.changed("type", f"Katib has no algorithm {kind}; tpe stands in.")
    seed = sampling.number("seed")
    sampling.take("logbase")
    spec: dict[str, JSONValue] = {"algorithmName": name}
    if seed is not None and name in ("random", "tpe", "bayesianoptimization", "cmaes"):
        settings: JSONValue = [{"name": "random_state", "value": str(seed)}]
        spec["algorithmSettings"] = settings
    else:
        sampling.leave("seed", f"Katib's {name} takes no seed.")
    sampling.close("Katib's algorithm")
    return spec


def _stopping(source: Node) -> dict[str, JSONValue]:
    if not source.has("early_termination"):
        return {}
    policy = source.inner("early_termination")
    kind = policy.text("type")
    if kind != "median_stopping":
        source.leave(
            "early_termination",
            f"Katib has no {kind}; no trial ends early there.",
            "Its only rule is median stopping.",
        )
        return {}
    if policy.take("evaluation_interval") not in (None, 0, 1):
        policy.leave("evaluation_interval", "Katib looks at every report.")
    settings: JSONValue = [
        {
            "name": "min_trials_required",
            "value": str(policy.number("min_rivals") or 1),
        },
        {"name": "start_step", "value": str(policy.number("delay_evaluation") or 1)},
    ]
    leave_missing(policy, "Katib")
    policy.close("Katib's early stopping")
    return {"algorithmName": "medianstop", "algorithmSettings": settings}


def _limits(limits: Node) -> dict[str, JSONValue]:
    spec = {theirs: limits.number(ours) for ours, theirs in LIMITS.items()}
    for key in ("timeout", "trial_timeout"):
        limits.leave(key, "Katib has no such limit.")
    limits.close("Katib's limits")
    return {key: value for key, value in spec.items() if value is not None}


def _parameter(source: Node, name: str, law: Law) -> Law:
    kind = str(law["type"])
    if kind in ("uniform", "loguniform", "float"):
        return _double(law)
    if kind == "randint":
        return _space("int", 0, number(law, "upper", 1) - 1)
    if kind == "int":
        step = number(law, "step", 1)
        shape = "logUniform" if law.get("log") else ""
        return _space(
            "int",
            number(law, "low"),
            number(law, "high"),
            step=0 if step == 1 else step,
            shape=shape,
        )
    if kind in ("normal", "lognormal", "qnormal", "qlognormal"):
        return _bell(source, name, law)
    return _list(source, name, law)


def _double(law: Law) -> Law:
    if law["type"] == "float":
        shape = "logUniform" if law.get("log") else ""
        step = number(law, "step")
        low, high = number(law, "low"), number(law, "high")
        return _space("double", low, high, step=step, shape=shape)
    low, high = number(law, "min_value"), number(law, "max_value")
    if law["type"] == "loguniform":
        return _space("double", math.exp(low), math.exp(high), shape="logUniform")
    return _space("double", low, high)


def _bell(source: Node, name: str, law: Law) -> Law:
    _changed(
        source, name, "Katib cuts a normal law off three deviations from its mean."
    )
    mu, reach = number(law, "mu"), SIGMAS * number(law, "sigma")
    low, high = mu - reach, mu + reach
    is_log = "log" in str(law["type"])
    if is_log:
        low, high = math.exp(low), math.exp(high)
    shape = "logNormal" if is_log else "normal"
    return _space("double", low, high, step=number(law, "q"), shape=shape)


def _list(source: Node, name: str, law: Law) -> Law:
    """A law whose values are listed, as numbers or as text."""
    values = law.get("values") if law["type"] == "choice" else values_of(law)
    if not isinstance(values, list):
        _changed(source, name, "The range becomes multiples of its step.")
        low, high = number(law, "min_value"), number(law, "max_value")
        if law["type"] == "qloguniform":
            low, high = math.exp(low), math.exp(high)
        return _space("double", low, high, step=number(law, "q"))
    if law["type"] != "choice":
        _changed(source, name, f"The range becomes a list of its {len(values)} values.")
    if law.get("probabilities"):
        source.log.left_out(
            source.at(f"search_space.{name}.probabilities"),
            "Katib has no weights: every value is equally likely.",
        )
    plain = [value for value in values if type(value) in (int, float)]
    kind = "discrete" if len(plain) == len(values) else "categorical"
    if kind == "categorical" and not all(isinstance(value, str) for value in values):
        _changed(source, name, "Values that are no text become text in Katib.")
    texts: JSONValue = [value_text(value) for value in values]
    return {"parameterType": kind, "feasibleSpace": {"list": texts}}


def _space(
    kind: str, low: float, high: float, *, step: float = 0, shape: str = ""
) -> Law:
    space: Law = {"min": value_text(low), "max": value_text(high)}
    if step:
        space["step"] = value_text(step)
    if shape:
        space["distribution"] = shape
    return {"parameterType": kind, "feasibleSpace": space}


def _changed(source: Node, name: str, message: str) -> None:
    source.log.changed(source.at(f"search_space.{name}"), message)


def _template(source: Node, names: list[str]) -> dict[str, JSONValue]:
    trial = source.inner("trial")
    inputs = dict(source.inner("inputs").entries())
    text = named_command(source, trial.text("command"), names)
    words = split_command(text) if not source.log.diagnostics.problems else []
    note_unused(source, inputs, text)
    named = {match[2] for match in PLACE.finditer(text) if match[1] == "search_space"}
    used = [name for name in names if name in named]
    container: dict[str, JSONValue] = {
        "name": CONTAINER,
        "image": "IMAGE",
        "command": [_word(word, inputs) for word in words],
    }
    environment = trial.inner("environment_variables").entries()
    if environment:
        container["env"] = [
            {"name": name, "value": value_text(json_value(value))}
            for name, value in environment
        ]
    trial.leave("code", "A container runs what is in its image.")
    trial.log.left_out(
        trial.at("image"),
        "A container needs an image, which has no counterpart here; it says IMAGE.",
    )
    trial.close("Katib's template")
    pod: dict[str, JSONValue] = {"containers": [container], "restartPolicy": "Never"}
    return {
        "primaryContainerName": CONTAINER,
        "trialParameters": [{"name": name, "reference": name} for name in used],
        "trialSpec": {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "spec": {"template": {"spec": pod}},
        },
    }


def _word(word: str, inputs: Mapping[str, object]) -> str:
    def place(match: re.Match[str]) -> str:
        if match[1] == "search_space":
            return f"${{trialParameters.{match[2]}}}"
        value = inputs.get(match[2])
        return match[0] if value is None else value_text(json_value(value))

    return PLACE.sub(place, word)


def _leave(source: Node) -> None:
    for key, why in OURS.items():
        if source.take(key) not in (None, {"max_attempts": 2}):
            source.leave(key, why)
    source.leave("display_name", "An Experiment has one name.")
    source.leave("description", "An Experiment has no description.")
    source.leave("compute", "The cluster decides where trials run.")
    resources = source.inner("resources")
    if resources.take("gpus"):
        resources.leave("gpus", "Say so in the container's resources.")
    resources.close("Katib")
    source.close("a Katib experiment")
