"""Python scripts and notebooks of other systems, read as syntax trees and never run."""

from __future__ import annotations

import ast
import copy
import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from experiments.search.records import JSONValue

MAX_CHARACTERS = 200_000
MAX_NOTEBOOK = 8_000_000
# Names that are replaced by their values in one expression, and how deep.
MAX_NAMES, MAX_DEPTH = 2_000, 10
# Notebooks have these beside Python: `%pip install x`, `!ls`, `dataset?`.
MAGIC = re.compile(r"^\s*(?:[%!].*|.*\?)$", re.MULTILINE)
MAX_NUMBER = 10**15
ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}
UNKNOWN = object()


@dataclass
class PythonText:
    """A script's statements in order, those inside blocks and functions included.

    `places` has, for a notebook, the cell of each line and its line there.
    """

    text: str
    tree: ast.Module
    places: Mapping[int, str] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.statements = list(_statements(self.tree.body))
        self._assigned: dict[str, list[ast.Assign]] = {}
        for node in self.statements:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self._assigned.setdefault(node.targets[0].id, []).append(node)

    def place(self, node: ast.AST) -> str:
        """Where a node is, in words: `line 7`, or `cell 3, line 7`."""
        line = getattr(node, "lineno", 1)
        return self.places.get(line, f"line {line}")

    def calls(self, *names: str) -> Iterator[tuple[str, ast.Call]]:
        """Every call of these names, with the variable that it is assigned to."""
        for statement in self.statements:
            target = _target(statement)
            for node in _expressions(statement):
                if isinstance(node, ast.Call) and called(node) in names:
                    yield target, node

    def assigned(self) -> Iterator[tuple[str, ast.expr]]:
        """Every variable with its value, in order."""
        for nodes in self._assigned.values():
            for node in nodes:
                yield _target(node), node.value

    def set_on(self, variable: str, *, after: int) -> Iterator[tuple[str, ast.expr]]:
        """Attributes that are set on a variable after a line: `job.compute = "cpu"`.

        `limits.timeout` is the name of one of an attribute. Ends where the variable is
        assigned again.
        """
        lines = [node.lineno for node in self._assigned.get(variable, ())]
        end = min((line for line in lines if line > after), default=10**9)
        for node in self.statements:
            if not isinstance(node, ast.Assign) or not after <= node.lineno < end:
                continue
            owner, _, name = _dotted(node.targets[0]).partition(".")
            if owner == variable and name:
                self.use(node)
                yield name, node.value

    def use(self, node: ast.AST) -> None:
        """Count a node's statement as read."""
        self.used.add(getattr(node, "lineno", 0))

    def resolved(self, node: ast.expr | None, depth: int = 0) -> ast.expr | None:
        """The value of a variable as it is at a node; other nodes as they are."""
        if not isinstance(node, ast.Name) or depth > MAX_DEPTH:
            return node
        found = self._last_value(node)
        return node if found is None else self.resolved(found, depth + 1)

    def _last_value(self, name: ast.Name) -> ast.expr | None:
        nodes = self._assigned.get(name.id, [])
        before = [node for node in nodes if node.lineno < name.lineno] or nodes[:1]
        if not before:
            return None
        self.use(before[-1])
        return before[-1].value

    def inlined(self, node: ast.expr) -> ast.expr:
        """A copy with variables replaced by their values, modules left out of names."""
        return _Inliner(self).replaced(node, 0)

    def literal(self, node: ast.expr | None) -> JSONValue | object:
        """The value of a literal, also through variables; UNKNOWN for other nodes."""
        if node is None:
            return UNKNOWN
        try:
            return _folded(self.inlined(node))
        except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
            return UNKNOWN

    def unread(self) -> int:
        """How many statements, apart from imports, were not read."""
        kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef)
        ends = [
            (node.lineno, node.end_lineno or node.lineno)
            for node in self.statements
            if not isinstance(node, kinds) and not hasattr(node, "body")
        ]
        return sum(not any(a <= line <= b for line in self.used) for a, b in ends)


class _Inliner:
    def __init__(self, script: PythonText) -> None:
        self.script = script
        self.count = 0

    def replaced(self, node: ast.expr, depth: int) -> ast.expr:
        found = self.script.resolved(node)
        self.count += 1
        if found is None or depth > MAX_DEPTH or self.count > MAX_NAMES:
            return node
        if called(found) == "list" and called(_only_argument(found)) == "range":
            return self.replaced(_only_argument(found), depth + 1)
        if isinstance(found, ast.Call) and isinstance(found.func, ast.Attribute):
            found = self._plain_call(found, found.func)
        else:
            found = copy.copy(found)
        for name, value in ast.iter_fields(found):
            if name != "func":
                setattr(found, name, self._inner(value, depth + 1))
        return found

    def _plain_call(self, call: ast.Call, func: ast.Attribute) -> ast.Call:
        """`choice(1)` of `hyperdrive.choice(1)`; `strip("a")` of `"a".strip()`."""
        owner = self.script.resolved(func.value)
        is_text = isinstance(owner, ast.Constant)
        args = [func.value, *call.args] if is_text else call.args
        name = ast.copy_location(ast.Name(func.attr), call)
        return ast.copy_location(ast.Call(name, args, call.keywords), call)

    def _inner(self, value: object, depth: int) -> object:
        if isinstance(value, ast.expr):
            return self.replaced(value, depth)
        if isinstance(value, list):
            items = [self._inner(item, depth) for item in value]
            return [each for item in items for each in _unpacked(item)]
        if isinstance(value, ast.keyword):
            return ast.keyword(value.arg, self.replaced(value.value, depth))
        return value


def _only_argument(node: ast.expr) -> ast.expr:
    """The argument of a call that has one, else the node itself."""
    args = node.args if isinstance(node, ast.Call) else []
    return args[0] if len(args) == 1 else node


def _unpacked(item: object) -> list[object]:
    """The items of `*[1, 2]`, else the item itself."""
    inner = item.value if isinstance(item, ast.Starred) else None
    return list(inner.elts) if isinstance(inner, ast.List | ast.Tuple) else [item]


def _folded(node: ast.expr) -> JSONValue:
    """A literal, arithmetic with numbers, or texts that are joined or changed in the
    usual ways.

    Raises ValueError for anything else.
    """
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            one, other = _folded(left), _folded(right)
            if isinstance(one, str) and isinstance(other, str):
                return one + other
            return _calculated(one, ast.Add(), other)
        case ast.BinOp(left=left, op=sign, right=right):
            return _calculated(_folded(left), sign, _folded(right))
        case ast.Call(func=ast.Name(id="strip"), args=[text]):
            return str(_folded(text)).strip()
        case ast.Call(func=ast.Name(id="replace"), args=[text, old, new]):
            return str(_folded(text)).replace(str(_folded(old)), str(_folded(new)))
        case ast.Call(func=ast.Name(id="join"), args=[text, ast.List(elts=items)]):
            return str(_folded(text)).join(str(_folded(item)) for item in items)
    value: JSONValue = ast.literal_eval(node)
    return value


def _calculated(one: JSONValue, sign: ast.operator, other: JSONValue) -> JSONValue:
    work = ARITHMETIC.get(type(sign))
    if work is None:
        raise ValueError("This operator is not followed.")
    for number in (one, other):
        if not isinstance(number, int | float) or abs(number) > MAX_NUMBER:
            raise ValueError("Arithmetic needs two numbers of a usual size.")
    try:
        value: JSONValue = work(one, other)
    except ArithmeticError as error:
        raise ValueError(str(error)) from error
    return value


def called(node: ast.AST | None) -> str:
    """The last name of what a node calls: `choice` of `hyperdrive.choice(1, 2)`."""
    func = node.func if isinstance(node, ast.Call) else None
    if isinstance(func, ast.Attribute):
        return func.attr
    return func.id if isinstance(func, ast.Name) else ""


def is_named(node: ast.expr | None, variable: str) -> bool:
    return isinstance(node, ast.Name) and node.id == variable


def owner_of(call: ast.Call) -> ast.expr | None:
    """The object whose method is called: `job` of `job.sweep()`."""
    return call.func.value if isinstance(call.func, ast.Attribute) else None


def read_python(content: str) -> PythonText | None:
    """A script or the code of a notebook; None for anything else."""
    cells = _cells(content)
    if cells is not None:
        return _notebook(cells)
    if len(content) > MAX_CHARACTERS:
        return None
    tree = _parsed(_dedented(content))
    return None if tree is None else PythonText(content, tree)


def _cells(content: str) -> list[str] | None:
    if not content.lstrip().startswith("{") or '"cells"' not in content:
        return None
    if len(content) > MAX_NOTEBOOK:
        return None
    try:
        cells = json.loads(content)["cells"]
        sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    return ["".join(map(str, source)) for source in sources]


def _notebook(cells: list[str]) -> PythonText | None:
    """The cells that are Python, one below the other."""
    lines: list[str] = []
    places: dict[int, str] = {}
    for number, cell in enumerate(cells, 1):
        code = "" if cell.lstrip().startswith("%%") else MAGIC.sub("", cell)
        if _parsed(code) is None or len(code) > MAX_CHARACTERS:
            continue
        for line, text in enumerate(code.split("\n"), 1):
            lines.append(text)
            places[len(lines)] = f"cell {number}, line {line}"
    text = "\n".join(lines)
    tree = _parsed(text) if len(text) <= 5 * MAX_CHARACTERS else None
    return None if tree is None else PythonText(text, tree, places)


def _parsed(text: str) -> ast.Module | None:
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


def _dedented(text: str) -> str:
    """The text without the blanks before its first line, as copied from an article."""
    lines = text.lstrip("\n")
    if lines[:1] in (" ", "\t"):
        return "\n" * (len(text) - len(lines)) + text.strip()
    return text


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        yield node
        for name in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(node, name, []))
        for handler in getattr(node, "handlers", []):
            yield from _statements(handler.body)


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions of a statement itself, without those of statements inside."""
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop()
        yield node
        inner = ast.iter_child_nodes(node)
        waiting += [child for child in inner if not isinstance(child, ast.stmt)]


def _dotted(node: ast.expr) -> str:
    """`job.limits.timeout` of such an attribute; "" for other nodes."""
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value)
        return f"{owner}.{node.attr}" if owner else ""
    return node.id if isinstance(node, ast.Name) else ""


def _target(statement: ast.stmt) -> str:
    target = statement.targets[0] if isinstance(statement, ast.Assign) else None
    return target.id if isinstance(target, ast.Name) else ""
