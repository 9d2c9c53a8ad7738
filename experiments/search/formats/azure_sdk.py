"""Sweeps in Python that uses Azure's v2 SDK: `command(…)` and `.sweep(…)`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from experiments.search.formats import mapping
from experiments.search.formats.azure import read_azure
from experiments.search.formats.azure_calls import Arguments, leave_policy, read_policy
from experiments.search.formats.azure_v1 import POLICIES
from experiments.search.formats.nodes import Log, Node, compact, json_value
from experiments.search.formats.python_text import (
    UNKNOWN,
    PythonText,
    called,
    is_named,
    owner_of,
)
from experiments.search.records import JSONObject, JSONValue

DISTRIBUTIONS = (
    *("Choice", "Uniform", "LogUniform", "QUniform", "QLogUniform"),
    *("Normal", "LogNormal", "QNormal", "QLogNormal", "Randint"),
)
SAMPLINGS = {
    "RandomSamplingAlgorithm": "random",
    "GridSamplingAlgorithm": "grid",
    "BayesianSamplingAlgorithm": "bayesian",
}
SWEEP = ("primary_metric", "goal", "sampling_algorithm")
# Attributes of a sweep job that its document has under the same name.
ATTRIBUTES = ("display_name", "experiment_name", "description", "tags", "compute")
LIMITS = ("max_total_trials", "max_concurrent_trials", "timeout", "trial_timeout")
COMMAND, COMPONENT = "command", "load_component"
JOB = (*ATTRIBUTES, "name", "identity", "queue_settings", "resources")


@dataclass
class _Job:
    """What `.sweep(…)` is called on: what a trial runs, its inputs and its space."""

    trial: JSONValue = None
    inputs: JSONObject = field(default_factory=dict)
    space: JSONObject = field(default_factory=dict)
    attributes: JSONObject = field(default_factory=dict)


@dataclass(frozen=True)
class SdkSweep:
    """One call of `.sweep(…)`, and the variable that holds its job."""

    script: PythonText
    call: ast.Call
    variable: str

    def document(self, log: Log) -> JSONObject:
        """The sweep document, by way of Azure's own."""
        given = Arguments.of(self.script, self.call, ("compute",))
        job = self._job(log)
        space = given.resolved("search_space")
        if isinstance(space, ast.Dict):
            self._sort(_entries(self.script, space), job, log)
        later = self._set_later(job, log)
        if not job.space:
            log.problem(
                "search_space",
                "The sweep has no search space that can be read, such as"
                " job(learning_rate=Uniform(min_value=0.01, max_value=0.1)).",
            )
        document: JSONObject = {
            **job.attributes,
            "trial": job.trial,
            "inputs": job.inputs,
            "search_space": job.space,
            "objective": _objective(given, log),
            "sampling_algorithm": self._sampling(given),
            "early_termination": self._policy(given, "early_termination_policy", log),
            **given.plain_values(log, *ATTRIBUTES),
            **later,
            "limits": compact({**self._limits(given, log), **_limits_of(later)}),
        }
        for name in given.unread():
            why = f"{name} has no equivalent in a sweep here."
            log.left_out(given.at(name, log), why)
        return read_azure(Node(compact(document), "", log))

    def _job(self, log: Log) -> _Job:
        job = self.script.resolved(owner_of(self.call))
        if not isinstance(job, ast.Call):
            return _Job()
        self.script.use(job)
        base: ast.expr | None = job
        if called(job) not in (COMMAND, COMPONENT):
            # A job that is called with the values and the space.
            base = self.script.resolved(job.func)
        found = self._base(base, log)
        if base is not job:
            self._sort(_pairs(job), found, log)
        return found

    def _base(self, node: ast.expr | None, log: Log) -> _Job:
        if not isinstance(node, ast.Call):
            return _Job()
        if called(node) == COMPONENT:
            component = Arguments.of(self.script, node, ("source",))
            return _Job(component.text("source") or component.text("path"))
        return self._command(node, log)

    def _command(self, node: ast.Call, log: Log) -> _Job:
        given = Arguments.of(self.script, node, ())
        trial = given.plain_values(log, "command", "code", "environment_variables")
        if given.resolved("environment") is not None:
            trial["environment"] = given.text("environment") or "of the script"
        found = _Job(trial, attributes=given.plain_values(log, *ATTRIBUTES))
        inputs = given.resolved("inputs")
        if isinstance(inputs, ast.Dict):
            self._sort(_entries(self.script, inputs), found, log)
        given.read |= {"outputs", *JOB}
        for name in given.unread():
            why = f"{name} has no equivalent in a trial here."
            log.left_out(given.at(name, log), why)
        return found

    def _sort(self, pairs: Iterator[tuple[str, ast.expr]], job: _Job, log: Log) -> None:
        """Add each pair to the inputs, or to the search space."""
        for name, node in pairs:
            value = self.script.resolved(node)
            job.inputs.pop(name, None)
            if called(value) in DISTRIBUTIONS and value is not None:
                job.space[name] = ast.unparse(self.script.inlined(value))
            elif called(value) == "Input" and isinstance(value, ast.Call):
                job.inputs[name] = self._data(value)
            elif (literal := self.script.literal(node)) is not UNKNOWN:
                job.inputs[name] = json_value(literal)
            else:
                text = ast.unparse(node)[:60]
                log.left_out(
                    f"inputs.{name}",
                    f"{text} is known only when the script runs.",
                    f"Enter a value for the input {name}.",
                )
                job.inputs[name] = text

    def _data(self, node: ast.Call) -> JSONObject:
        given = Arguments.of(self.script, node, ())
        found = {name: given.literal(name) for name in ("type", "path", "default")}
        return {
            name: json_value(value)
            if isinstance(value, str | int | float)
            else ast.unparse(given.values[name])[:60]
            for name, value in found.items()
            if value is not None
        }

    def _sampling(self, given: Arguments) -> JSONValue:
        node = given.resolved("sampling_algorithm")
        if isinstance(node, ast.Call) and called(node) in SAMPLINGS:
            inner = Arguments.of(self.script, node, ())
            options = {name: inner.literal(name) for name in inner.values}
            known = {k: json_value(v) for k, v in options.items() if v is not UNKNOWN}
            return {"type": SAMPLINGS[called(node)], **known}
        return given.text("sampling_algorithm") or None

    def _policy(self, given: Arguments, name: str, log: Log) -> JSONObject:
        node = given.resolved(name)
        if isinstance(node, ast.Call) and called(node) in POLICIES:
            return read_policy(self.script, node, POLICIES[called(node)], log)
        leave_policy(given, name, log)
        return {}

    def _limits(self, given: Arguments, log: Log) -> JSONObject:
        limits = given.plain_values(log, *LIMITS)
        for _, call in self.script.calls("set_limits"):
            if is_named(owner_of(call), self.variable):
                inner = Arguments.of(self.script, call, ())
                limits |= inner.plain_values(log, *inner.values)
        return limits

    def _set_later(self, job: _Job, log: Log) -> JSONObject:
        """What the script sets on the job later; a search space goes to `job`."""
        found: JSONObject = {}
        for name, node in self.script.set_on(self.variable, after=self.call.lineno):
            value = self.script.resolved(node)
            given = Arguments(self.script, {name: node})
            if name == "early_termination":
                found[name] = self._policy(given, name, log)
            elif name == "limits" and isinstance(value, ast.Call):
                inner = Arguments.of(self.script, value, ())
                found[name] = inner.plain_values(log, *inner.values)
            elif name.startswith("limits."):
                value_of = given.plain(name, log)
                limit = name.removeprefix("limits.")
                found["limits"] = {**_limits_of(found), limit: value_of}
            elif name == "search_space" and isinstance(value, ast.Dict):
                self._sort(_entries(self.script, value), job, log)
            elif name in ATTRIBUTES:
                found[name] = given.plain(name, log)
            else:
                why = f"{name} has no equivalent in a sweep here."
                log.left_out(given.at(name, log), why)
        return compact(found)


def sdk_sweeps(script: PythonText) -> Mapping[str, SdkSweep]:
    """Every sweep of a script by its variable or place."""
    found: dict[str, SdkSweep] = {}
    for variable, call in script.calls("sweep"):
        if not any(word.arg in SWEEP for word in call.keywords):
            continue
        label = variable or script.place(call)
        if label in found:
            label = f"{label} ({script.place(call)})"
        found[label] = SdkSweep(script, call, variable)
    return found


def _limits_of(document: JSONObject) -> JSONObject:
    limits = document.get("limits")
    return limits if isinstance(limits, dict) else {}


def _pairs(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    return ((word.arg, word.value) for word in call.keywords if word.arg)


def _entries(script: PythonText, node: ast.Dict) -> Iterator[tuple[str, ast.expr]]:
    for key, value in zip(node.keys, node.values, strict=True):
        name = script.literal(key)
        if isinstance(name, str):
            yield name, value


def _objective(given: Arguments, log: Log) -> JSONObject:
    metric, goal = given.plain("primary_metric", log), given.plain("goal", log)
    if not metric:
        why = "The script does not name the primary metric as a text."
        metric = mapping.default_metric(log, "", why, "accuracy")
    if not goal:
        why = "The script does not name the goal as a text."
        goal = mapping.default_goal(log, "", why, "maximize")
    return {"primary_metric": metric, "goal": str(goal).lower()}
