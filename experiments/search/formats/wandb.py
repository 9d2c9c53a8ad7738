"""A Weights & Biases sweep configuration."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.search.fields import shown, unknown_name
from experiments.search.formats import mapping
from experiments.search.formats.mapping import Names
from experiments.search.formats.nodes import Node, compact
from experiments.search.formats.wandb_command import read_command
from experiments.search.formats.wandb_space import Parameter, read_parameters
from experiments.search.records import JSONObject

METHODS = {"grid": "grid", "random": "random", "bayes": "bayesian"}
UNSUPPORTED = {
    "entity": "An entity owns projects at W&B; here a team owns experiments.",
    "apiVersion": "Sweep documents have only one version here.",
    "kind": "Every document is a sweep here.",
    "controller": "The search runs on this site, not in a local controller.",
    "job": "Launch jobs belong to W&B.",
    "image_uri": "Trials run in the worker's environment, not in an image.",
    "launch": "Launch queues belong to W&B; here a sweep has a worker pool.",
    "prior_runs": "This site cannot read runs at W&B.",
    "settings": "Settings of W&B's client have no effect here.",
    "scheduler": "The search runs on this site.",
}
RULE = ("type", "min_iter", "max_iter", "s", "eta", "strict")
# Where the fields of our document are in a W&B sweep.
FIELDS = {
    "experiment_name": "project",
    "display_name": "name",
    "description": "description",
    "trial.command": "command",
    "search_space": "parameters",
    "sampling_algorithm": "method",
    "sampling_algorithm.type": "method",
    "objective": "metric",
    "objective.primary_metric": "metric.name",
    "objective.goal": "metric.goal",
    "objective.target": "metric.target",
    "limits.max_total_trials": "run_cap",
    "limits.max_concurrent_trials": "run_cap",
    "early_termination": "early_terminate",
}


def read_wandb(source: Node, name: str = "") -> JSONObject:
    """The sweep document of a W&B sweep."""
    source.record_origin("", FIELDS)
    if not source.has("command"):
        source.log.source_map.put("trial.command", source.at("program"))
    parameters = read_parameters(source.inner("parameters"), Names(source.log))
    document: JSONObject = {
        "experiment_name": source.text("project"),
        "display_name": source.text("name"),
        "description": source.text("description"),
        "trial": _trial(source, parameters),
        "inputs": {item.name: item.value for item in parameters if item.constant},
        "search_space": {
            item.name: item.dist for item in parameters if not item.constant
        },
        "sampling_algorithm": {"type": _method(source)},
        "objective": _objective(source),
        "early_termination": _hyperband(source),
    }
    document["limits"] = _limits(source, parameters, document)
    for key, why in UNSUPPORTED.items():
        source.leave(key, why)
    source.close("a sweep here")
    return compact(document)


def _trial(source: Node, parameters: Sequence[Parameter]) -> JSONObject:
    command = read_command(source, parameters)
    return {"command": command, **mapping.code_beside(source.log, command)}


def _method(source: Node) -> str:
    method = source.text("method").lower()
    if method in METHODS:
        return METHODS[method]
    if method == "custom" and source.has("scheduler"):
        source.leave(
            "scheduler",
            "Custom search code cannot run here; random search is used instead.",
            mapping.MODEL_BASED,
        )
        return "random"
    message = "method is required: grid, random or bayes."
    if method:
        message = unknown_name(method, METHODS, kind="method")
    source.problem("method", message)
    return "random"


def _objective(source: Node) -> JSONObject:
    several = source.items("metrics")
    if several and not source.has("metric"):
        for here in ("objective", "objective.primary_metric"):
            source.record_origin("", {here: "metrics"}, named=False)
    if len(several) > 1:
        source.problem(
            "metrics",
            f"A sweep has one objective here, but metrics has {len(several)}. Keep one "
            "of them as metric.",
        )
    metric = source.inner("metric")
    name = metric.text("name")
    if not name and not several:
        why = "The sweep has no metric."
        name = mapping.default_metric(source.log, source.at("metric"), why, "loss")
    objective: JSONObject = {
        "primary_metric": name,
        "goal": metric.text("goal").lower() or "minimize",
    }
    metric.carry(objective, "target")
    for key in ("impute", "impute_while_running"):
        metric.leave(key, "Trials without a value are not part of the model here.")
    metric.close("an objective here")
    return objective


def _hyperband(source: Node) -> JSONObject:
    if not source.has("early_terminate"):
        return {}
    rule = source.inner("early_terminate")
    kind = rule.text("type").lower()
    if kind != "hyperband":
        rule.problem("type", f"type must be hyperband, not {shown(kind)}.")
        rule.skip(RULE)
        rule.close("a policy here", also=RULE)
        return {}
    rule.record_origin("early_termination", {})
    # Without strict, W&B is strict.
    policy: JSONObject = {"type": "wandb_hyperband", "strict": True}
    rule.carry(policy, "eta", "strict")
    if rule.has("max_iter") and rule.has("s"):
        rule.carry(policy, "max_iter", "s")
        rule.leave("min_iter", "max_iter and s decide the bands.")
    elif rule.has("min_iter"):
        rule.carry(policy, "min_iter")
        rule.leave("s", "Without max_iter, s has no effect.")
        rule.leave("max_iter", "Without s, max_iter has no effect.")
    else:
        rule.problem("min_iter", "min_iter is required, or max_iter together with s.")
        policy = {}
    rule.close("a policy here", also=RULE)
    return policy


def _limits(
    source: Node, parameters: Sequence[Parameter], document: JSONObject
) -> JSONObject:
    total = source.number("run_cap")
    whole_grid = document["sampling_algorithm"] == {"type": "grid"}
    if total is None and not whole_grid:
        why = "Without run_cap, W&B runs until you stop it."
        total = mapping.default_total(source.log, source.at("run_cap"), why)
    return mapping.limits_of(total, None)
