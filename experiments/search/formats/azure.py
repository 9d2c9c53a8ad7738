"""Azure ML's v2 sweep job, whose schema our own document extends.

A document is Azure's if it says so (`$schema`, `type: sweep`) or has what only Azure
reads: references (`azureml:…`), environments, identities, old placeholders. Without any
of them it is valid for both and is read as ours.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping

from experiments.search.document.code import address_problem, is_address, split_address
from experiments.search.document.loading import load_document
from experiments.search.fields import DefinitionError, shown
from experiments.search.formats import mapping
from experiments.search.formats.nodes import (
    Document,
    Log,
    Node,
    compact,
    inner_mapping,
    json_value,
)
from experiments.search.records import JSONObject, JSONValue

LEGACY = re.compile(r"(?<![{$])\{(search_space|inputs)\.(\w+)\}")
OUTPUT = re.compile(r"\$\{\{\s*outputs\.(\w+)\s*\}\}")
INPUT = re.compile(r"\$\{\{\s*inputs\.(\w+)\s*\}\}")
# Addresses that this site does not fetch.
REMOTE = ("azureml:", "git+", "http:", "https:", "azureml.")
AZURE = ("azureml:", "azureml.")
PACKAGES = "List packages in trial.requirements and set trial.python."
UNSUPPORTED = {
    "name": "Sweeps have numbers here instead of job names.",
    "properties": "Properties belong to Azure's own records.",
    "identity": "Trials run as the worker's user, without an Azure identity.",
    "queue_settings": "There are no job tiers here.",
    "services": "Trials start no interactive services here.",
    "environment": "Trials run in the worker's environment.",
    "distribution": "A trial is one process; its command may start others.",
    "settings": "A sweep has no pipeline settings.",
    "parent": "A sweep has no parent job here.",
}
ADDITIONS = ("constraints", "retries", "priority", "metrics_collector")
OLD_LIMITS = ("max_total_trials", "max_concurrent_trials")
# Keys in Azure's schema that are not read here.
SWEEP = (
    "algorithm",
    "component",
    "defaults",
    "experiment_name",
    "max_concurrent_trials",
    "max_total_trials",
    "schedule",
    "status",
    "timeout_minutes",
)
TRIAL = (
    "command",
    "code",
    "description",
    "display_name",
    "docker_args",
    "environment_variables",
    "inputs",
    "is_deterministic",
    "name",
    "outputs",
    "shm_size",
    "tags",
    "version",
)
DATA = ("default", "description", "enum", "max", "min", "mode", "optional")
RESOURCES = (
    "docker_args",
    "docker_args_list",
    "instance_count",
    "instance_type",
    "locations",
    "max_instance_count",
    "properties",
    "shm_size",
)
CLOUD = ("identity", "queue_settings", "properties", "services")
REFERENCE = "azureml:"


def read_azure(source: Node, name: str = "") -> JSONObject:
    """The sweep document of a v2 sweep job."""
    source.skip(("$schema", "type"))
    document: JSONObject = {}
    if source.path:
        source.log.source_map.put_whole("", source.path)
    source.carry(document, "experiment_name", "display_name", "description", "tags")
    inputs = dict(_inputs(source.inner("inputs")))
    space = json_value(source.take("search_space"))
    names = set(space) if isinstance(space, Mapping) else set()
    document["trial"] = _trial(source, inputs, names)
    document["inputs"] = inputs
    document["search_space"] = space
    document["sampling_algorithm"] = _sampling(source)
    source.carry(document, "objective")
    document["early_termination"] = _lowered(
        json_value(source.take("early_termination"))
    )
    document["limits"] = _limits(source, document["sampling_algorithm"])
    document["compute"] = _compute(source)
    _leave(source, document)
    return compact(document)


def _lowered(value: JSONValue) -> JSONValue:
    """A name, or the type in a mapping, in lower case."""
    if isinstance(value, str):
        return value.lower()
    if isinstance(value, dict) and isinstance(value.get("type"), str):
        return {**value, "type": str(value["type"]).lower()}
    return value


def _sampling(source: Node) -> JSONValue:
    key, given = source.first("sampling_algorithm", "algorithm")
    source.log.source_map.put_whole("sampling_algorithm", source.at(key))
    return _lowered(json_value(given))


def _limits(source: Node, sampling: JSONValue) -> JSONValue:
    given = json_value(source.take("limits"))
    limits = dict(given) if isinstance(given, dict) else {}
    for key in OLD_LIMITS:
        if source.has(key):
            source.record_origin("", {f"limits.{key}": key})
        source.carry(limits, key)
    minutes = source.number("timeout_minutes")
    if minutes is not None:
        limits["timeout"] = minutes * 60
        source.record_origin("", {"limits.timeout": "timeout_minutes"})
    if given is not None and not isinstance(given, dict):
        return given
    kind = sampling.get("type") if isinstance(sampling, dict) else sampling
    if "max_total_trials" not in limits and kind != "grid":
        why = "The sweep has no max_total_trials."
        limits["max_total_trials"] = mapping.default_total(
            source.log, source.at("limits"), why
        )
    return limits or None


def _compute(source: Node) -> JSONValue:
    compute = source.take("compute")
    if isinstance(compute, Mapping):
        target = source.mapping("compute", compute)
        compute = target.text("target")
        target.close("a worker pool")
    if not isinstance(compute, str):
        return json_value(compute)
    pool = compute.removeprefix("azureml:").partition(":")[0]
    if pool != compute:
        source.changed(
            "compute",
            f"The compute {compute} becomes the worker pool {pool}.",
            "Choose a pool that has workers, such as default.",
        )
    return pool


def _trial(source: Node, inputs: JSONObject, space: set[str]) -> JSONObject:
    value = source.take("trial")
    trial = source.mapping("trial", value if isinstance(value, Mapping) else None)
    if isinstance(value, str):
        component = component_beside(source.log, value)
        if component is None:
            command = mapping.default_command(
                source.log,
                source.at("trial"),
                f"The command is in a separate component, {shown(value)}.",
            )
            return {"command": command}
        trial = source.mapping("trial", component)
        inputs |= _defaults(trial, inputs, space)
    trial.skip(("$schema", "type"))
    document: JSONObject = {}
    if trial.has("command"):
        document["command"] = _command(trial, inputs, space)
    elif trial.given():
        document["command"] = mapping.default_command(
            source.log, source.at("trial"), "The trial has no command."
        )
    _code(trial, document)
    trial.carry(document, "environment_variables", "requirements", "python")
    trial.leave("environment", UNSUPPORTED["environment"], PACKAGES)
    for key in ("distribution", "services", "identity"):
        trial.leave(key, UNSUPPORTED[key])
    trial.leave("resources", "Workers have no nodes and no instance types.")
    trial.close("a trial here", also=TRIAL)
    return document


def component_beside(log: Log, reference: str) -> Document | None:
    """A component's own file, which the document names; None if it is not there."""
    path = posixpath.normpath(reference.removeprefix("file:"))
    text = None if reference.startswith(AZURE) else log.beside(path)
    if text is None:
        return None
    try:
        found = load_document(text)
    except DefinitionError as error:
        log.problem("trial", f"{shown(path)} cannot be read. {error}")
        return None
    code, folder = found.get("code"), posixpath.dirname(path)
    if folder and isinstance(code, str) and not is_address(code):
        # Azure reads it relative to the component's file.
        found = {**found, "code": posixpath.normpath(posixpath.join(folder, code))}
    return found


def _defaults(trial: Node, inputs: JSONObject, space: set[str]) -> JSONObject:
    """The defaults of a component's inputs that the sweep does not set."""
    declared = trial.inner("inputs").entries()
    return {
        name: json_value(inner["default"])
        for name, inner in declared
        if name not in inputs
        and name not in space
        and isinstance(inner, Mapping)
        and inner.get("default") is not None
    }


def _code(trial: Node, document: JSONObject) -> None:
    code = trial.take("code")
    if isinstance(code, Mapping) and set(code) == {"local_path"}:
        # A folder, as the preview of the schema had it.
        document["code"] = json_value(code["local_path"])
    elif isinstance(code, str) and is_address(code) and not code.startswith(AZURE):
        problem = address_problem(split_address(code).url)
        if problem:
            trial.leave("code", problem, "Enter the repository as {git: {url: …}}.")
        else:
            trial.carry(document, "code")
    elif isinstance(code, str) and code.startswith(REMOTE):
        trial.leave(
            "code",
            f"The code is at {shown(code)}, which this site does not fetch.",
            "Upload the folder, or use a path next to the document.",
        )
    else:
        trial.carry(document, "code")


def _command(trial: Node, inputs: JSONObject, space: set[str]) -> JSONValue:
    """The command with current placeholders."""
    command = trial.take("command")
    if not isinstance(command, str):
        return json_value(command)
    text = LEGACY.sub(r"${{\1.\2}}", command)
    if text != command:
        trial.changed("command", "Placeholders become ${{search_space.x}}.")
    if OUTPUT.search(text):
        text = OUTPUT.sub(r"outputs/\1", text)
        trial.changed(
            "command",
            "${{outputs.x}} becomes the path outputs/x, where files are kept. The "
            "script has to create the folder.",
        )

    def corrected(match: re.Match[str]) -> str:
        name = match[1]
        is_swept = name in space and name not in inputs
        return mapping.parameter_placeholder(name) if is_swept else match[0]

    return INPUT.sub(corrected, text)


def _inputs(source: Node) -> Iterator[tuple[str, JSONValue]]:
    for name, value in source.entries():
        if isinstance(value, Mapping):
            yield name, _data(source.mapping(name, value), source, name)
        elif value is not None:
            if isinstance(value, str) and "${{parent." in value:
                source.changed(name, f"{shown(value)} only exists in the pipeline.")
            yield name, json_value(value)


def _data(data: Node, inputs: Node, name: str) -> JSONValue:
    """A data input as its path, a declared one as its value."""
    _, value = data.first("path", "value", "default", "file", "folder", "data")
    kind = data.text("type")
    if value is None:
        data.problem("path", f"The input {name} has neither a path nor a value.")
    elif kind not in ("number", "integer", "string", "boolean"):
        inputs.changed(
            name,
            f"Azure mounts or downloads {shown(value)}; here the command gets a path.",
            "Use a path that every worker can read.",
        )
    data.leave("mode", "Data is not mounted or downloaded here.")
    data.close("an input here", also=DATA)
    return json_value(value)


def _leave(source: Node, document: JSONObject) -> None:
    source.carry(document, *ADDITIONS)
    for key, why in UNSUPPORTED.items():
        source.leave(key, why)
    source.leave("outputs", "Files in ./outputs are kept; nothing is mounted.")
    resources = source.inner("resources")
    if resources.has("gpus"):
        document["resources"] = {"gpus": json_value(resources.take("gpus"))}
    resources.close("the resources of a trial here", also=RESOURCES)
    source.close("a sweep here", also=SWEEP)


def recognize_azure(document: Document) -> list[str]:
    """The settings that identify an Azure sweep job; none for another document."""
    kind = str(document.get("type", "")).lower()
    schema = str(document.get("$schema", "")).lower()
    found = ["$schema"] if "$schema" in document else []
    if kind in ("sweep", "sweep_job"):
        found.append(f"type: {kind}")
    elif "search_space" not in document and "trial" not in document:
        return found if "sweepjob" in schema else []
    found += [key for key in (*CLOUD, "algorithm") if document.get(key) is not None]
    found += _found_in_trial(document.get("trial"))
    return found + _references(document)


def _found_in_trial(trial: object) -> list[str]:
    if not isinstance(trial, Mapping):
        return ["trial"] if isinstance(trial, str) else []
    keys = ("environment", "distribution")
    found = [f"trial.{key}" for key in keys if trial.get(key) is not None]
    command = trial.get("command")
    if isinstance(command, str) and LEGACY.search(command):
        found.append("{search_space.…} in the command")
    return found


def _references(document: Document) -> list[str]:
    values = {
        "compute": document.get("compute"),
        "trial.code": inner_mapping(document, "trial").get("code"),
    }
    for name, value in inner_mapping(document, "inputs").items():
        path = value.get("path") if isinstance(value, Mapping) else value
        values[f"inputs.{name[:40]}"] = path
    return [
        f"{place}: {REFERENCE}…"
        for place, value in values.items()
        if isinstance(value, str) and value.startswith(REFERENCE)
    ]
