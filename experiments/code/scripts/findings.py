"""What is found in a script, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.search.records import JSONValue

FLOAT, INT, TEXT, BOOL, PATH = "float", "int", "text", "bool", "path"
# An argument without a value, such as `--amp`.
SWITCH = "switch"
# How often a metric is reported in a loop whose variable says nothing.
LOOP = "loop"


@dataclass(frozen=True, kw_only=True)
class ScriptArgument:
    """An argument of a script; `name` is its name in a search space.

    `template` is how the command line takes it, with {} for the value: `--lr {}`, `{}`
    for one without a flag, and empty if the script reads `params()` instead. A switch
    without choices takes no value.
    """

    name: str
    template: str
    line: int
    kind: str
    default: JSONValue = None
    choices: tuple[JSONValue, ...] = ()
    low: float | None = None
    high: float | None = None
    help: str = ""

    @property
    def is_appended(self) -> bool:
        """Whether a command without placeholders passes it correctly."""
        return self.template in ("", f"--{self.name} {{}}")

    @property
    def fixed_value(self) -> JSONValue:
        """The default as the command line takes it; None without one."""
        if self.choices and isinstance(self.default, bool):
            return self.choices[0 if self.default else 1]
        return self.default

    @property
    def is_searchable(self) -> bool:
        return self.kind != SWITCH or bool(self.choices)


@dataclass(frozen=True)
class UnreadArgument:
    """An argument that is not understood: its name or line, and why."""

    name: str
    line: int
    why: str


@dataclass(frozen=True)
class ScriptMetric:
    """A metric that a script reports; `every`: once per `epoch`, `step` and so on,
    LOOP for another loop, and empty for a single time."""

    name: str
    line: int
    every: str = ""
    is_printed: bool = False

    @property
    def words(self) -> str:
        """`line 88, every epoch`."""
        return f"line {self.line}, {self.often}"

    @property
    def often(self) -> str:
        """`every epoch`, `in a loop` or `once`."""
        if self.every == LOOP:
            return "in a loop"
        return f"every {self.every}" if self.every else "once"


@dataclass(frozen=True)
class ScriptReading:
    """Everything found in one script; `problem`: why it cannot be read."""

    arguments: Sequence[ScriptArgument] = ()
    metrics: Sequence[ScriptMetric] = ()
    unread: Sequence[UnreadArgument] = ()
    problem: str = ""
