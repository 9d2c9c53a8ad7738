"""Python text that uses Azure's v1 SDK, as its articles show it. It is never run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from experiments.search.fields import shown
from experiments.search.formats import mapping
from experiments.search.formats.nodes import Log, compact
from experiments.search.records import JSONObject, JSONValue
from experiments.search.space.expressions import SAMPLINGS, parse_space
from experiments.search.space.source import ExpressionError

MAX_CHARACTERS = 50_000
HINT = re.compile(
    r"ParameterSampling\s*\(|HyperDriveConfig\s*\(|"
    r"\b(?:q?(?:log)?(?:uniform|normal)|choice|randint)\s*\("
)
POLICIES = {
    "BanditPolicy": "bandit",
    "MedianStoppingPolicy": "median_stopping",
    "TruncationSelectionPolicy": "truncation_selection",
    "NoTerminationPolicy": "",
}
LIMITS = {
    "max_total_runs": ("max_total_trials", 1),
    "max_concurrent_runs": ("max_concurrent_trials", 1),
    "max_duration_minutes": ("timeout", 60),
}
# The name of a policy's first argument; the others are passed by name.
FIRST = {
    "BanditPolicy": "evaluation_interval",
    "MedianStoppingPolicy": "evaluation_interval",
    "TruncationSelectionPolicy": "truncation_percentage",
    "NoTerminationPolicy": "",
}


@dataclass
class _Script:
    """The settings found so far in a script."""

    text: str
    log: Log
    document: JSONObject = field(default_factory=dict)
    metric: JSONObject = field(default_factory=dict)
    limits: JSONObject = field(default_factory=dict)
    spaces: dict[str, str] = field(default_factory=dict)

    def note(self, node: ast.AST, name: str, message: str) -> None:
        self._at(name, node)
        self.log.left_out(name, message)

    def _at(self, name: str, node: ast.AST) -> None:
        """Remember the line of something that has a name."""
        places = self.log.source_map
        places.lines = {**places.lines, name: getattr(node, "lineno", 1)}

    def read(self, name: str, node: ast.expr) -> None:
        """Read one value to which the script gives a name."""
        if isinstance(node, ast.Tuple) and len(node.elts) == 1:
            node = node.elts[0]
        called = _called(node)
        if called in SAMPLINGS or isinstance(node, ast.Dict):
            self._space(name, node, called)
        elif called in POLICIES and isinstance(node, ast.Call):
            self._policy(node, called)
        elif called == "HyperDriveConfig" and isinstance(node, ast.Call):
            for keyword in node.keywords:
                if not isinstance(keyword.value, ast.Name):
                    self.read(keyword.arg or "**", keyword.value)
                elif keyword.arg not in ("hyperparameter_sampling", "policy"):
                    self._unknown(keyword.arg or "**", keyword.value)
        else:
            self._setting(name, node)

    def _space(self, name: str, node: ast.expr, called: str) -> None:
        if called:
            self.document["sampling_algorithm"] = {"type": SAMPLINGS[called]}
        segment = self._text_of(node)
        self.spaces[name] = segment
        self.document["search_space"] = segment
        try:
            parse_space(segment)
        except ExpressionError as error:
            where = getattr(node, "lineno", 1) - 1
            column = error.column + (node.col_offset if error.line == 1 else 0)
            message = f"Line {error.line + where}, column {column}: {error.message}"
            self.log.problem("search_space", message)

    def _text_of(self, node: ast.expr) -> str:
        """The text of a space, which may be the name of an earlier one."""
        given = _space_in(node)
        if isinstance(given, ast.Name) and given.id in self.spaces:
            return self.spaces[given.id]
        return ast.get_source_segment(self.text, node) or ""

    def _policy(self, node: ast.Call, called: str) -> None:
        settings: JSONObject = {"type": POLICIES[called]}
        for position, argument in enumerate(node.args):
            self._policy_setting(
                settings, FIRST[called] if not position else "", argument
            )
        for keyword in node.keywords:
            self._policy_setting(settings, keyword.arg or "", keyword.value)
        self.document["early_termination"] = (
            compact(settings) if POLICIES[called] else {}
        )

    def _policy_setting(self, settings: JSONObject, name: str, node: ast.expr) -> None:
        value = _plain(node)
        if name and value is not None:
            settings[name] = value
        elif not (isinstance(node, ast.Constant) and node.value is None):
            self.note(
                node,
                f"early_termination.{name or 'argument'}",
                "This is not a plain value, and the script does not run here.",
            )

    def _setting(self, name: str, node: ast.expr) -> None:
        plain = _plain(node)
        if name == "primary_metric_name" and isinstance(plain, str):
            self.metric["primary_metric"] = plain
        elif name == "primary_metric_goal" and isinstance(node, ast.Attribute):
            self.metric["goal"] = node.attr.lower()
        elif name == "primary_metric_goal" and isinstance(plain, str):
            self.metric["goal"] = plain.lower()
        elif name in LIMITS and isinstance(plain, int | float):
            ours, factor = LIMITS[name]
            self.limits[ours] = plain * factor
        else:
            self._unknown(name, node)

    def _unknown(self, name: str, node: ast.AST) -> None:
        self.note(node, name, f"{name} has no equivalent in a sweep here.")


def read_script(text: str, log: Log) -> JSONObject:
    """The sweep document of a script. Raises SyntaxError if it is not Python."""
    script = _Script(_dedented(text), log)
    for name, value in _named_values(ast.parse(script.text), script):
        script.read(name, value)
    _fill(script)
    return compact(script.document)


def looks_like_script(text: str) -> bool:
    """Whether a text is Python that builds a space, a policy or a configuration."""
    if len(text) > MAX_CHARACTERS or not HINT.search(text):
        return False
    try:
        body = ast.parse(_dedented(text)).body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return False
    values = [node.value for node in body if isinstance(node, ast.Expr | ast.Assign)]
    known = {*SAMPLINGS, *POLICIES, "HyperDriveConfig"}
    return any(
        _called(value) in known
        or (isinstance(value, ast.Dict) and any(map(_called, value.values)))
        for value in values
    )


def _named_values(tree: ast.Module, script: _Script) -> Iterator[tuple[str, ast.expr]]:
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.Expr):
            yield f"line {node.lineno}", node.value
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        else:
            segment = ast.get_source_segment(script.text, node) or "This"
            message = f"{shown(segment, most=40)} has no equivalent in a sweep here."
            script.note(node, f"line {node.lineno}", message)


def _fill(script: _Script) -> None:
    """Fill in what the rest of the program would set."""
    log, document = script.log, script.document
    if "search_space" not in document:
        log.problem(
            "search_space",
            "The script has no search space, such as RandomParameterSampling({…}).",
        )
    why = "The script does not have the training command."
    document["trial"] = {"command": mapping.default_command(log, "", why)}
    why = "The script sets no primary metric."
    if "primary_metric" not in script.metric:
        script.metric["primary_metric"] = mapping.default_metric(
            log, "", why, "accuracy"
        )
    if "goal" not in script.metric:
        why = "The script sets no goal."
        script.metric["goal"] = mapping.default_goal(log, "", why, "maximize")
    if "max_total_trials" not in script.limits:
        why = "The script has no max_total_runs."
        script.limits["max_total_trials"] = mapping.default_total(log, "", why)
    document["objective"] = script.metric
    document["limits"] = script.limits


def _called(node: ast.expr | None) -> str:
    """The plain name that a node calls, or an empty text."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return node.func.id
    return ""


def _space_in(node: ast.expr) -> ast.expr | None:
    """The space that a sampling class gets."""
    if not isinstance(node, ast.Call):
        return None
    named = (item.value for item in node.keywords if item.arg == "parameter_space")
    return next(iter([*node.args, *named]), None)


def _plain(node: ast.expr) -> JSONValue:
    """A literal; None for anything else."""
    value = node.value if isinstance(node, ast.Constant) else None
    return value if isinstance(value, bool | int | float | str) else None


def _dedented(text: str) -> str:
    """The text without the blanks before its first line, as copied from an article."""
    lines = text.lstrip("\n")
    if lines[:1] in (" ", "\t"):
        return "\n" * (len(text) - len(lines)) + text.strip()
    return text
