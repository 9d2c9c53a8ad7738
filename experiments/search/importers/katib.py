"""A Kubeflow Katib Experiment, version v1beta1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from experiments.search.importers import missing
from experiments.search.importers.katib_space import read_parameters
from experiments.search.importers.katib_template import read_template
from experiments.search.importers.names import Names
from experiments.search.importers.policies import halving
from experiments.search.importers.samplings import model_based, sampled_here
from experiments.search.importers.source import Source, compact, json_value, number_of
from experiments.search.problems import shown
from experiments.search.records import JSONValue

Settings: TypeAlias = "dict[str, JSONValue]"
ALGORITHMS: Mapping[str, Settings] = {
    "random": {"type": "random"},
    "grid": {"type": "grid"},
    "bayesianoptimization": {"type": "bayesian"},
    "tpe": {"type": "tpe"},
    "multivariate-tpe": {"type": "tpe"},
    "cmaes": {"type": "cmaes"},
    "sobol": {"type": "random", "rule": "sobol"},
    "hyperband": {"type": "random"},
}
LIMITS = {
    "maxTrialCount": "max_total_trials",
    "parallelTrialCount": "max_concurrent_trials",
    "maxFailedTrialCount": "max_failed_trials",
}
USUAL_PARALLEL = 3


def read_katib(source: Source, name: str = "") -> dict[str, JSONValue]:
    """The sweep document of an Experiment."""
    for mark in ("apiVersion", "kind"):
        source.take(mark)
    document = _metadata(source.inner("metadata"))
    spec = source.inner("spec")
    if not spec.given():
        source.problem("spec", "spec is required: parameters, objective and so on.")
    names = Names(source.log)
    document["search_space"] = read_parameters(spec, names)
    document["trial"] = read_template(spec, names)
    sampling, policy = _algorithm(spec.inner("algorithm"))
    document["sampling_algorithm"] = sampling
    document["objective"] = _objective(spec.inner("objective"))
    document["early_termination"] = _stopping(spec) or policy
    document["limits"] = _limits(spec)
    _leave(source, spec)
    return compact(document)


def _metadata(metadata: Source) -> dict[str, JSONValue]:
    name = metadata.text("name") or metadata.text("generateName").rstrip("-")
    document: dict[str, JSONValue] = {"experiment_name": name}
    labels = metadata.inner("labels")
    document["tags"] = {key: json_value(value) for key, value in labels.entries()}
    metadata.leave("namespace", "Teams own sweeps here, not namespaces.")
    metadata.close("a sweep here")
    return document


def _algorithm(algorithm: Source) -> tuple[Settings, Settings]:
    """The sampling, and the policy that Hyperband implies."""
    name = algorithm.text("algorithmName").lower()
    given = _settings(algorithm)
    wanted: Settings = dict(ALGORITHMS.get(name, {"type": "random"}))
    seed = number_of(given.pop("random_state", None))
    if seed is not None and name != "grid":
        wanted["seed"] = seed
    sampling = sampled_here(wanted, algorithm.log, algorithm.at("algorithmName"))
    policy: Settings = {}
    if name == "hyperband":
        eta = number_of(given.pop("eta", None)) or 3
        policy = halving(algorithm, 1, eta)
    elif name == "multivariate-tpe" and sampling == wanted:
        algorithm.changed(
            "algorithmName",
            "It becomes the sampler tpe, which looks at one parameter at a time.",
        )
    elif name not in ALGORITHMS:
        algorithm.changed(
            "algorithmName",
            f"There is no sampler {shown(name)} here; random search stands in.",
            model_based(),
        )
    for setting in given:
        algorithm.log.left_out(
            algorithm.at("algorithmSettings"),
            f"The setting {setting} has no counterpart in the sampler here.",
        )
    algorithm.close("the sampling here")
    return sampling, policy


def _settings(source: Source) -> dict[str, object]:
    """`algorithmSettings`, a list of names and values, as a mapping."""
    settings: dict[str, object] = {}
    for index, value in enumerate(source.items("algorithmSettings")):
        item = source.mapping(f"algorithmSettings.{index}", value)
        settings[item.text("name")] = item.take("value")
        item.close("a setting here")
    return settings


def _objective(source: Source) -> dict[str, JSONValue]:
    metric = source.text("objectiveMetricName")
    objective: dict[str, JSONValue] = {
        "primary_metric": metric,
        "goal": source.text("type").lower(),
        "target": source.number("goal"),
    }
    source.leave(
        "additionalMetricNames",
        "Every metric that a trial reports is kept and shown; none has to be listed.",
    )
    usual = {"maximize": "max", "minimize": "min"}.get(str(objective["goal"]))
    for index, value in enumerate(source.items("metricStrategies")):
        strategy = source.mapping(f"metricStrategies.{index}", value)
        name, rule = strategy.text("name"), strategy.text("value")
        if name == metric and rule != usual:
            strategy.changed(
                "value", f"A trial counts by its best value here, not by its {rule}."
            )
        elif name != metric:
            strategy.leave("value", "Other metrics are kept with all their values.")
        strategy.close("an objective here")
    source.close("an objective here")
    return compact(objective)


def _stopping(spec: Source) -> Settings:
    if not spec.has("earlyStopping"):
        return {}
    rule = spec.inner("earlyStopping")
    name = rule.text("algorithmName")
    if name != "medianstop":
        rule.changed(
            "algorithmName",
            f"There is no policy {shown(name)} here; median stopping stands in.",
        )
    else:
        rule.log.changed(
            rule.path,
            "Katib holds a trial's latest value against the first reports of trials "
            "that have ended; here its best is held against the averages of all.",
        )
    given = _settings(rule)
    policy: Settings = {"type": "median_stopping"}
    rivals = number_of(given.pop("min_trials_required", None))
    start = number_of(given.pop("start_step", None))
    # Katib's own defaults.
    policy["min_rivals"] = 3 if rivals is None else rivals
    policy["delay_evaluation"] = 4 if start is None else start
    for setting in given:
        rule.log.left_out(
            rule.at("algorithmSettings"),
            f"The setting {setting} has no counterpart in the policy here.",
        )
    rule.close("a policy here")
    return policy


def _limits(spec: Source) -> dict[str, JSONValue]:
    numbers = {ours: spec.number(theirs) for theirs, ours in LIMITS.items()}
    total, failed = numbers["max_total_trials"], numbers["max_failed_trials"]
    if total is None:
        why = "Without maxTrialCount, Katib goes on until the goal is reached."
        total = missing.no_total(spec.log, spec.at("maxTrialCount"), why)
    parallel = numbers["max_concurrent_trials"]
    limits = missing.limits(total, USUAL_PARALLEL if parallel is None else parallel)
    if failed == 0:
        spec.changed(
            "maxFailedTrialCount", "One trial may fail; a second ends the sweep."
        )
    if failed is not None:
        limits["max_failed_trials"] = failed or 1
    return limits


def _leave(source: Source, spec: Source) -> None:
    spec.leave(
        "metricsCollectorSpec",
        "No collector runs beside a trial: a line such as accuracy=0.9 on standard "
        "output is read as a metric, and event files in ./outputs are too.",
        "Other formats of lines need a regular expression of the sweep's own.",
    )
    spec.leave("resumePolicy", "A sweep that has ended can be extended at any time.")
    spec.leave("nasConfig", "Architecture search is not done here.")
    spec.close("a sweep here")
    source.leave("status", "The state of the experiment in its cluster is not read.")
    source.close("a sweep here")
