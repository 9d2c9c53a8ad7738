"""Metrics that a script reports or prints, by name."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping

from experiments.code.scripts.findings import LOOP, ScriptMetric
from experiments.code.scripts.module import CallSite, ScriptModule, last_name
from experiments.runner.collectors.lines import name_value
from experiments.runner.collectors.readings import STEP_NAMES, TIME_NAMES

METRIC_NAME = re.compile(r"[A-Za-z_][\w./|@:-]{0,249}")
# Of `log(step=3, accuracy=0.9)`, what is not a metric.
SETTINGS = frozenset((*STEP_NAMES, *TIME_NAMES, "commit", "metrics", "checkpoint"))
# Their first argument is a name, and the second its value.
SINGLE = frozenset(
    ("log", "log_metric", "report", "log_scalar", "log_value", "add_scalar")
)
MAPPINGS = frozenset(("log", "log_metrics", "log_dict", "report"))
NAMED = ("name", "key", "tag", "metrics")
# Of loguru's `log("INFO", text)`.
LEVELS = frozenset(
    ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
)
# Functions that Lightning calls.
HOOKS: Mapping[str, str] = {
    "training_step": "step",
    "validation_step": "epoch",
    "test_step": "",
    **dict.fromkeys(
        (
            "on_train_epoch_end",
            "on_validation_epoch_end",
            "training_epoch_end",
            "validation_epoch_end",
        ),
        "epoch",
    ),
}
UNITS = ("epoch", "step", "batch", "iteration", "round", "episode", "fold", "trial")
SHORT_UNITS = {"ep": "epoch", "it": "iteration", "iter": "iteration", "idx": "step"}
PERCENT = re.compile(r"%(?:\(\w+\))?[-+ #0-9.*]*[a-zA-Z]")
BRACES = re.compile(r"\{[^{}]{0,100}\}")
# Stands for a number that the script prints.
ANY = "0.5"
MAX_PRINTED = 2_000


def metrics_of(module: ScriptModule) -> Iterator[ScriptMetric]:
    """All metrics in the order of lines; a name may be there several times."""
    loops = _calling_loops(module)
    for call in module.calls:
        every = _every(call, loops)
        if call.name == "print":
            names: Iterable[str] = _printed(call.node)
        else:
            names = _reported(module, call)
        for name in names:
            if METRIC_NAME.fullmatch(name) and name not in LEVELS:
                yield ScriptMetric(name, call.line, every, call.name == "print")


def distinct(found: Iterable[ScriptMetric]) -> list[ScriptMetric]:
    """One of each name: reported rather than printed, and in a loop if one is."""
    best: dict[str, ScriptMetric] = {}
    for metric in found:
        known = best.setdefault(metric.name, metric)
        best[metric.name] = min(known, metric, key=_rank)
    return [*best.values()]


def _rank(metric: ScriptMetric) -> tuple[bool, bool, int]:
    return metric.is_printed, not metric.every, metric.line


def _calling_loops(module: ScriptModule) -> dict[str, str]:
    """The loop's variable for each function that is called in a loop."""
    return {
        call.name: call.loop
        for call in reversed(module.calls)
        if call.loop is not None and call.name in module.functions
    }


def _every(call: CallSite, loops: Mapping[str, str]) -> str:
    """How often a call reports: a unit, LOOP in a loop without one, or once."""
    loop = call.loop if call.loop is not None else loops.get(call.function)
    if loop is None:
        return HOOKS.get(call.function, "")
    name = loop.lower().strip("_")
    named = SHORT_UNITS.get(name) or next((unit for unit in UNITS if unit in name), "")
    return named or LOOP


def _reported(module: ScriptModule, call: CallSite) -> Iterator[str]:
    """The names of `log("loss", x)`, `log({"loss": x})` and `log(loss=x)`."""
    node = call.node
    first: ast.expr | None = node.args[0] if node.args else None
    if first is None:
        first = next((k.value for k in node.keywords if k.arg in NAMED), None)
    if call.name in SINGLE and isinstance(first, ast.Constant):
        has_value = len(node.args) > 1 or len(node.keywords) > (not node.args)
        if isinstance(first.value, str) and has_value:
            yield first.value
    elif call.name in MAPPINGS and first is not None:
        yield from _keys(module, first)
    if not node.args and _takes_keywords(module, call):
        yield from (k.arg for k in node.keywords if k.arg and k.arg not in SETTINGS)


def _takes_keywords(module: ScriptModule, call: CallSite) -> bool:
    """Ours, and Ray's: `sweep.log(step=3, accuracy=0.9)`, `tune.report(loss=0.1)`."""
    package = module.dotted(call.node.func).split(".")[0]
    is_ours = call.name == "log" and package == "sweepsite_client"
    return is_ours or (call.name == "report" and package == "ray")


def _keys(module: ScriptModule, node: ast.expr) -> Iterator[str]:
    """The keys of a mapping: written there, or assigned to a name before."""
    if isinstance(node, ast.Name):
        for given in module.assigned.get(node.id, []):
            if not isinstance(given, ast.Name):
                yield from _keys(module, given)
        for key in module.items.get(node.id, []):
            yield module.text(key)
    elif isinstance(node, ast.Dict):
        yield from map(module.text, node.keys)
    elif isinstance(node, ast.Call) and last_name(node.func) == "dict":
        yield from (keyword.arg for keyword in node.keywords if keyword.arg)


def _printed(node: ast.Call) -> Iterator[str]:
    """The names that a worker would find in the printed line."""
    if any(keyword.arg == "file" for keyword in node.keywords):
        return
    line = " ".join(_line(each) for each in node.args)[:MAX_PRINTED]
    for reading in name_value(None)(line):
        yield reading.name


def _line(node: ast.expr) -> str:
    """A printed value, with a number for everything that is not constant."""
    if isinstance(node, ast.Constant):
        return str(node.value)[:MAX_PRINTED]
    if isinstance(node, ast.JoinedStr):
        parts = node.values[:MAX_PRINTED]
        return "".join(
            str(each.value) if isinstance(each, ast.Constant) else ANY for each in parts
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        return PERCENT.sub(ANY, _constant(node.left))
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _sum(node)
    if isinstance(node, ast.Call) and last_name(node.func) == "format":
        inner = node.func.value if isinstance(node.func, ast.Attribute) else node
        return BRACES.sub(ANY, _constant(inner))
    return ANY


def _sum(node: ast.BinOp) -> str:
    """`"loss=" + str(loss)`, without recursion: a sum may be any length."""
    parts: list[str] = []
    left: ast.expr = node
    while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add):
        parts.append(_constant(left.right) or ANY)
        left = left.left
    parts.append(_constant(left) or ANY)
    return "".join(reversed(parts))


def _constant(node: ast.expr) -> str:
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else ""  # type: ignore[attr-defined]
