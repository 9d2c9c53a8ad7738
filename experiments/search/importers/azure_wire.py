"""Azure ML's v1 sweep as it goes over the wire: the HyperDrive configuration."""

from __future__ import annotations

import json
from collections.abc import Mapping

from experiments.search.importers import missing
from experiments.search.importers.names import Names
from experiments.search.importers.source import Source, compact, json_value
from experiments.search.problems import listed, shown, unknown_name
from experiments.search.records import JSONValue

SAMPLINGS = {
    "random": "random",
    "grid": "grid",
    "bayesianoptimization": "bayesian",
    "bayesian": "bayesian",
}
POLICIES = {
    "bandit": "bandit",
    "medianstopping": "median_stopping",
    "truncationselection": "truncation_selection",
    "default": "",
    "noterminationpolicy": "",
}
# Which of the two is 0 has not been set.
SLACK = ("slack_factor", "slack_amount")
FINISHED = "exclude_finished_jobs"
SAMPLING_OPTIONS = ("seed", "rule", "logbase")
# Fields of our document by the names that they have there.
FIELDS = {
    "display_name": "name",
    "search_space": "generator_config.parameter_space",
    "sampling_algorithm": "generator_config",
    "sampling_algorithm.type": "generator_config.name",
    "objective": "primary_metric_config",
    "objective.primary_metric": "primary_metric_config.name",
    "objective.goal": "primary_metric_config.goal",
}
RECORDS = (
    "compute_target",
    "created_time_utc",
    "debug_flag",
    "hyperdrive_type",
    "platform",
    "platform_config",
    "resume_child_runs",
    "resume_from",
    "run_config",
    "study_id",
    "user",
)


def read_wire(source: Source, name: str = "") -> dict[str, JSONValue]:
    """The sweep document of a HyperDrive configuration."""
    document: dict[str, JSONValue] = {}
    document["experiment_name"] = source.text("experiment_name")
    document["display_name"] = source.text("name")
    source.carry(document, "description", "tags")
    source.stands("", FIELDS)
    document["trial"] = {
        "command": missing.no_command(
            source.log, "", "A HyperDrive configuration does not hold the script."
        )
    }
    document.update(_generator(_inner(source, "generator_config")))
    document["objective"] = _objective(_inner(source, "primary_metric_config"))
    document["early_termination"] = _policy(_inner(source, "policy_config"))
    document["limits"] = _limits(source)
    for key in RECORDS:
        source.leave(key, f"{key} belongs to Azure's own records of the run.")
    source.close("a sweep here")
    return compact(document)


def _inner(source: Source, key: str) -> Source:
    """A mapping, which tags of a run hold as JSON text."""
    value = source.take(key)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            source.problem(key, f"{key} is not a mapping, nor the JSON text of one.")
            value = None
    if value is None:
        return Source({}, source.at(key), source.log)
    return source.mapping(key, value)


def _generator(source: Source) -> dict[str, JSONValue]:
    kind = source.text("name").lower()
    sampling = SAMPLINGS.get(kind, "")
    if not sampling:
        message = unknown_name(kind, SAMPLINGS, kind="sampling")
        source.problem("name", message)
    names = Names(source.log)
    space: dict[str, JSONValue] = {}
    parameters = source.inner("parameter_space")
    for given, value in parameters.entries():
        name = names.give(given, parameters.at(given))
        space[name] = json_value(value)
        source.log.places.put(f"search_space.{name}", parameters.at(given))
    options: dict[str, JSONValue] = {"type": sampling}
    properties = source.inner("properties")
    inside = properties if properties.given() else source
    inside.stands("sampling_algorithm", {key: key for key in SAMPLING_OPTIONS})
    properties.carry(options, *SAMPLING_OPTIONS)
    properties.close("the sampling here")
    source.carry(options, *SAMPLING_OPTIONS)
    source.close("the sampling here")
    return {"search_space": space, "sampling_algorithm": options}


def _objective(source: Source) -> dict[str, JSONValue]:
    objective: dict[str, JSONValue] = {
        "primary_metric": source.text("name"),
        "goal": source.text("goal").lower(),
    }
    source.close("an objective here")
    return compact(objective)


def _policy(source: Source) -> dict[str, JSONValue]:
    kind = source.text("name")
    policy = POLICIES.get(kind.lower().replace("_", ""), "")
    if kind and kind.lower().replace("_", "") not in POLICIES:
        known = ["Bandit", "MedianStopping", "TruncationSelection", "Default"]
        source.problem("name", f"{shown(kind)} is none of {listed(known)}.")
    properties = source.inner("properties")
    settings: dict[str, JSONValue] = {"type": policy}
    source.log.places.put_whole("early_termination", properties.path)
    source.log.places.put("early_termination.type", source.at("name"))
    if not policy:
        for key in properties.given():
            properties.leave(key, f"{key} says nothing where there is no policy.")
    for key, value in properties.entries():
        if value is not None and not (key in SLACK and value == 0):
            settings[key] = json_value(value)
    source.close("a policy here")
    if policy and policy != "truncation_selection" and settings.pop(FINISHED, None):
        properties.leave(FINISHED, f"{FINISHED} says nothing to {policy}.")
    return settings if policy else {}


def _limits(source: Source) -> dict[str, JSONValue]:
    limits: dict[str, JSONValue] = {}
    for ours, names in (
        ("max_total_trials", ("max_total_jobs", "max_total_runs")),
        ("max_concurrent_trials", ("max_concurrent_jobs", "max_concurrent_runs")),
    ):
        key, value = source.first(*names)
        number = source.as_number(key, value)
        source.stands("", {f"limits.{ours}": key})
        if number is not None:
            limits[ours] = number
    source.stands("", {"limits.timeout": "max_duration_minutes"})
    minutes = source.number("max_duration_minutes")
    if minutes:
        limits["timeout"] = minutes * 60
    return limits


def is_wire(document: Mapping[str, object]) -> list[str]:
    """The settings by which a HyperDrive configuration is known."""
    marks = ("generator_config", "policy_config", "primary_metric_config")
    return [mark for mark in marks if mark in document]
