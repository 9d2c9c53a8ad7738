"""A sweep document as a Weights & Biases sweep configuration."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

from experiments.search.command import split_command, value_text
from experiments.search.importers.exporters.shared import (
    OURS,
    Law,
    laws_of,
    log_base,
    named_command,
    natural,
    note_unused,
    number,
    values_of,
    without_condition,
)
from experiments.search.importers.exporters.yaml_text import yaml_text
from experiments.search.importers.source import Source, compact, json_value
from experiments.search.importers.words import PLACEHOLDER
from experiments.search.problems import listed
from experiments.search.records import JSONValue

METHODS = {"random": "random", "grid": "grid", "bayesian": "bayes"}
BOUNDS = {"min_value": "min", "max_value": "max"}
# Our type to theirs, where the fields are the same but for the bounds' names.
KINDS = {
    "uniform": "uniform",
    "quniform": "q_uniform",
    "loguniform": "log_uniform",
    "qloguniform": "q_log_uniform",
    "normal": "normal",
    "qnormal": "q_normal",
    "lognormal": "log_normal",
    "qlognormal": "q_log_normal",
}
OPTION = re.compile(
    r"(-{0,2})([A-Za-z_][\w.-]*)=\$\{\{\s*(search_space|inputs)\.(\w+)\s*\}\}"
)
SWEPT = re.compile(r"\$\{\{\s*search_space\.(\w+)\s*\}\}")
INPUT = re.compile(r"\$\{\{\s*inputs\.(\w+)\s*\}\}")


def export_wandb(source: Source) -> str:
    """The YAML text of a sweep configuration."""
    base = log_base(source)
    laws = {
        name: natural(without_condition(source, name, law), base)
        for name, law in laws_of(source).items()
    }
    inputs = dict(source.inner("inputs").entries())
    command = _Command(source, laws, inputs)
    sweep: dict[str, JSONValue] = {
        "program": command.program,
        "project": source.text("experiment_name"),
        "name": source.text("display_name"),
        "description": source.text("description"),
        "method": _method(source.inner("sampling_algorithm")),
        "metric": _metric(source.inner("objective")),
        "parameters": {
            **{name: _law(source, name, law) for name, law in laws.items()},
            **{name: {"value": json_value(inputs[name])} for name in command.constants},
        },
        "early_terminate": _policy(source),
        "run_cap": _cap(source.inner("limits")),
        "command": json_value(command.words),
    }
    _leave(source)
    return yaml_text(compact(sweep))


class _Command:
    """Our command in W&B's terms: its own arguments, and one place for all values."""

    def __init__(
        self, source: Source, laws: Mapping[str, Law], inputs: Mapping[str, object]
    ) -> None:
        self.source = source
        self.inputs = inputs
        self.constants: list[str] = []
        self._styles: set[str] = set()
        trial = source.inner("trial")
        text = named_command(source, trial.text("command"), list(laws))
        words = split_command(text) if not source.log.findings.problems else []
        kept = self._without_values(words)
        self.program = next((word for word in kept if word.endswith(".py")), "")
        environment = [
            f"{name}={value}"
            for name, value in trial.inner("environment_variables").entries()
        ]
        shown = ["${program}" if word == self.program else word for word in kept]
        self.words = ["${env}", *environment, *shown]
        self._note_passed(laws, text)
        note_unused(source, inputs, text)
        trial.leave("code", "W&B runs the script in the folder where the agent is.")
        trial.close("a W&B sweep")

    def _without_values(self, words: list[str]) -> list[str]:
        """The words, with one macro where the first value stood."""
        kept: list[str] = []
        place: int | None = None
        skip = False
        for index, word in enumerate(words):
            following = words[index + 1] if index + 1 < len(words) else ""
            pair = word.startswith("-") and "=" not in word
            if skip:
                skip = False
                continue
            skip = pair and self._is_option(f"{word}={following}")
            if skip or self._is_option(word):
                place = len(kept) if place is None else place
            else:
                kept.append(INPUT.sub(self._literal, self._checked(word)))
        macro = "${args_no_hyphens}" if self._styles == {""} else "${args}"
        kept.insert(len(kept) if place is None else place, macro)
        return kept

    def _is_option(self, word: str) -> bool:
        """Whether a word is what a macro gives for the parameter or constant."""
        match = OPTION.fullmatch(word)
        if match is None:
            return False
        hyphens, option, group, name = match.groups()
        if group == "inputs" and (option != name or hyphens == "-"):
            return False
        if group == "inputs":
            self.constants.append(name)
        elif option != name or hyphens == "-":
            self._changed(f"{hyphens}{option} becomes --{name} at W&B.")
        self._styles.add(hyphens)
        return True

    def _checked(self, word: str) -> str:
        if "search_space." in word and PLACEHOLDER.search(word):
            self._changed(
                f"W&B has no place for single values, so {word} stays as it is; every "
                "value comes as --name=value."
            )
        return word

    def _literal(self, match: re.Match[str]) -> str:
        value = self.inputs.get(match[1])
        return value_text(json_value(value)) if value is not None else match[0]

    def _note_passed(self, laws: Mapping[str, Law], text: str) -> None:
        named = {match[1] for match in SWEPT.finditer(text)}
        passed = [name for name in laws if name not in named]
        if passed:
            self._changed(
                f"The command does not use {listed(passed)}; W&B passes them, too."
            )
        if len(self._styles) > 1:
            self._changed("All values come as --name=value at W&B.")

    def _changed(self, message: str) -> None:
        self.source.log.changed("trial.command", message)


def _method(sampling: Source) -> str:
    kind = sampling.text("type") or "random"
    if kind not in METHODS:
        sampling.changed("type", f"W&B has no sampler {kind}; bayes stands in.")
    sampling.leave("seed", "W&B's search takes no seed.")
    if sampling.take("rule") not in (None, "random"):
        sampling.leave("rule", "W&B draws independently.")
    sampling.take("logbase")
    sampling.close("a W&B sweep")
    return METHODS.get(kind, "bayes")


def _metric(objective: Source) -> dict[str, JSONValue]:
    metric: dict[str, JSONValue] = {
        "name": objective.text("primary_metric"),
        "goal": objective.text("goal"),
    }
    objective.carry(metric, "target")
    objective.close("a W&B sweep")
    return metric


def _law(source: Source, name: str, law: Law) -> Law:
    kind = str(law["type"])
    if kind in KINDS:
        fields = {BOUNDS.get(key, key): law[key] for key in law if key != "type"}
        return {"distribution": KINDS[kind], **fields}
    read = LAWS.get(kind)
    if read is None:
        source.problem(f"search_space.{name}.type", f"There is no distribution {kind}.")
        return {}
    return read(source, name, law)


def _choice(source: Source, name: str, law: Law) -> Law:
    values = law.get("values")
    if isinstance(values, list) and any(isinstance(value, dict) for value in values):
        _changed(source, name, "W&B does not draw what is inside a value.")
    fields: Law = {"values": values}
    if law.get("probabilities"):
        fields["probabilities"] = law["probabilities"]
    return fields


def _randint(source: Source, name: str, law: Law) -> Law:
    high = number(law, "upper", 1) - 1
    return {"distribution": "int_uniform", "min": 0, "max": high}


def _whole(source: Source, name: str, law: Law) -> Law:
    low, high = number(law, "low"), number(law, "high")
    step = number(law, "step", 1)
    if law.get("log"):
        _changed(source, name, "The ends of a rounded range are less likely at W&B.")
        kind = "q_log_uniform_values"
        return {"distribution": kind, "min": low, "max": high, "q": 1}
    if step != 1:
        return _listed(source, name, law)
    return {"distribution": "int_uniform", "min": low, "max": high}


def _float(source: Source, name: str, law: Law) -> Law:
    if law.get("step"):
        return _listed(source, name, law)
    kind = "log_uniform_values" if law.get("log") else "uniform"
    low, high = number(law, "low"), number(law, "high")
    return {"distribution": kind, "min": low, "max": high}


def _listed(source: Source, name: str, law: Law) -> Law:
    values = values_of(law)
    if values is not None:
        _changed(source, name, f"The range becomes a list of its {len(values)} values.")
        return {"values": values}
    low, high = number(law, "low"), number(law, "high")
    _changed(source, name, "The range becomes multiples of its step, rounded.")
    step = number(law, "step", 1)
    return {"distribution": "q_uniform", "min": low, "max": high, "q": step}


def _changed(source: Source, name: str, message: str) -> None:
    source.log.changed(source.at(f"search_space.{name}"), message)


LAWS: Mapping[str, Callable[[Source, str, Law], Law]] = {
    "choice": _choice,
    "randint": _randint,
    "int": _whole,
    "float": _float,
}


def _policy(source: Source) -> dict[str, JSONValue]:
    if not source.has("early_termination"):
        return {}
    policy = source.inner("early_termination")
    kind = policy.text("type")
    if kind != "asha":
        source.leave(
            "early_termination",
            f"W&B has no {kind}; no run ends early there.",
            "Its only rule is Hyperband, which asha here becomes.",
        )
        return {}
    rule: dict[str, JSONValue] = {
        "type": "hyperband",
        "min_iter": math.ceil(policy.number("min_resource") or 1),
        "eta": policy.number("reduction_factor") or 3,
    }
    for key, why in (
        ("evaluation_interval", "Hyperband's checks follow from min_iter and eta."),
        ("delay_evaluation", "Hyperband's checks follow from min_iter and eta."),
        ("min_rivals", "W&B compares with however many runs there are."),
    ):
        if policy.take(key) not in (None, 0, 1):
            policy.leave(key, why)
    policy.close("Hyperband")
    return rule


def _cap(limits: Source) -> JSONValue:
    total = limits.number("max_total_trials")
    limits.leave("max_concurrent_trials", "As many runs go on as agents are started.")
    for key in ("timeout", "trial_timeout", "max_failed_trials"):
        limits.leave(key, "W&B has no such limit.")
    limits.close("a W&B sweep")
    return total


def _leave(source: Source) -> None:
    for key, why in OURS.items():
        if source.take(key) not in (None, {"max_attempts": 2}):
            source.leave(key, why)
    source.leave("tags", "A W&B sweep has no tags.")
    source.leave("compute", "Runs go on wherever agents are started.")
    resources = source.inner("resources")
    if resources.take("gpus"):
        resources.leave("gpus", "An agent sees the GPUs that it is started with.")
    resources.close("a W&B sweep")
    source.close("a W&B sweep")
