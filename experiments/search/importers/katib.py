"""A Kubeflow Katib Experiment, version v1beta1."""

from __future__ import annotations

from experiments.search.importers import missing
from experiments.search.importers.katib_algorithm import read_algorithm, read_stopping
from experiments.search.importers.katib_collector import read_collector
from experiments.search.importers.katib_space import read_parameters
from experiments.search.importers.katib_template import read_template
from experiments.search.importers.names import Names
from experiments.search.importers.source import Source, compact, json_value
from experiments.search.records import JSONValue

LIMITS = {
    "maxTrialCount": "max_total_trials",
    "parallelTrialCount": "max_concurrent_trials",
    "maxFailedTrialCount": "max_failed_trials",
}
USUAL_PARALLEL = 3
# Fields of our document by the names that they have in Katib.
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
    "limits": "spec.maxTrialCount",
    **{f"limits.{ours}": f"spec.{theirs}" for theirs, ours in LIMITS.items()},
}
# What a cluster adds to the metadata of everything in it.
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


def read_katib(source: Source, name: str = "") -> dict[str, JSONValue]:
    """The sweep document of an Experiment."""
    for mark in ("apiVersion", "kind"):
        source.take(mark)
    source.stands("", FIELDS)
    document = _metadata(source.inner("metadata"))
    spec = source.inner("spec")
    if not spec.given():
        source.problem("spec", "spec is required: parameters, objective and so on.")
    names = Names(source.log)
    document["search_space"] = read_parameters(spec, names)
    document["trial"] = read_template(spec, names)
    sampling, policy = read_algorithm(spec.inner("algorithm"))
    document["sampling_algorithm"] = sampling
    document["objective"] = _objective(spec.inner("objective"))
    document["early_termination"] = read_stopping(spec) or policy
    document["limits"] = _limits(spec)
    _leave(source, spec)
    return compact(document)


def _metadata(metadata: Source) -> dict[str, JSONValue]:
    name = metadata.text("name") or metadata.text("generateName").rstrip("-")
    document: dict[str, JSONValue] = {"experiment_name": name}
    labels = metadata.inner("labels")
    document["tags"] = {key: json_value(value) for key, value in labels.entries()}
    metadata.leave("namespace", "Teams own sweeps here, not namespaces.")
    metadata.close("a sweep here", also=METADATA)
    return document


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
        strategy.close("an objective here", also=("name", "value"))
    source.close("an objective here", also=OBJECTIVE)
    return compact(objective)


def _limits(spec: Source) -> dict[str, JSONValue]:
    numbers = {ours: spec.number(theirs) for theirs, ours in LIMITS.items()}
    total, failed = numbers["max_total_trials"], numbers["max_failed_trials"]
    if total is None and not spec.has("maxTrialCount"):
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
    read_collector(spec.inner("metricsCollectorSpec"))
    spec.leave("resumePolicy", "A sweep that has ended can be extended at any time.")
    spec.leave("nasConfig", "Architecture search is not done here.")
    spec.close("a sweep here")
    source.leave("status", "The state of the experiment in its cluster is not read.")
    source.close("a sweep here")
