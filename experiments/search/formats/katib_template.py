"""The trial template and the parameters of a Katib experiment."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from experiments.search.fields import listed, shown
from experiments.search.formats import mapping
from experiments.search.formats.mapping import (
    MAX_COMMAND_LENGTH,
    Names,
    are_ordered,
    bounds_of,
    is_too_long,
    joined,
    leave_gpus,
    parameter_placeholder,
    stepped_log,
)
from experiments.search.formats.nodes import Node, json_value, number_of
from experiments.search.records import JSONObject, JSONValue

REFERENCE = re.compile(r"\$\{trialParameters\.([^}]{1,200})\}")
META = re.compile(r"\$\{trialSpec\.(\w+)(?:\[[^\]]{0,200}\])?\}")
DEPENDENT = re.compile(r"\$\([A-Za-z_][\w.-]{0,200}\)|\{\{[^{}]{1,200}\}\}")
MAX_DEPTH = 12
# Replaces names that only the cluster knows.
CLUSTER_NAME = "trial"
PARTS = {
    "retain": "Finished trials and their logs are always kept here.",
    "primaryPodLabels": "There are no pods here.",
    "successCondition": "A trial succeeds when its command exits with code 0.",
    "failureCondition": "A trial fails when its command exits with another code.",
    "configMap": "The template is in a ConfigMap, which this site cannot read.",
}
GPU = "nvidia.com/gpu"
TEMPLATE = ("primaryContainerName", "trialParameters", "trialSpec", *PARTS)
# Kubernetes' fields of a container.
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
SHAPES = ("uniform", "logUniform", "normal", "logNormal", "unknown")
KINDS = ("double", "int", "discrete", "categorical")
# From one bound of a normal distribution to the other, in standard deviations.
SIGMAS = 6
# Where the fields of our distributions are in Katib.
FIELDS = {
    **dict.fromkeys(("low", "min_value", "mu"), "feasibleSpace.min"),
    **dict.fromkeys(("high", "max_value", "sigma"), "feasibleSpace.max"),
    **dict.fromkeys(("step", "q"), "feasibleSpace.step"),
    "log": "feasibleSpace.distribution",
    "values": "feasibleSpace.list",
}
SPACE = ("min", "max", "list", "step", "distribution")


def read_template(source: Node, names: Names) -> JSONObject:
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
        why = "No container in the template has a command with a parameter."
        template.leave("trialSpec", "None of its containers uses a parameter.")
        return {"command": mapping.default_command(source.log, template.path, why)}
    return _trial(container, trial_spec, references)


def _references(template: Node, names: Names) -> dict[str, str | None]:
    """The parameter here that each name in the template refers to, or None."""
    found: dict[str, str | None] = {}
    for index, value in enumerate(template.items("trialParameters")):
        item = template.mapping(f"trialParameters.{index}", value)
        name, reference = item.text("name"), item.text("reference")
        item.leave("description", "Parameters have no descriptions here.")
        item.close("a parameter here")
        known = names.known(reference)
        if known is None and META.fullmatch(reference):
            item.changed(
                "reference",
                f"{reference} is a name in the cluster; it becomes {CLUSTER_NAME}.",
                "Use the variable SWEEPSITE_TRIAL_ID for the trial's ID.",
            )
        elif known is None:
            message = f"There is no parameter {shown(reference)}."
            item.problem("reference", message)
        found[name] = known
    return found


def _chosen(trial_spec: Node, wanted: str) -> Node | None:
    """The container whose command becomes that of a trial: one that is not run before
    the others, uses parameters and has the wanted name, as far as there is one."""
    containers = list(_containers(trial_spec, 0))
    chosen = max(
        containers,
        key=lambda item: (
            "initContainers" not in item.path,
            _uses_parameters(item),
            item.text("name") == wanted,
        ),
        default=None,
    )
    for item in containers:
        if item is not chosen:
            trial_spec.log.left_out(
                item.path,
                f"A trial runs one command; the container {shown(item.text('name'))} "
                "does not run.",
            )
    return chosen


def _containers(source: Node, depth: int) -> Iterator[Node]:
    """Every container inside a trial's resource, whatever its kind.

    In lists of containers that is each item. Elsewhere, such as in the templates of a
    workflow, it is what has an image and uses a parameter.
    """
    for key, value in source.entries() if depth < MAX_DEPTH else ():
        items = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, item in items:
            if not isinstance(item, Mapping):
                continue
            place = key if index is None else f"{key}.{index}"
            inner = source.mapping(place, item)
            listed_there = key in ("containers", "initContainers")
            if listed_there or (inner.has("image") and _uses_parameters(inner)):
                yield inner
            else:
                yield from _containers(inner, depth + 1)


def _uses_parameters(container: Node) -> bool:
    words = [*container.items("command"), *container.items("args")]
    for variable in container.items("env"):
        words += variable.values() if isinstance(variable, Mapping) else []
    return any(REFERENCE.search(str(word)) for word in words)


def _trial(
    container: Node, trial_spec: Node, references: Mapping[str, str | None]
) -> JSONObject:
    given = [*container.items("command"), *container.items("args")]
    if is_too_long(given):
        container.problem(
            "command", f"A command may have up to {MAX_COMMAND_LENGTH:,} characters."
        )
        container.log.diagnostics.raise_if_any()
    words = [
        _filled(container, key, item, references)
        for key in ("command", "args")
        for item in container.items(key)
    ]
    trial: JSONObject = {}
    key = "command" if container.has("command") else "args"
    container.log.source_map.put("trial.command", container.at(key))
    container.log.source_map.put("trial.environment_variables", container.at("env"))
    if container.has("command"):
        trial["command"] = joined(words)
    elif words:
        container.changed(
            "args",
            "The program is inside the container's image; "
            f"`{mapping.DEFAULT_COMMAND}` is used in front of its arguments.",
            "Enter your own program instead.",
        )
        trial["command"] = f"{mapping.DEFAULT_COMMAND} {joined(words)}"
    else:
        why = "The command is inside the container's image."
        trial["command"] = mapping.default_command(
            container.log, container.at("command"), why
        )
    environment = dict(_environment(container, references))
    if environment:
        trial["environment_variables"] = environment
    container.take("name")
    container.leave(
        "image",
        "Trials run in the worker's environment, not in an image.",
        "Install the image's packages on the workers.",
    )
    _resources(container)
    container.close("a trial here", also=CONTAINER)
    _leave_resource(trial_spec, container)
    return trial


def _filled(
    container: Node, key: str, item: object, references: Mapping[str, str | None]
) -> str:
    def placeholder(match: re.Match[str]) -> str:
        name = match[1]
        if name not in references:
            message = f"trialParameters does not list {shown(name)}."
            container.problem(key, message)
        known = references.get(name)
        return parameter_placeholder(known) if known else CLUSTER_NAME

    text = str(item)
    if DEPENDENT.search(text) or META.search(text):
        container.changed(
            key,
            f"{shown(text)} has a name from the cluster; it stays unchanged.",
        )
    return REFERENCE.sub(placeholder, text)


def _environment(
    container: Node, references: Mapping[str, str | None]
) -> Iterator[tuple[str, JSONValue]]:
    for index, value in enumerate(container.items("env")):
        item = container.mapping(f"env.{index}", value)
        name, text = item.text("name"), item.take("value")
        if isinstance(text, str) and REFERENCE.search(text):
            item.leave(
                "value",
                "Parameters cannot be part of environment variables here.",
                "Read the variable AZUREML_SWEEP_name in the script.",
            )
        elif name and text is not None:
            yield name, json_value(text)
        item.leave("valueFrom", "There are no secrets or config maps here.")
        item.close("a variable here")


def _resources(container: Node) -> None:
    resources = container.inner("resources")
    for part in resources.given():
        inner = resources.inner(part)
        for name, amount in inner.entries():
            if name == GPU:
                leave_gpus(container.log, inner.at(name), "The container", amount)
            else:
                container.log.left_out(
                    inner.at(name), "A trial gets the resources of its worker slot."
                )


def _leave_resource(trial_spec: Node, container: Node) -> None:
    """Note the parts of the cluster's resource around the container."""
    kind = trial_spec.text("kind")
    around = [key for key in trial_spec.given() if key not in ("kind", "apiVersion")]
    if kind not in ("Job", ""):
        trial_spec.changed(
            "kind",
            f"A {kind} starts several processes; here a trial is one process.",
            "Start the others from the command, as torchrun does.",
        )
    trial_spec.log.left_out(
        trial_spec.path,
        "Only the container's command and variables are imported, not the rest of "
        f"the resource ({listed(around)}).",
    )


def read_parameters(source: Node, names: Names) -> JSONObject:
    """The search space of `parameters`."""
    space: JSONObject = {}
    parameters = source.items("parameters")
    if not parameters:
        source.problem("parameters", "parameters must list at least one parameter.")
    for index, value in enumerate(parameters):
        item = source.mapping(f"parameters.{index}", value)
        given = item.text("name")
        if not given:
            item.problem("name", "A parameter needs a name, such as lr.")
            _distribution(item)
            item.close("a parameter here")
            continue
        name = names.give(given, item.at("name"))
        item.record_origin(f"search_space.{name}", FIELDS)
        space[name] = _distribution(item)
        item.close("a parameter here")
    return space


def _distribution(item: Node) -> JSONObject:
    kind = item.text("parameterType").lower()
    space = item.inner("feasibleSpace")
    if kind not in KINDS:
        item.problem(
            "parameterType",
            f"parameterType must be {listed(KINDS, last='or')}, not {shown(kind)}.",
        )
        dist: JSONObject = {}
        space.skip(SPACE)
    elif kind in ("discrete", "categorical"):
        dist = _choice(space, kind)
    else:
        dist = _range(space, kind)
    space.close("a distribution here", also=SPACE)
    return dist


def _choice(space: Node, kind: str) -> JSONObject:
    values = json_value(space.items("list"))
    listed_values = values if isinstance(values, list) else []
    if kind == "discrete":
        numbers = [number_of(value) for value in listed_values]
        if None not in numbers:
            return {"type": "choice", "values": json_value(numbers)}
        space.changed("list", "Not all values are numbers; they become text.")
    texts = [value if isinstance(value, str) else str(value) for value in listed_values]
    return {"type": "choice", "values": json_value(texts)}


def _range(space: Node, kind: str) -> JSONObject:
    shape, step = space.text("distribution") or "uniform", space.number("step")
    bounds = bounds_of(space, positive=shape in ("logUniform", "logNormal"))
    if shape not in SHAPES:
        known = listed(SHAPES[:-1], last="or")
        message = f"distribution must be {known}, not {shown(shape)}."
        space.problem("distribution", message)
        return {}
    if bounds is None:
        return {}
    low, high = bounds
    if shape in ("normal", "logNormal"):
        return _normal(space, kind, shape, low, high)
    log = shape == "logUniform"
    dist: JSONObject = {
        "type": "int" if kind == "int" else "float",
        "low": low,
        "high": high,
    }
    if kind == "int" and step == 1:
        step = None
    if log and step:
        return _stepped_log(space, low, high, step)
    return {
        **dist,
        **({"log": True} if log else {}),
        **({"step": step} if step else {}),
    }


def _stepped_log(space: Node, low: float, high: float, step: float) -> JSONObject:
    space.changed("step", f"The values are multiples of {step:g}, not steps from min.")
    if not are_ordered(space, low, high):
        return {}
    return stepped_log(low, high, step)


def _normal(space: Node, kind: str, shape: str, low: float, high: float) -> JSONObject:
    dist: JSONObject = {"type": "normal" if shape == "normal" else "lognormal"}
    if not are_ordered(space, low, high):
        return {}
    space.changed(
        "distribution",
        "The bounds are three standard deviations from the mean, as in Katib, but here "
        "values may be beyond them.",
    )
    if shape == "logNormal":
        low, high = math.log(low), math.log(high)
    dist |= {"mu": low / 2 + high / 2, "sigma": high / SIGMAS - low / SIGMAS}
    step = space.number("step") or (1 if kind == "int" else None)
    return {**dist, "type": f"q{dist['type']}", "q": step} if step else dist
