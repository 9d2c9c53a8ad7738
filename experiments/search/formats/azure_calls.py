"""Calls in Python that uses Azure's SDKs: arguments, search spaces and policies."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from experiments.search.fields import shown
from experiments.search.formats.mapping import Names, parameter_placeholder
from experiments.search.formats.nodes import Log, compact, json_value
from experiments.search.formats.python_text import UNKNOWN, PythonText
from experiments.search.records import JSONObject, JSONValue
from experiments.search.space.expressions import parse_call
from experiments.search.space.source import ExpressionError

# The name of a policy's first argument; the others are passed by name.
FIRST = {
    "bandit": ("evaluation_interval",),
    "median_stopping": ("evaluation_interval",),
    "truncation_selection": ("truncation_percentage",),
}


@dataclass
class Arguments:
    """The arguments of one call by name; those that were read are remembered."""

    script: PythonText
    values: Mapping[str, ast.expr]
    read: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, script: PythonText, call: ast.Call, order: Sequence[str]) -> Arguments:
        """Those of a call whose first arguments have the names in `order`."""
        script.use(call)
        values = dict(zip(order, call.args, strict=False))
        values |= {word.arg: word.value for word in call.keywords if word.arg}
        return cls(script, values)

    def has(self, name: str) -> bool:
        return name in self.values

    def resolved(self, name: str) -> ast.expr | None:
        """The node of an argument, through variables."""
        self.read.add(name)
        return self.script.resolved(self.values.get(name))

    def literal(self, name: str) -> JSONValue | object:
        """The value of an argument; None without it, UNKNOWN if it is not a literal."""
        self.read.add(name)
        return self.script.literal(self.values[name]) if self.has(name) else None

    def plain(self, name: str, log: Log) -> JSONValue:
        """The value of an argument; None without it, and with a note if it is none."""
        value = self.literal(name)
        if value is UNKNOWN:
            text = shown(ast.unparse(self.values[name]), most=60)
            log.left_out(
                self.at(name, log),
                f"{name} is {text}, which is known only when the script runs.",
            )
            return None
        return json_value(value)

    def plain_values(self, log: Log, *names: str) -> JSONObject:
        """Those of several arguments that have a value."""
        return compact({name: self.plain(name, log) for name in names})

    def text(self, name: str) -> str:
        """A text that is a literal, else an empty one."""
        value = self.literal(name)
        return value if isinstance(value, str) else ""

    def unread(self) -> list[str]:
        return [name for name in self.values if name not in self.read]

    def at(self, name: str, log: Log) -> str:
        """The path of an argument in notes."""
        return at_node(self.script, self.values.get(name), name, log)


def at_node(script: PythonText, node: ast.AST | None, name: str, log: Log) -> str:
    """The path of a node in notes: its name, with its line, or with its cell."""
    if node is None:
        return name
    if script.places:
        return f"{name}, {script.place(node)}"
    places = log.source_map
    places.lines = {**places.lines, name: getattr(node, "lineno", 1)}
    return name


class SweptNames:
    """The parameters of a space in Python, and the options that give them."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self._names = Names(log)
        self._options: dict[str, str] = {}

    def read(self, script: PythonText, space: ast.Dict) -> JSONObject:
        """Each parameter as the text of its distribution."""
        found: JSONObject = {}
        for key, value in zip(space.keys, space.values, strict=True):
            given = script.literal(key)
            if not isinstance(given, str):
                at = at_node(script, value, "search_space", self.log)
                self.log.problem(at, 'A name must be quoted text: "batch_size".')
                continue
            at = at_node(script, value, f"search_space.{given}", self.log)
            name = self._names.give(given, at)
            self._options[name] = given if given.startswith("-") else f"--{given}"
            found[name] = self._text(script, value, at)
            self.log.source_map.put(f"search_space.{name}", at)
        return found

    def _text(self, script: PythonText, value: ast.expr, at: str) -> str:
        text = ast.unparse(script.inlined(value))
        try:
            parse_call(text)
        except ExpressionError as error:
            self.log.problem(at, f"In {script.place(value)}: {error.message}")
        return text

    @property
    def are_renamed(self) -> bool:
        """Whether an option is not that of its parameter's name."""
        return any(option != f"--{name}" for name, option in self._options.items())

    def options(self) -> Iterator[str]:
        """The words of a command that give every value."""
        for name, option in self._options.items():
            yield option
            yield parameter_placeholder(name)


def leave_policy(given: Arguments, name: str, log: Log) -> None:
    """Note an argument that is not a policy that can be read. None means no policy."""
    node = given.resolved(name)
    if node is not None and given.literal(name) is not None:
        text = shown(ast.unparse(node), most=60)
        log.left_out(
            given.at(name, log), f"{name} is {text}, which is not a known policy."
        )


def read_policy(script: PythonText, call: ast.Call, kind: str, log: Log) -> JSONObject:
    """An early termination policy; empty for the one that ends no trial."""
    given = Arguments.of(script, call, FIRST.get(kind, ()))
    settings: JSONObject = {"type": kind}
    for name in given.values:
        value = given.literal(name)
        if value is UNKNOWN:
            log.left_out(
                at_node(script, given.values[name], f"early_termination.{name}", log),
                "This is not a plain value, and the script does not run here.",
            )
        else:
            settings[name] = json_value(value)
    return compact(settings) if kind else {}
