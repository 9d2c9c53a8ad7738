"""A Kubeflow Katib Experiment, version v1beta1."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.search.fields import shown
from experiments.search.formats import mapping
from experiments.search.formats.katib_collector import read_collector
from experiments.search.formats.katib_template import read_parameters, read_template
from experiments.search.formats.mapping import (
    MODEL_BASED,
    Names,
    hyperband_policy,
)
from experiments.search.formats.nodes import Node, compact, json_value
from experiments.search.records import JSONObject

ALGORITHMS: Mapping[str, JSONObject] = {
    "random": {"type": "random"},
    "grid": {"type": "grid"},
    "bayesianoptimization": {"type": "bayesian"},
    "tpe": {"type": "tpe"},
    "multivariate-tpe": {"type": "tpe"},
    "cmaes": {"type": "cmaes"},
    "sobol": {"type": "sobol"},
    "hyperband": {"type": "random"},
}
# Katib's algorithms that no sampler here resembles.
OTHERS = ("pbt", "enas", "darts")
# Settings of Katib's algorithms that are not read here.
INNER = (
    "acq_func",
    "acq_optimizer",
    "base_estimator",
    "eta",
    "gamma",
    "n_ei_candidates",
    "n_initial_points",
    "n_population",
    "n_startup_trials",
    "prior_weight",
    "r_l",
    "resample_probability",
    "resource_name",
    "restart_strategy",
    "s_max",
    "sigma",
    "suggestion_trial_dir",
    "truncation_threshold",
)
RULE, RIVALS, START = "medianstop", "min_trials_required", "start_step"
LIMITS = {
    "maxTrialCount": "max_total_trials",
    "parallelTrialCount": "max_concurrent_trials",
    "maxFailedTrialCount": "max_failed_trials",
}
DEFAULT_PARALLEL = 3
# Where the fields of our document are in an Experiment.
FIELDS = {
    "experiment_name": "metadata.name",
    "tags": "metadata.labels",
    "trial": "spec.trialTemplate",
    "search_space": "spec.parameters",
    "sampling_algorithm": "spec.algorithm",
    "sampling_algorithm.type": "spec.algorithm.algorithmName",
    "objective": "spec.objective",
    "objective.primary_metric": "spec.objective.objectiveMetricName",
    "objective.goal": "spec.objective.type",
    "objective.target": "spec.objective.goal",
    "early_termination": "spec.earlyStopping",
    "metrics_collector": "spec.metricsCollectorSpec",
    "limits": "spec.maxTrialCount",
    **{f"limits.{ours}": f"spec.{theirs}" for theirs, ours in LIMITS.items()},
}
# Metadata that a cluster adds to every resource.
METADATA = (
    "annotations",
    "creationTimestamp",
    "finalizers",
    "generation",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
OBJECTIVE = (
    "type",
    "goal",
    "objectiveMetricName",
    "additionalMetricNames",
    "metricStrategies",
)


class NamedSettings(Node):
    """A list of names and values, read as a mapping."""

    def __init__(self, source: Node, key: str) -> None:
        values: dict[str, object] = {}
        self._places: dict[str, str] = {}
        for index, value in enumerate(source.items(key)):
            item = source.mapping(f"{key}.{index}", value)
            name = item.text("name")
            if name in values:
                item.problem("name", f"The setting {shown(name)} is given twice.")
            values[name] = item.take("value")
            self._places[name] = item.path
            item.close("a setting here", also=("name", "value"))
        super().__init__(values, source.at(key), source.log)

    def at(self, key: str | int) -> str:
        return self._places.get(str(key), self.path)


def read_algorithm(algorithm: Node) -> tuple[JSONObject, JSONObject]:
    """The sampling, and the policy that Hyperband implies."""
    name = algorithm.text("algorithmName").lower()
    settings = NamedSettings(algorithm, "algorithmSettings")
    wanted: JSONObject = dict(ALGORITHMS.get(name, {"type": "random"}))
    seed = settings.number("random_state")
    if seed is not None and name != "grid":
        wanted["seed"] = seed
        place = settings.at("random_state")
        algorithm.log.source_map.put(
            "sampling_algorithm.seed", place, name="random_state"
        )
    elif seed is not None:
        settings.leave("random_state", "A grid search runs in order and has no seed.")
    policy = _hyperband(algorithm, settings) if name == "hyperband" else {}
    if name not in ALGORITHMS:
        _note_unknown(algorithm, name)
    settings.close("the sampler here", also=INNER)
    algorithm.close("the sampling here", also=("algorithmName", "algorithmSettings"))
    return wanted, policy


def _hyperband(algorithm: Node, settings: Node) -> JSONObject:
    """The policy that Hyperband implies; its resource is a trial's length here."""
    eta, last = settings.number("eta") or 3, settings.number("r_l")
    fields = {"max_resource": "r_l", "reduction_factor": "eta"}
    for here, there in fields.items():
        path = settings.at(there)
        algorithm.log.source_map.put(f"early_termination.{here}", path, name=there)
    resource = settings.text("resource_name")
    if resource:
        settings.changed(
            "resource_name",
            f"{resource} is drawn like any other parameter. It should be constant, "
            "because trials here are not restarted with more of it.",
            "Make it an input of the sweep.",
        )
    return hyperband_policy(algorithm, 1, eta, last)


def _note_unknown(algorithm: Node, name: str) -> None:
    """Note what replaces an algorithm that this site does not have."""
    known = [*ALGORITHMS, *OTHERS]
    if not name:
        algorithm.changed(
            "algorithmName",
            "The experiment has no algorithm; random search is used.",
            MODEL_BASED,
        )
    elif not algorithm.is_misspelled("algorithmName", name, known, kind="algorithm"):
        algorithm.changed(
            "algorithmName",
            f"There is no sampler {shown(name)} here; random search is used instead.",
            MODEL_BASED,
        )


def read_stopping(spec: Node) -> JSONObject:
    """The policy of `earlyStopping`; empty where there is none."""
    if not spec.has("earlyStopping"):
        return {}
    rule = spec.inner("earlyStopping")
    name = rule.text("algorithmName").lower()
    if name == RULE:
        rule.log.changed(
            rule.path,
            "Katib compares a trial's latest value with the first reports of finished "
            "trials; here its best value is compared with the averages of all trials.",
        )
    elif not rule.is_misspelled("algorithmName", name, [RULE], kind="rule"):
        rule.changed(
            "algorithmName",
            f"There is no policy {shown(name)} here; median stopping is used instead.",
        )
    settings = NamedSettings(rule, "algorithmSettings")
    rivals, start = settings.number(RIVALS), settings.number(START)
    for here, there in (("min_rivals", RIVALS), ("delay_evaluation", START)):
        path = settings.at(there)
        rule.log.source_map.put(f"early_termination.{here}", path, name=there)
    settings.close("the policy here")
    rule.close("a policy here", also=("algorithmName", "algorithmSettings"))
    # Without settings, Katib's defaults.
    return {
        "type": "median_stopping",
        "min_rivals": 3 if rivals is None else rivals,
        "delay_evaluation": 4 if start is None else start,
    }


def read_katib(source: Node, name: str = "") -> JSONObject:
    """The sweep document of an Experiment."""
    source.skip(("apiVersion", "kind"))
    source.record_origin("", FIELDS)
    document = _metadata(source.inner("metadata"))
    spec = source.inner("spec")
    if not spec.given():
        source.problem("spec", "spec is required: parameters, objective and so on.")
    names = Names(source.log)
    document["search_space"] = read_parameters(spec, names)
    document["trial"] = read_template(spec, names)
    sampling, policy = read_algorithm(spec.inner("algorithm"))
    document["sampling_algorithm"] = sampling
    objective = spec.inner("objective")
    more = [str(name) for name in objective.items("additionalMetricNames")]
    document["objective"] = _objective(objective)
    collector = read_collector(spec.inner("metricsCollectorSpec"), more)
    if collector is not None:
        document["metrics_collector"] = collector
    document["early_termination"] = read_stopping(spec) or policy
    document["limits"] = _limits(spec)
    _leave(source, spec)
    return compact(document)


def _metadata(metadata: Node) -> JSONObject:
    name = metadata.text("name") or metadata.text("generateName").rstrip("-")
    document: JSONObject = {"experiment_name": name}
    labels = metadata.inner("labels")
    document["tags"] = {key: json_value(value) for key, value in labels.entries()}
    metadata.leave("namespace", "Sweeps belong to teams here, not to namespaces.")
    metadata.close("a sweep here", also=METADATA)
    return document


def _objective(source: Node) -> JSONObject:
    metric = source.text("objectiveMetricName")
    objective: JSONObject = {
        "primary_metric": metric,
        "goal": source.text("type").lower(),
        "target": source.number("goal"),
    }
    usual = {"maximize": "max", "minimize": "min"}.get(str(objective["goal"]))
    for index, value in enumerate(source.items("metricStrategies")):
        strategy = source.mapping(f"metricStrategies.{index}", value)
        name, rule = strategy.text("name"), strategy.text("value")
        if name == metric and rule != usual:
            strategy.changed(
                "value", f"Here a trial's best value counts, not its {rule} value."
            )
        elif name != metric:
            strategy.leave("value", "All values of other metrics are kept.")
        strategy.close("an objective here", also=("name", "value"))
    source.close("an objective here", also=OBJECTIVE)
    return compact(objective)


def _limits(spec: Node) -> JSONObject:
    numbers = {ours: spec.number(theirs) for theirs, ours in LIMITS.items()}
    total, failed = numbers["max_total_trials"], numbers["max_failed_trials"]
    if total is None and not spec.has("maxTrialCount"):
        why = "Without maxTrialCount, Katib runs until it reaches the goal."
        total = mapping.default_total(spec.log, spec.at("maxTrialCount"), why)
    parallel = numbers["max_concurrent_trials"]
    limits = mapping.limits_of(
        total, DEFAULT_PARALLEL if parallel is None else parallel
    )
    if failed == 0:
        spec.changed("maxFailedTrialCount", "The lowest limit here is 1 failed trial.")
    if failed is not None:
        limits["max_failed_trials"] = failed or 1
    return limits


def _leave(source: Node, spec: Node) -> None:
    spec.leave("resumePolicy", "You can extend a finished sweep at any time.")
    spec.leave("nasConfig", "There is no architecture search here.")
    spec.close("a sweep here")
    source.leave("status", "The experiment's state in the cluster is not imported.")
    source.close("a sweep here")
