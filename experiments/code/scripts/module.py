"""A script's syntax tree: its calls with the loops around them, and its constants."""

from __future__ import annotations

import ast
import operator
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

MAX_CHARACTERS, MAX_NODES = 200_000, 100_000
MAX_DEPTH, MAX_VALUES, MAX_TEXT_LENGTH = 8, 100, 1_000
MAX_STEPS, MAX_LOOKS = 50_000, 100_000
FILE_NAME = "sweepsite_script"
# Python warns on standard error about texts such as "\d" in scripts.
warnings.filterwarnings("ignore", module=FILE_NAME)
FunctionNode: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef"
OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: operator.pow,
}
MAX_NUMBER, MAX_POWER = 1e15, 64
# A text with one cannot be sent or stored.
SURROGATE = re.compile("[\ud800-\udfff]")
COPIES = ("list", "tuple", "sorted", "set")


class _Unknown:
    """The value of an expression that is not a constant."""

    def __bool__(self) -> bool:
        return False


UNKNOWN: Final = _Unknown()


class UnreadableScript(ValueError):
    """Text that cannot be read as a script; the message says why."""


@dataclass(frozen=True)
class CallSite:
    """A call, the function it is in, and the variable of the innermost loop around it:
    None outside loops, empty in a loop without one."""

    node: ast.Call
    function: str
    loop: str | None

    @property
    def name(self) -> str:
        """The last part of what is called: `add_argument`."""
        return last_name(self.node.func)

    @property
    def line(self) -> int:
        return self.node.lineno


@dataclass
class ScriptModule:
    """The parts of a script, by name."""

    calls: list[CallSite] = field(default_factory=list)
    functions: dict[str, FunctionNode] = field(default_factory=dict)
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    # Dotted name by local name.
    imports: dict[str, str] = field(default_factory=dict)
    # Expressions by the name that they are assigned to.
    assigned: dict[str, list[ast.expr]] = field(default_factory=dict)
    # Keys of `name["key"] = value`.
    items: dict[str, list[ast.expr]] = field(default_factory=dict)
    subscripts: list[ast.Subscript] = field(default_factory=list)
    # How many expressions were looked at: lists of lists would double forever.
    steps: int = 0
    # The same with lines of classes, which many calls may name.
    looks: int = 0

    def look(self, count: int = 1) -> None:
        """Count what is looked at. Raises UnreadableScript when it is too much."""
        self.looks += count
        if self.looks > MAX_LOOKS:
            raise UnreadableScript("its parts name each other too often")

    def imports_from(self, *packages: str) -> bool:
        return any(dotted.split(".")[0] in packages for dotted in self.imports.values())

    def dotted(self, node: ast.expr | None) -> str:
        """What an expression names, with its import: `argparse.SUPPRESS`."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return ""
        return ".".join([self.imports.get(node.id, node.id), *reversed(parts)])

    def value(self, node: ast.expr | None, depth: int = 0) -> Any:
        """The value of a constant expression; UNKNOWN for any other."""
        self.look()
        self.steps += 1
        if node is None or depth > MAX_DEPTH or self.steps > MAX_STEPS:
            return UNKNOWN
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            return self._named(node.id, depth)
        if isinstance(node, ast.Attribute):
            return self._member(node)
        if isinstance(node, ast.UnaryOp | ast.BinOp):
            return self._computed(node, depth)
        if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
            items = node.keys if isinstance(node, ast.Dict) else node.elts
            if len(items) > MAX_VALUES:
                return UNKNOWN
            values = tuple(self.value(item, depth + 1) for item in items)
            return UNKNOWN if UNKNOWN in values else values
        if isinstance(node, ast.Call):
            return self._called(node, depth)
        if isinstance(node, ast.ListComp):
            return self._comprehended(node)
        return UNKNOWN

    def text(self, node: ast.expr | None) -> str:
        """A constant text; empty for anything else."""
        value = self.value(node)
        is_short = isinstance(value, str) and len(value) <= MAX_TEXT_LENGTH
        return value if is_short and not SURROGATE.search(value) else ""

    def members(self, name: str) -> tuple[Any, ...]:
        """The values of an Enum of the script."""
        found = self.classes.get(name)
        if found is None or "Enum" not in "".join(map(last_name, found.bases)):
            return ()
        self.look(len(found.body))
        body = (each for each in found.body if isinstance(each, ast.Assign))
        values = (self.value(each.value) for each in body)
        return tuple(value for value in values if value is not UNKNOWN)

    def _named(self, name: str, depth: int) -> Any:
        given = self.assigned.get(name, [])
        if len(given) == 1:
            return self.value(given[0], depth + 1)
        return self.members(name) or UNKNOWN

    def _member(self, node: ast.Attribute) -> Any:
        """`Color.RED` and `Color.RED.value`."""
        if node.attr in ("value", "name") and isinstance(node.value, ast.Attribute):
            node = node.value
        owner = self.classes.get(last_name(node.value))
        self.look(len(owner.body) if owner else 0)
        for each in owner.body if owner else ():
            if isinstance(each, ast.Assign) and node.attr in names_of(each.targets):
                return self.value(each.value)
        return UNKNOWN

    def _computed(self, node: ast.UnaryOp | ast.BinOp, depth: int) -> Any:
        if isinstance(node, ast.UnaryOp):
            value = self.value(node.operand, depth + 1)
            negative = isinstance(node.op, ast.USub) and isinstance(value, int | float)
            return -value if negative else UNKNOWN
        left, right = (self.value(n, depth + 1) for n in (node.left, node.right))
        if isinstance(left, str) and isinstance(right, str):
            is_sum = isinstance(node.op, ast.Add)
            return left + right if is_sum else UNKNOWN
        known = OPERATORS.get(type(node.op))
        if known is None or not _is_small(left) or not _is_small(right):
            return UNKNOWN
        if isinstance(node.op, ast.Pow) and abs(right) > MAX_POWER:
            return UNKNOWN
        try:
            value = known(left, right)
        except (ArithmeticError, ValueError):
            return UNKNOWN
        return value if _is_small(value) else UNKNOWN

    def _called(self, node: ast.Call, depth: int) -> Any:
        """`range(1, 5)`, `list(NAMES)` and `NAMES.keys()`."""
        name = last_name(node.func)
        if name == "keys" and isinstance(node.func, ast.Attribute):
            return self.value(node.func.value, depth + 1)
        values = [self.value(each, depth + 1) for each in node.args]
        if name in COPIES and len(values) == 1:
            return values[0] if isinstance(values[0], tuple) else UNKNOWN
        if name == "range" and all(isinstance(value, int) for value in values):
            try:
                numbers = range(*values)
                return tuple(numbers) if len(numbers) <= MAX_VALUES else UNKNOWN
            except (TypeError, ValueError, OverflowError):
                return UNKNOWN
        return UNKNOWN

    def _comprehended(self, node: ast.ListComp) -> Any:
        """`[each.value for each in Color]`."""
        source = node.generators[0].iter
        is_simple = len(node.generators) == 1 and isinstance(node.elt, ast.Attribute)
        return (self.members(last_name(source)) or UNKNOWN) if is_simple else UNKNOWN


def _is_small(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) <= MAX_NUMBER


def last_name(node: ast.AST | None) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def names_of(targets: list[ast.expr]) -> list[str]:
    return [target.id for target in targets if isinstance(target, ast.Name)]


def read_module(text: str) -> ScriptModule:
    """The parts of a script. Raises UnreadableScript."""
    if len(text) > MAX_CHARACTERS:
        raise UnreadableScript(
            f"it has {len(text):,} characters; up to {MAX_CHARACTERS:,} are read"
        )
    try:
        tree = ast.parse(text, FILE_NAME)
    except SyntaxError as error:
        where = f" (line {error.lineno})" if error.lineno else ""
        raise UnreadableScript(f"it is not valid Python 3{where}") from None
    except (ValueError, MemoryError, RecursionError):
        raise UnreadableScript("it is nested too deeply, or not text") from None
    module = ScriptModule()
    for count, (node, function, loop) in enumerate(_walk(tree)):
        if count > MAX_NODES:
            raise UnreadableScript("it is too long")
        _collect(module, node, function, loop)
    module.calls.sort(key=lambda call: (call.node.lineno, call.node.col_offset))
    return module


def _walk(tree: ast.AST) -> Iterator[tuple[ast.AST, str, str | None]]:
    """Every node, with the function and the loop that it is in."""
    todo: list[tuple[ast.AST, str, str | None]] = [(tree, "", None)]
    while todo:
        node, function, loop = todo.pop()
        yield node, function, loop
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function, loop = node.name, None
        elif isinstance(node, ast.While):
            loop = ""
        elif isinstance(node, ast.For | ast.AsyncFor):
            todo.append((node.iter, function, loop))
            names = map(last_name, ast.walk(node.target))
            variable = next((name for name in names if name), "")
            todo += [(each, function, variable) for each in node.body]
            todo += [(each, function, loop) for each in node.orelse]
            continue
        todo += [(each, function, loop) for each in ast.iter_child_nodes(node)]


def _collect(
    module: ScriptModule, node: ast.AST, function: str, loop: str | None
) -> None:
    if isinstance(node, ast.Call):
        module.calls.append(CallSite(node, function, loop))
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        module.functions.setdefault(node.name, node)
    elif isinstance(node, ast.ClassDef):
        module.classes.setdefault(node.name, node)
    elif isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.asname or alias.name.split(".")[0]
            module.imports[name] = alias.name if alias.asname else name
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            module.imports[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    elif isinstance(node, ast.Assign):
        _collect_assigned(module, node.targets, node.value)
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        _collect_assigned(module, [node.target], node.value)
    elif isinstance(node, ast.Subscript):
        module.subscripts.append(node)


def _collect_assigned(
    module: ScriptModule, targets: list[ast.expr], value: ast.expr
) -> None:
    for name in names_of(targets):
        module.assigned.setdefault(name, []).append(value)
    for target in targets:
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            module.items.setdefault(target.value.id, []).append(target.slice)
