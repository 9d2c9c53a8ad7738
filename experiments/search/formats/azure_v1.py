"""Sweeps in Python that uses Azure's v1 SDK: HyperDrive, in scripts and notebooks."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from experiments.search.fields import shown
from experiments.search.formats import mapping
from experiments.search.formats.azure_calls import (
    Arguments,
    SweptNames,
    at_node,
    leave_policy,
    read_policy,
)
from experiments.search.formats.nodes import Log, compact
from experiments.search.formats.python_text import UNKNOWN, PythonText, called
from experiments.search.records import JSONObject
from experiments.search.space.expressions import SAMPLINGS

CONFIGS = ("HyperDriveConfig", "HyperDriveRunConfig")
CONFIG = (
    *("hyperparameter_sampling", "primary_metric_name", "primary_metric_goal"),
    *("max_total_runs", "max_concurrent_runs", "max_duration_minutes", "policy"),
    *("estimator", "run_config", "pipeline"),
)
LIMITS = {
    "max_total_runs": ("max_total_trials", 1),
    "max_concurrent_runs": ("max_concurrent_trials", 1),
    "max_duration_minutes": ("timeout", 60),
}
SETTINGS = ("primary_metric_name", "primary_metric_goal", *LIMITS)
# What starts the script, with the order of its first arguments.
STARTERS: Mapping[str, tuple[str, ...]] = {
    "ScriptRunConfig": ("source_directory", "script", "arguments", "run_config"),
    **dict.fromkeys(
        (
            "Estimator",
            "TensorFlow",
            "PyTorch",
            "Keras",
            "SKLearn",
            "Chainer",
            "MMLBase",
        ),
        ("source_directory",),
    ),
}
UNSUPPORTED = {
    "environment": "Trials run in the worker's environment.",
    "compute_target": "Trials run on the workers of a pool.",
    "distributed_job_config": "A trial is one process; its command may start others.",
    "distributed_training": "A trial is one process; its command may start others.",
    "node_count": "A trial is one process; its command may start others.",
    "pip_packages": "List packages in trial.requirements.",
    "conda_packages": "List packages in trial.requirements.",
}
POLICIES = {
    "BanditPolicy": "bandit",
    "MedianStoppingPolicy": "median_stopping",
    "TruncationSelectionPolicy": "truncation_selection",
    "NoTerminationPolicy": "",
}


def hyperdrive_sweeps(script: PythonText) -> Mapping[str, Arguments]:
    """The arguments of each configuration, by its variable or place."""
    found: dict[str, Arguments] = {}
    for variable, node in script.calls(*CONFIGS):
        label = variable or script.place(node)
        if label in found:
            label = f"{label} ({script.place(node)})"
        found[label] = Arguments.of(script, node, CONFIG)
    return found


def loose_sweep(script: PythonText) -> Mapping[str, Arguments]:
    """The parts of a configuration that an article shows, as one without a name."""
    parts = dict(_loose_parts(script))
    if parts.keys().isdisjoint(("hyperparameter_sampling", "policy")):
        return {}
    return {"": Arguments(script, parts)}


def _loose_parts(script: PythonText) -> Iterator[tuple[str, ast.expr]]:
    for node in script.statements:
        if not isinstance(node, ast.Expr | ast.Assign):
            continue
        value = node.value
        if isinstance(value, ast.Tuple) and len(value.elts) == 1:
            value = value.elts[0]
        variable = node.targets[0] if isinstance(node, ast.Assign) else None
        if called(value) in SAMPLINGS or _is_space(value):
            script.use(node)
            yield "hyperparameter_sampling", value
        elif called(value) in POLICIES:
            script.use(node)
            yield "policy", value
        elif isinstance(variable, ast.Name) and variable.id in SETTINGS:
            script.use(node)
            yield variable.id, value


def _is_space(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Dict) and any(map(called, node.values))


def read_hyperdrive(given: Arguments, log: Log) -> JSONObject:
    """The sweep document of one configuration."""
    document: JSONObject = {"experiment_name": _experiment(given.script)}
    names = SweptNames(log)
    _sampling(given, names, document)
    document["trial"] = _Starter(given, names, log).trial()
    policy = given.resolved("policy")
    if isinstance(policy, ast.Call) and called(policy) in POLICIES:
        kind = POLICIES[called(policy)]
        document["early_termination"] = read_policy(given.script, policy, kind, log)
    else:
        leave_policy(given, "policy", log)
    _fill(given, document, log)
    _leave_unread(given, log)
    for _, call in given.script.calls("submit"):
        _leave_unread(Arguments.of(given.script, call, ()), log)
    return compact(document)


def _leave_unread(given: Arguments, log: Log) -> None:
    for name in given.unread():
        log.left_out(given.at(name, log), f"{name} has no equivalent in a sweep here.")


def _experiment(script: PythonText) -> str:
    """The name of the script's only experiment, "" if it has none or several."""
    names = {
        Arguments.of(script, call, ("workspace", "name")).text("name")
        for _, call in script.calls("Experiment")
    }
    return names.pop() if len(names) == 1 else ""


def _sampling(given: Arguments, names: SweptNames, document: JSONObject) -> None:
    node = given.resolved("hyperparameter_sampling")
    if isinstance(node, ast.Call) and called(node) in SAMPLINGS:
        kind = SAMPLINGS[called(node)]
        inner = Arguments.of(given.script, node, ("parameter_space",))
        node = inner.resolved("parameter_space")
        own = inner.plain_values(names.log, "seed") if kind == "random" else {}
        document["sampling_algorithm"] = {"type": kind, **own}
        _leave_unread(inner, names.log)
    if not isinstance(node, ast.Dict):
        names.log.problem(
            "search_space",
            "The script has no search space that can be read, such as"
            " RandomParameterSampling({…}).",
        )
        return
    document["search_space"] = names.read(given.script, node)


@dataclass
class _Starter:
    """The run configuration or estimator that starts the script."""

    given: Arguments
    names: SweptNames
    log: Log
    words: list[str] = field(default_factory=list)

    def trial(self) -> JSONObject:
        node = self.given.resolved("run_config") or self.given.resolved("estimator")
        self.given.resolved("pipeline")
        order = STARTERS.get(called(node))
        if order is None or not isinstance(node, ast.Call):
            return self._default("The script does not have the training command.")
        start = Arguments.of(self.given.script, node, order)
        self._words(start)
        code = start.plain("source_directory", self.log)
        for name in start.unread():
            why = UNSUPPORTED.get(name, f"{name} has no equivalent in a sweep here.")
            self.log.left_out(start.at(name, self.log), why)
        if not self.words:
            why = "The script's name is known only when it runs."
            return self._default(why)
        command = mapping.joined([*self.words, *self.names.options()])
        if isinstance(code, str) and code and not code.startswith(("/", "~")):
            return {"command": command, "code": code}
        return {"command": command, **mapping.code_beside(self.log, command)}

    def _default(self, why: str) -> JSONObject:
        command = mapping.default_command(self.log, "", why)
        if self.names.are_renamed:
            command = f"{command} {mapping.joined(self.names.options())}"
        return {"command": command}

    def _words(self, start: Arguments) -> None:
        whole = start.resolved("command")
        script = start.text("script") or start.text("entry_script")
        if isinstance(whole, ast.List | ast.Tuple):
            self._add(start, whole.elts)
        elif text := start.text("command"):
            self.words += text.split()
        elif script:
            self.words += ["python", script]
        arguments = start.resolved("arguments")
        if isinstance(arguments, ast.List | ast.Tuple):
            self._add(start, arguments.elts)
        params = start.resolved("script_params")
        if isinstance(params, ast.Dict):
            pairs = zip(params.keys, params.values, strict=True)
            self._add(start, [node for pair in pairs for node in pair if node])

    def _add(self, start: Arguments, nodes: list[ast.expr]) -> None:
        """Add literal words; a value that only a run knows goes with its option."""
        for node in nodes:
            value = start.script.literal(node)
            if value is UNKNOWN:
                gone = [self.words.pop()] if self._ends_with_option() else []
                text = shown(ast.unparse(node), most=60)
                what = " ".join([*gone, text])
                self.log.left_out(
                    at_node(start.script, node, "arguments", self.log),
                    f"{what} in the command is known only when the script runs.",
                    "Add it to the command, such as a path that every worker can read.",
                )
            elif value not in ("", None):
                self.words.append(str(value))

    def _ends_with_option(self) -> bool:
        return bool(self.words) and self.words[-1].startswith("-")


def _fill(given: Arguments, document: JSONObject, log: Log) -> None:
    """The objective and limits, with notes on what the script does not set."""
    metric, goal = given.text("primary_metric_name"), _goal(given)
    if not metric:
        why = "The script sets no primary metric."
        metric = mapping.default_metric(log, "", why, "accuracy")
    if not goal:
        why = "The script sets no goal."
        goal = mapping.default_goal(log, "", why, "maximize")
    document["objective"] = {"primary_metric": metric, "goal": goal}
    limits: JSONObject = {}
    for name, (ours, factor) in LIMITS.items():
        value = given.literal(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            limits[ours] = value * factor
        elif value is not None and name != "max_total_runs":
            log.left_out(given.at(name, log), f"{name} is not a number.")
    if "max_total_trials" not in limits:
        why = "The script has no max_total_runs."
        if given.has("max_total_runs"):
            why = "Its max_total_runs is not a number, or known only when it runs."
        limits["max_total_trials"] = mapping.default_total(log, "", why)
    document["limits"] = limits


def _goal(given: Arguments) -> str:
    node = given.resolved("primary_metric_goal")
    if isinstance(node, ast.Attribute):
        return node.attr.lower()
    return given.text("primary_metric_goal").lower()
