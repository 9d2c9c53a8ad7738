"""Azure ML's HyperDrive configuration (v1), and pipelines with a sweep step."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from experiments.search.fields import listed, shown, unknown_name
from experiments.search.formats import mapping
from experiments.search.formats.azure import UNSUPPORTED, read_azure
from experiments.search.formats.mapping import Names
from experiments.search.formats.nodes import Node, compact, json_value
from experiments.search.records import JSONObject

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
# The one that is 0 is not set.
SLACK = ("slack_factor", "slack_amount")
FINISHED = "exclude_finished_jobs"
SAMPLING_OPTIONS = ("seed", "rule", "logbase")
# Where the fields of our document are in a configuration.
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
PARENT_INPUT = re.compile(r"\s*\$\{\{\s*parent\.inputs\.(\w+)\s*\}\}\s*")
# A step's own value replaces the pipeline's.
SHARED = ("experiment_name", "description", "tags", "compute")
SETTINGS = (
    "component",
    "continue_on_step_failure",
    "continue_run_on_failed_optional_input",
    "default_compute",
    "default_datastore",
    "force_rerun",
    "on_finalize",
    "on_init",
)
PIPELINE = ("component", "services", "source_job_id")


def read_wire(source: Node, name: str = "") -> JSONObject:
    """The sweep document of a HyperDrive configuration."""
    document: JSONObject = {}
    document["experiment_name"] = source.text("experiment_name")
    document["display_name"] = source.text("name")
    source.carry(document, "description", "tags")
    source.record_origin("", FIELDS)
    document["trial"] = {
        "command": mapping.default_command(
            source.log, "", "A HyperDrive configuration does not have the command."
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


def _inner(source: Node, key: str) -> Node:
    """A mapping, which a run's tags have as JSON text."""
    value = source.take(key)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            source.problem(key, f"{key} must be a mapping, or the JSON text of one.")
            value = None
    if value is None:
        return Node({}, source.at(key), source.log)
    return source.mapping(key, value)


def _generator(source: Node) -> JSONObject:
    kind = source.text("name").lower()
    sampling = SAMPLINGS.get(kind, "")
    if not sampling:
        message = unknown_name(kind, SAMPLINGS, kind="sampling")
        source.problem("name", message)
    names = Names(source.log)
    space: JSONObject = {}
    parameters = source.inner("parameter_space")
    for given, value in parameters.entries():
        name = names.give(given, parameters.at(given))
        space[name] = json_value(value)
        source.log.source_map.put(f"search_space.{name}", parameters.at(given))
    options: JSONObject = {"type": sampling}
    properties = source.inner("properties")
    inside = properties if properties.given() else source
    inside.record_origin("sampling_algorithm", {key: key for key in SAMPLING_OPTIONS})
    properties.carry(options, *SAMPLING_OPTIONS)
    properties.close("the sampling here")
    source.carry(options, *SAMPLING_OPTIONS)
    source.close("the sampling here")
    return {"search_space": space, "sampling_algorithm": options}


def _objective(source: Node) -> JSONObject:
    objective: JSONObject = {
        "primary_metric": source.text("name"),
        "goal": source.text("goal").lower(),
    }
    source.close("an objective here")
    return compact(objective)


def _policy(source: Node) -> JSONObject:
    kind = source.text("name")
    policy = POLICIES.get(kind.lower().replace("_", ""), "")
    if kind and kind.lower().replace("_", "") not in POLICIES:
        known = ["Bandit", "MedianStopping", "TruncationSelection", "Default"]
        message = f"name must be {listed(known, last='or')}, not {shown(kind)}."
        source.problem("name", message)
    properties = source.inner("properties")
    settings: JSONObject = {"type": policy}
    source.log.source_map.put_whole("early_termination", properties.path)
    source.log.source_map.put("early_termination.type", source.at("name"))
    if not policy:
        for key in properties.given():
            properties.leave(key, f"{key} has no effect without a policy.")
    for key, value in properties.entries():
        if value is not None and not (key in SLACK and value == 0):
            settings[key] = json_value(value)
    source.close("a policy here")
    if policy and policy != "truncation_selection" and settings.pop(FINISHED, None):
        properties.leave(FINISHED, f"{FINISHED} has no effect on {policy}.")
    return settings if policy else {}


def _limits(source: Node) -> JSONObject:
    limits: JSONObject = {}
    for ours, names in (
        ("max_total_trials", ("max_total_jobs", "max_total_runs")),
        ("max_concurrent_trials", ("max_concurrent_jobs", "max_concurrent_runs")),
    ):
        key, value = source.first(*names)
        number = source.as_number(key, value)
        source.record_origin("", {f"limits.{ours}": key})
        if number is not None:
            limits[ours] = number
    source.record_origin("", {"limits.timeout": "max_duration_minutes"})
    minutes = source.number("max_duration_minutes")
    if minutes:
        limits["timeout"] = minutes * 60
    return limits


def recognize_wire(document: Mapping[str, object]) -> list[str]:
    """The settings that identify a HyperDrive configuration."""
    keys = ("generator_config", "policy_config", "primary_metric_config")
    return [key for key in keys if key in document]


def read_pipeline(source: Node, name: str = "") -> JSONObject:
    """The sweep document of the step with a name, or of the only sweep step."""
    source.skip(("$schema", "type"))
    steps = dict(source.inner("jobs").entries())
    chosen = _chosen(source, steps, name)
    if not chosen:
        source.log.diagnostics.raise_if_any()
    for step in steps:
        if step != chosen:
            source.log.left_out(
                source.at(f"jobs.{step}"),
                f"The step {step} does not belong to the sweep {chosen}.",
                "Run it separately, before or after the sweep.",
            )
    shared: JSONObject = {}
    source.carry(shared, *SHARED)
    settings = source.inner("settings")
    compute = settings.take("default_compute")
    if compute is not None:
        shared.setdefault("compute", str(compute).removeprefix("azureml:"))
    settings.close("a sweep here", also=SETTINGS)
    shared["display_name"] = source.text("display_name") or chosen
    step_value = _with_inputs(steps.get(chosen), source.inner("inputs"))
    document = read_azure(source.inner("jobs").mapping(chosen, step_value))
    for key in compact(shared):
        if key not in document:
            source.log.source_map.put(key, source.at(key))
    if "compute" not in document and not source.has("compute"):
        source.log.source_map.put("compute", settings.at("default_compute"))
    for key in ("name", "properties", "identity"):
        source.leave(key, UNSUPPORTED[key])
    source.leave("outputs", "A sweep has no pipeline outputs.")
    source.close("a sweep here", also=PIPELINE)
    return {**compact(shared), **document}


def _chosen(source: Node, steps: Mapping[str, object], name: str) -> str:
    sweeps = [step for step, value in steps.items() if is_sweep_step(value)]
    if name in sweeps or len(sweeps) == 1:
        return name if name in sweeps else sweeps[0]
    source.problem(
        "jobs",
        f"The pipeline has {len(sweeps)} sweep steps, {listed(sweeps)}; choose one by "
        "its name."
        if sweeps
        else "The pipeline has no step of the type sweep.",
    )
    return ""


def is_sweep_step(step: object) -> bool:
    """Whether a step of a pipeline is a sweep."""
    if not isinstance(step, Mapping):
        return False
    is_named_so = str(step.get("type")).lower().startswith("sweep")
    return is_named_so or step.get("search_space") is not None


def _with_inputs(step: object, pipeline: Node) -> object:
    """A step with its references to the pipeline's inputs replaced by their values."""
    values = dict(pipeline.entries())
    if not isinstance(step, Mapping):
        return step
    given = step.get("inputs")
    if not isinstance(given, Mapping):
        given = {}
    inputs, used = {}, set()
    for name, value in given.items():
        match = PARENT_INPUT.fullmatch(value) if isinstance(value, str) else None
        inputs[name] = values.get(match[1], value) if match else value
        used.add(match[1] if match else "")
    for name in values:
        if name not in used:
            pipeline.leave(name, "The sweep step does not use this input.")
    return {**step, "inputs": inputs}
