"""The trial template of a Katib experiment: its training container's command."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from experiments.search.importers import missing
from experiments.search.importers.gpus import note_gpus
from experiments.search.importers.names import Names
from experiments.search.importers.source import Source, json_value
from experiments.search.importers.words import (
    LONGEST_COMMAND,
    joined,
    parameter,
    too_long,
)
from experiments.search.problems import listed, shown
from experiments.search.records import JSONValue

REFERENCE = re.compile(r"\$\{trialParameters\.([^}]{1,200})\}")
META = re.compile(r"\$\{trialSpec\.(\w+)(?:\[[^\]]{0,200}\])?\}")
DEPENDENT = re.compile(r"\$\([A-Za-z_]\w*\)")
DEEPEST = 12
# Stands for a name that only the cluster has.
UNNAMED = "trial"
PARTS = {
    "retain": "Finished trials and their logs are always kept here.",
    "primaryPodLabels": "There are no pods here.",
    "successCondition": "A trial succeeds when its command ends with exit code 0.",
    "failureCondition": "A trial fails when its command ends with another exit code.",
    "configMap": "The template is in a ConfigMap, which cannot be read from here.",
}
GPU = "nvidia.com/gpu"
TEMPLATE = ("primaryContainerName", "trialParameters", "trialSpec", *PARTS)
# What Kubernetes knows of a container.
CONTAINER = (
    "args",
    "command",
    "env",
    "envFrom",
    "image",
    "imagePullPolicy",
    "lifecycle",
    "livenessProbe",
    "name",
    "ports",
    "readinessProbe",
    "resizePolicy",
    "resources",
    "restartPolicy",
    "securityContext",
    "startupProbe",
    "stdin",
    "stdinOnce",
    "terminationMessagePath",
    "terminationMessagePolicy",
    "tty",
    "volumeDevices",
    "volumeMounts",
    "workingDir",
)


def read_template(source: Source, names: Names) -> dict[str, JSONValue]:
    """`trial` of a template; `names` are those of the parameters."""
    template = source.inner("trialTemplate")
    references = _references(template, names)
    for key, why in PARTS.items():
        template.leave(key, why)
    wanted = template.text("primaryContainerName")
    trial_spec = template.inner("trialSpec")
    container = _chosen(trial_spec, wanted)
    template.close("a trial here", also=TEMPLATE)
    if container is None:
        why = "The template shows no container with a command."
        template.leave("trialSpec", "There are no containers in it.")
        return {"command": missing.no_command(source.log, template.path, why)}
    return _trial(container, trial_spec, references)


def _references(template: Source, names: Names) -> dict[str, str | None]:
    """What each name in the template stands for: a parameter here, or None."""
    found: dict[str, str | None] = {}
    for index, value in enumerate(template.items("trialParameters")):
        item = template.mapping(f"trialParameters.{index}", value)
        name, reference = item.text("name"), item.text("reference")
        item.leave("description", "A parameter has no description of its own here.")
        item.close("a parameter here")
        known = names.known(reference)
        if known is None and META.fullmatch(reference):
            item.changed(
                "reference",
                f"{reference} is a name in the cluster; the command says {UNNAMED} in "
                "its place.",
                "The variable SWEEPSITE_TRIAL_ID has the trial's name here.",
            )
        elif known is None:
            message = f"There is no parameter {shown(reference)}."
            item.problem("reference", message)
        found[name] = known
    return found


def _chosen(trial_spec: Source, wanted: str) -> Source | None:
    containers = list(_containers(trial_spec, trial_spec.path, 0))
    named = [item for item in containers if item.text("name") == wanted]
    chosen = next(iter(named or containers), None)
    for item in containers:
        if item is not chosen:
            trial_spec.log.left_out(
                item.path,
                f"A trial runs one command; that of the container "
                f"{shown(item.text('name'))} does not run.",
            )
    return chosen


def _containers(source: Source, path: str, depth: int) -> Iterator[Source]:
    """Every container inside a trial's resource, whatever its kind."""
    for key, value in source.entries() if depth < DEEPEST else ():
        if key in ("containers", "initContainers") and isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, Mapping):
                    yield source.mapping(f"{key}.{index}", item)
        elif isinstance(value, Mapping):
            yield from _containers(source.mapping(key, value), path, depth + 1)


def _trial(
    container: Source, trial_spec: Source, references: Mapping[str, str | None]
) -> dict[str, JSONValue]:
    given = [*container.items("command"), *container.items("args")]
    if too_long(given):
        container.problem(
            "command", f"A command may have {LONGEST_COMMAND:,} characters."
        )
        container.log.findings.raise_if_any()
    words = [
        _filled(container, key, item, references)
        for key in ("command", "args")
        for item in container.items(key)
    ]
    trial: dict[str, JSONValue] = {}
    key = "command" if container.has("command") else "args"
    container.log.places.put("trial.command", container.at(key))
    container.log.places.put("trial.environment_variables", container.at("env"))
    if words:
        trial["command"] = joined(words)
    else:
        why = "The command is inside the container's image."
        trial["command"] = missing.no_command(
            container.log, container.at("command"), why
        )
    environment = dict(_environment(container, references))
    if environment:
        trial["environment_variables"] = environment
    container.take("name")
    container.leave(
        "image",
        "Trials run in the worker's own environment, not in an image.",
        "Install what the image holds where the workers run.",
    )
    _resources(container)
    container.close("a trial here", also=CONTAINER)
    _rest(trial_spec, container)
    return trial


def _filled(
    container: Source, key: str, item: object, references: Mapping[str, str | None]
) -> str:
    def placeholder(match: re.Match[str]) -> str:
        name = match[1]
        if name not in references:
            message = f"trialParameters does not list {shown(name)}."
            container.problem(key, message)
        known = references.get(name)
        return parameter(known) if known else UNNAMED

    text = str(item)
    if DEPENDENT.search(text) or META.search(text):
        container.changed(
            key,
            f"{shown(text)} holds a name that only the cluster fills in; it stays as "
            "it is.",
        )
    return REFERENCE.sub(placeholder, text)


def _environment(
    container: Source, references: Mapping[str, str | None]
) -> Iterator[tuple[str, JSONValue]]:
    for index, value in enumerate(container.items("env")):
        item = container.mapping(f"env.{index}", value)
        name, text = item.text("name"), item.take("value")
        if isinstance(text, str) and REFERENCE.search(text):
            item.leave(
                "value",
                "Parameters do not go into variables of your own here.",
                "The script finds each one in the variable AZUREML_SWEEP_name.",
            )
        elif name and text is not None:
            yield name, json_value(text)
        item.leave("valueFrom", "There are no secrets or config maps here.")
        item.close("a variable here")


def _resources(container: Source) -> None:
    resources = container.inner("resources")
    for part in resources.given():
        inner = resources.inner(part)
        for name, amount in inner.entries():
            if name == GPU:
                note_gpus(container.log, inner.at(name), "The container", amount)
            else:
                container.log.left_out(
                    inner.at(name), "A trial has what its worker slot has."
                )


def _rest(trial_spec: Source, container: Source) -> None:
    """What is around the container in the cluster's resource."""
    kind = trial_spec.text("kind")
    around = [key for key in trial_spec.given() if key not in ("kind", "apiVersion")]
    if kind not in ("Job", ""):
        trial_spec.changed(
            "kind",
            f"A {kind} starts several processes; here one trial is one process.",
            "Let the command start the others, as torchrun does.",
        )
    trial_spec.log.left_out(
        trial_spec.path,
        f"What the cluster needs around the container ({listed(around)}) has no "
        "counterpart; its command and variables are carried over.",
    )
