"""Types and defaults of arguments, as scripts write them."""

from __future__ import annotations

import ast
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from experiments.code.scripts.findings import BOOL, FLOAT, INT, PATH, TEXT
from experiments.code.scripts.module import (
    MAX_TEXT_LENGTH,
    UNKNOWN,
    ScriptModule,
    last_name,
)
from experiments.search.records import JSONValue

FUNCTION, SEVERAL = "it takes a function", "it takes several values"
NAMES = {
    **dict.fromkeys(("float", "FLOAT", "PositiveFloat", "NonNegativeFloat"), FLOAT),
    **dict.fromkeys(("int", "INT", "PositiveInt", "NonNegativeInt"), INT),
    **dict.fromkeys(("str", "STRING", "Text"), TEXT),
    **dict.fromkeys(("bool", "BOOL"), BOOL),
    **dict.fromkeys(("Path", "PurePath", "FileType", "File", "FileText"), PATH),
}
LISTS = frozenset(
    ("list", "List", "tuple", "Tuple", "Sequence", "Iterable", "set", "Set", "dict")
) | {"Dict", "Mapping"}


@dataclass(frozen=True)
class ValueType:
    """A kind with its choices; `why` it is not understood, if so."""

    kind: str = ""
    choices: tuple[JSONValue, ...] = ()
    why: str = ""


def kind_of(value: object) -> str:
    """The kind of a default; empty without one."""
    if isinstance(value, bool):
        return BOOL
    if isinstance(value, int):
        return INT
    if isinstance(value, float):
        return FLOAT
    return TEXT if isinstance(value, str) else ""


def plain(value: object) -> JSONValue:
    """A default as JSON; None for what cannot be one."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT_LENGTH and value.isprintable() else None
    is_small = isinstance(value, int) and abs(value) < 1 << 53
    return value if is_small else None  # type: ignore[return-value]


def choices_of(value: object) -> tuple[JSONValue, ...]:
    """Constant choices; empty if one is not a number or text."""
    if not isinstance(value, tuple):
        return ()
    found = tuple(dict.fromkeys(plain(each) for each in value))
    return () if None in found else found


def number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if abs(value) <= sys.float_info.max else None


def callable_type(module: ScriptModule, node: ast.expr | None) -> ValueType:
    """The type that `type=` names: a class, or a function that reads a text."""
    if node is None:
        return ValueType()
    if isinstance(node, ast.Lambda):
        node = node.body.func if isinstance(node.body, ast.Call) else node
    if isinstance(node, ast.Call):  # argparse.FileType("r"), click.Path(exists=True)
        node = node.func
    name = last_name(node)
    if name in NAMES:
        return ValueType(NAMES[name])
    if "bool" in name.lower():
        return ValueType(BOOL, (True, False))
    if members := choices_of(module.members(name)):
        return ValueType(TEXT, members)
    function = module.functions.get(name)
    returned = last_name(function.returns) if function else ""
    return ValueType(NAMES[returned]) if returned in NAMES else ValueType(why=FUNCTION)


def annotated_type(module: ScriptModule, node: ast.expr | None) -> ValueType:
    """The type of an annotation: `Optional[float]`, `Literal["a", "b"]`, an Enum."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return ValueType(NAMES.get(node.value.strip(), ""))
    if isinstance(node, ast.BinOp):
        sides = [each for each in (node.left, node.right) if not _is_none(each)]
        return annotated_type(module, sides[0]) if len(sides) == 1 else ValueType()
    if isinstance(node, ast.Subscript):
        return _subscripted(module, node)
    name = last_name(node)
    if name in LISTS:
        return ValueType(why=SEVERAL)
    if members := choices_of(module.members(name)):
        return ValueType(TEXT, members)
    if name in module.classes:
        return ValueType(why="it is an object with fields")
    return ValueType(NAMES.get(name, ""))


def _subscripted(module: ScriptModule, node: ast.Subscript) -> ValueType:
    name = last_name(node.value)
    inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
    if name == "Literal":
        choices = choices_of(tuple(module.value(each) for each in inner))
        return ValueType(kind_of(choices[0]) if choices else "", choices)
    if name in ("Annotated", "Final"):
        return annotated_type(module, inner[0])
    if name in ("Optional", "Union"):
        sides = [each for each in inner if not _is_none(each)]
        return annotated_type(module, sides[0]) if len(sides) == 1 else ValueType()
    return ValueType(why=SEVERAL) if name in LISTS else ValueType()


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


@dataclass(frozen=True)
class Keywords:
    """The arguments of a call, by place and name."""

    module: ScriptModule
    call: ast.Call

    def node(self, name: str, place: int | None = None) -> ast.expr | None:
        if place is not None and place < len(self.call.args):
            return self.call.args[place]
        return next((k.value for k in self.call.keywords if k.arg == name), None)

    def value(self, name: str, place: int | None = None) -> Any:
        """The constant value, or None."""
        value = self.module.value(self.node(name, place))
        return None if value is UNKNOWN else value

    def text(self, name: str, place: int | None = None) -> str:
        return " ".join(self.module.text(self.node(name, place)).split())

    def texts(self) -> list[str]:
        """The texts among the arguments without a name."""
        return [text for node in self.call.args if (text := self.module.text(node))]


def longest(flags: Iterable[str]) -> str:
    """The flag to use: a long one, if there is one."""
    return max(flags, key=lambda flag: (flag.startswith("--"), len(flag)), default="")
