"""A sweep document as a Kubeflow Katib Experiment."""

from __future__ import annotations

import re
from collections.abc import Mapping

from experiments.search.document.command import split_command, value_text
from experiments.search.document.yaml import as_yaml
from experiments.search.formats.export_shared import (
    complete_command,
    distributions_of,
    ends_of,
    leave_missing,
    leave_ours,
    leave_weights,
    listed_values,
    log_base,
    note_change,
    note_unused,
    number,
)
from experiments.search.formats.katib_collector import dump_collector
from experiments.search.formats.nodes import Node, compact, json_value
from experiments.search.records import JSONObject, JSONValue

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
SEEDED = ("random", "tpe", "bayesianoptimization", "cmaes")
PLACEHOLDER = re.compile(r"\$\{\{\s*(search_space|inputs)\.(\w+)\s*\}\}")
LIMITS = {
    "max_total_trials": "maxTrialCount",
    "max_concurrent_trials": "parallelTrialCount",
    "max_failed_trials": "maxFailedTrialCount",
}
SHAPES = {
    "loguniform": "logUniform",
    "normal": "normal",
    "qnormal": "normal",
    "lognormal": "logNormal",
    "qlognormal": "logNormal",
}


def export_katib(document: Node) -> str:
    """The YAML text of an Experiment."""
    distributions = distributions_of(document, base=log_base(document))
    collector, more = dump_collector(document)
    spec: JSONObject = {
        "objective": _objective(document.inner("objective"), more),
        "metricsCollectorSpec": collector,
        "algorithm": _algorithm(document.inner("sampling_algorithm")),
        "earlyStopping": _stopping(document),
        **_limits(document.inner("limits")),
        "parameters": [
            {"name": name, **_parameter(document, name, dist)}
            for name, dist in distributions.items()
        ],
        "trialTemplate": _template(document, list(distributions)),
    }
    experiment: JSONObject = {
        "apiVersion": VERSION,
        "kind": "Experiment",
        "metadata": _metadata(document),
        "spec": compact(spec),
    }
    document.leave("display_name", "An Experiment has one name.")
    document.leave("description", "An Experiment has no description.")
    document.leave("compute", "The cluster decides where trials run.")
    gpus = "Request GPUs in the container's resources."
    leave_ours(document, gpus=gpus, where="a Katib experiment")
    return as_yaml(experiment)


def _metadata(document: Node) -> JSONObject:
    given = document.text("experiment_name") or "default"
    name = re.sub(r"[^a-z0-9-]+", "-", given.lower()).strip("-")[:40] or "sweep"
    if name != given:
        message = f"Kubernetes allows fewer characters in names; it becomes {name}."
        document.changed("experiment_name", message)
    labels = document.inner("tags").entries()
    metadata: JSONObject = {"name": name}
    if labels:
        metadata["labels"] = {key: str(value) for key, value in labels}
    return metadata


def _objective(objective: Node, more: list[JSONValue]) -> JSONObject:
    spec: JSONObject = {
        "type": objective.text("goal"),
        "goal": objective.number("target"),
        "objectiveMetricName": objective.text("primary_metric"),
        "additionalMetricNames": more,
    }
    objective.close("Katib's objective")
    return compact(spec)


def _algorithm(sampling: Node) -> JSONObject:
    kind = sampling.text("type") or "random"
    rule = sampling.take("rule")
    name = "sobol" if rule == "sobol" else ALGORITHMS.get(kind, "tpe")
    if kind not in ALGORITHMS:
        message = f"Katib has no algorithm {kind}; tpe is used instead."
        sampling.changed("type", message)
    seed = sampling.number("seed")
    sampling.take("logbase")
    spec: JSONObject = {"algorithmName": name}
    if seed is not None and name in SEEDED:
        spec["algorithmSettings"] = _settings(random_state=seed)
    else:
        sampling.leave("seed", f"Katib's {name} takes no seed.")
    sampling.close("Katib's algorithm")
    return spec


def _settings(**values: float) -> JSONValue:
    return [{"name": name, "value": str(value)} for name, value in values.items()]


def _stopping(document: Node) -> JSONObject:
    if not document.has("early_termination"):
        return {}
    policy = document.inner("early_termination")
    kind = policy.text("type")
    if kind != "median_stopping":
        document.leave(
            "early_termination",
            f"Katib has no {kind}; no trial ends early there.",
            "Katib only has median stopping.",
        )
        return {}
    if policy.take("evaluation_interval") not in (None, 0, 1):
        policy.leave("evaluation_interval", "Katib checks every report.")
    settings = _settings(
        min_trials_required=policy.number("min_rivals") or 1,
        start_step=policy.number("delay_evaluation") or 1,
    )
    leave_missing(policy, "Katib")
    policy.close("Katib's early stopping")
    return {"algorithmName": "medianstop", "algorithmSettings": settings}


def _limits(limits: Node) -> JSONObject:
    spec = {theirs: limits.number(ours) for ours, theirs in LIMITS.items()}
    for key in ("timeout", "trial_timeout"):
        limits.leave(key, "Katib has no such limit.")
    limits.close("Katib's limits")
    return {key: value for key, value in spec.items() if value is not None}


def _parameter(document: Node, name: str, dist: JSONObject) -> JSONObject:
    kind = str(dist["type"])
    if kind in ("choice", "quniform", "qloguniform"):
        return _list(document, name, dist)
    if "normal" in kind:
        message = "Katib cuts values off three standard deviations from the mean."
        note_change(document, name, message)
    whole = kind in ("int", "randint")
    step = number(dist, "step") or number(dist, "q")
    return _space(
        "int" if whole else "double",
        ends_of(dist),
        step=0 if whole and step == 1 else step,
        shape="logUniform" if dist.get("log") else SHAPES.get(kind, ""),
    )


def _list(document: Node, name: str, dist: JSONObject) -> JSONObject:
    """A distribution whose values are listed, as numbers or as text."""
    if dist["type"] == "choice":
        values = dist.get("values")
    else:
        values = listed_values(document, name, dist)
    if not isinstance(values, list):
        note_change(document, name, "The range becomes multiples of its step.")
        return _space("double", ends_of(dist), step=number(dist, "q"))
    leave_weights(document, name, dist, "Katib")
    numbers = all(type(value) in (int, float) for value in values)
    if not numbers and not all(isinstance(value, str) for value in values):
        note_change(document, name, "Values that are not text become text in Katib.")
    kind = "discrete" if numbers else "categorical"
    texts: JSONValue = [value_text(value) for value in values]
    return {"parameterType": kind, "feasibleSpace": {"list": texts}}


def _space(
    kind: str, ends: tuple[float, float], *, step: float, shape: str = ""
) -> JSONObject:
    space: JSONObject = {"min": value_text(ends[0]), "max": value_text(ends[1])}
    if step:
        space["step"] = value_text(step)
    if shape:
        space["distribution"] = shape
    return {"parameterType": kind, "feasibleSpace": space}


def _template(document: Node, names: list[str]) -> JSONObject:
    trial = document.inner("trial")
    inputs = dict(document.inner("inputs").entries())
    text = complete_command(document, trial.text("command"), names)
    words = split_command(text) if not document.log.diagnostics.problems else []
    note_unused(document, inputs, text)
    found = PLACEHOLDER.finditer(text)
    used = {match[2] for match in found if match[1] == "search_space"}
    container: JSONObject = {
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
    trial.leave("code", "A container runs the code in its image.")
    trial.log.left_out(
        trial.at("image"),
        "A container needs an image, which this site does not have.",
        "Replace IMAGE with the name of your image.",
    )
    trial.close("Katib's template")
    pod: JSONObject = {"containers": [container], "restartPolicy": "Never"}
    return {
        "primaryContainerName": CONTAINER,
        "trialParameters": [
            {"name": name, "reference": name} for name in names if name in used
        ],
        "trialSpec": {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "spec": {"template": {"spec": pod}},
        },
    }


def _word(word: str, inputs: Mapping[str, object]) -> str:
    def filled(match: re.Match[str]) -> str:
        if match[1] == "search_space":
            return f"${{trialParameters.{match[2]}}}"
        value = inputs.get(match[2])
        return match[0] if value is None else value_text(json_value(value))

    return PLACEHOLDER.sub(filled, word)
