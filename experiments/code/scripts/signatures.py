"""Arguments that signatures declare: typer, fire, tyro and parsers of dataclasses; and
parameters that a script reads from `sweepsite_client.params()`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace

from experiments.code.scripts.argument_types import (
    Keywords,
    ValueType,
    annotated_type,
    choices_of,
    kind_of,
    longest,
    number,
    plain,
)
from experiments.code.scripts.findings import (
    BOOL,
    SWITCH,
    TEXT,
    ScriptArgument,
)
from experiments.code.scripts.flags import (
    Found,
    flag_template,
    parameter_name,
    readable,
    switch,
)
from experiments.code.scripts.module import (
    UNKNOWN,
    FunctionNode,
    ScriptModule,
    last_name,
)

TRUE_OR_FALSE = (True, False)
# Fire reads Python's literals: to it, true is a text.
PYTHON_WORDS = ("True", "False")


@dataclass(frozen=True)
class Declared:
    """A parameter of a function or a field of a class, with its annotation."""

    name: str
    line: int
    annotation: ast.expr | None
    default: ast.expr | None

    @property
    def dashed(self) -> str:
        return f"--{self.name.replace('_', '-')}"


def parameters(function: FunctionNode) -> Iterator[Declared]:
    """The parameters of a function, without self."""
    arguments = function.args
    placed = [*arguments.posonlyargs, *arguments.args]
    missing = [None] * (len(placed) - len(arguments.defaults))
    defaults = [*missing, *arguments.defaults, *arguments.kw_defaults]
    for each, default in zip([*placed, *arguments.kwonlyargs], defaults, strict=True):
        if each.arg not in ("self", "cls"):
            yield Declared(each.arg, each.lineno, each.annotation, default)


def fields(
    module: ScriptModule, name: str, seen: tuple[str, ...] = ()
) -> list[Declared]:
    """The fields of a class and of its bases in the script."""
    node = module.classes.get(name)
    if node is None or name in seen or len(seen) > 10:
        return []
    module.look(1 + len(node.bases) + len(node.body))
    found = {
        each.name: each
        for base in node.bases
        for each in fields(module, last_name(base), (*seen, name))
    }
    for line in node.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            name = line.target.id
            found[name] = Declared(name, line.lineno, line.annotation, line.value)
    return [*found.values()]


def declared_in(module: ScriptModule, node: ast.expr | None) -> list[Declared]:
    """What a function or class of the script declares; several may be in a tuple."""
    if isinstance(node, ast.Tuple | ast.List):
        return [each for item in node.elts for each in declared_in(module, item)]
    name = last_name(node)
    if name in module.functions and isinstance(node, ast.Name):
        return [*parameters(module.functions[name])]
    own = module.classes.get(name)
    if own is None:
        return []
    module.look(len(own.body))
    made = (each for each in own.body if isinstance(each, ast.FunctionDef))
    start = next((each for each in made if each.name == "__init__"), None)
    return [*parameters(start)] if start else fields(module, name)


def _argument(
    module: ScriptModule, declared: Declared, flag: str
) -> tuple[ScriptArgument, ValueType]:
    """The argument with its type and its default, which may be in `field(…)`."""
    default, help_text, choices = module.value(declared.default), "", None
    if isinstance(declared.default, ast.Call):
        given = Keywords(module, declared.default)
        default = given.value("default")
        help_text, choices = _metadata(module, given.node("metadata"))
    read = annotated_type(module, declared.annotation)
    default = None if default is UNKNOWN else default
    found = ScriptArgument(
        name=parameter_name(flag),
        template=flag_template(flag),
        line=declared.line,
        kind=read.kind or kind_of(default) or TEXT,
        default=plain(default),
        choices=choices_of(choices) or read.choices,
        help=help_text,
    )
    several = ValueType(why="it takes several values")
    return found, several if isinstance(default, tuple) else read


def _metadata(module: ScriptModule, node: ast.expr | None) -> tuple[str, object]:
    """`help` and `choices` of a field's metadata."""
    if not isinstance(node, ast.Dict):
        return "", None
    names = map(module.text, node.keys)
    values = dict(zip(names, node.values, strict=True))
    return module.text(values.get("help")), module.value(values.get("choices"))


def fire_arguments(module: ScriptModule) -> Iterator[Found]:
    for call in module.calls:
        if module.dotted(call.node.func) != "fire.Fire":
            continue
        given = Keywords(module, call.node)
        for declared in declared_in(module, given.node("component", 0)):
            found, read = _argument(module, declared, f"--{declared.name}")
            if found.kind == BOOL:
                found = replace(found, choices=PYTHON_WORDS)
            yield readable(found, f"--{declared.name}", read.why)


# Name of the call, and whether bools are pairs such as --amp and --no-amp.
CLASS_PARSERS = {
    "transformers.HfArgumentParser": False,
    "trl.TrlParser": False,
    "jsonargparse.CLI": False,
    "jsonargparse.auto_cli": False,
    "tyro.cli": True,
}


def class_arguments(module: ScriptModule) -> Iterator[Found]:
    """tyro, HfArgumentParser and jsonargparse: a class or function is the parser."""
    for call in module.calls:
        has_pairs = CLASS_PARSERS.get(module.dotted(call.node.func))
        if has_pairs is None or not (call.node.args or call.node.keywords):
            continue
        node = call.node.args[0] if call.node.args else call.node.keywords[0].value
        for declared in declared_in(module, node):
            flag = declared.dashed if has_pairs else f"--{declared.name}"
            found, read = _argument(module, declared, flag)
            if found.kind == BOOL and has_pairs:
                found = switch(found, flag, is_pair=True)
            elif found.kind == BOOL:
                found = replace(found, choices=TRUE_OR_FALSE)
            yield readable(found, flag, read.why)


TYPER_CALLS = ("Option", "Argument")


def typer_arguments(module: ScriptModule) -> Iterator[Found]:
    if not module.imports_from("typer"):
        return
    commands = {
        last_name(call.node.args[0])
        for call in module.calls
        if module.dotted(call.node.func) == "typer.run" and call.node.args
    }
    for name, function in module.functions.items():
        marks = {
            last_name(getattr(each, "func", each)) for each in function.decorator_list
        }
        if name in commands or "command" in marks:
            for declared in parameters(function):
                if last_name(declared.annotation) != "Context":
                    yield _typer_argument(module, declared)


def _typer_argument(module: ScriptModule, declared: Declared) -> Found:
    settings = _typer_settings(declared)
    is_annotated = settings is not declared.default
    given = Keywords(module, settings) if settings else None
    default = module.value(declared.default)
    if given and not is_annotated:
        default = given.value("default", 0)
    is_argument = declared.default is None
    if settings:
        is_argument = last_name(settings.func) == "Argument"
    names = [text for text in (given.texts() if given else []) if text.startswith("-")]
    pair = next((text for text in names if "/" in text), "")
    flag = pair.partition("/")[0] or longest(names) or declared.dashed
    read = annotated_type(module, declared.annotation)
    default = None if default in (UNKNOWN, ...) else default
    found = ScriptArgument(
        name=parameter_name(flag),
        template="{}" if is_argument else flag_template(flag),
        line=declared.line,
        kind=read.kind or kind_of(default) or TEXT,
        default=plain(default),
        choices=read.choices,
        low=number(given.value("min")) if given else None,
        high=number(given.value("max")) if given else None,
        help=given.text("help") if given else "",
    )
    if found.kind != BOOL:
        return readable(found, flag, read.why)
    if pair:
        words = tuple(part.strip() for part in pair.split("/")[:2])
        return replace(found, kind=SWITCH, choices=words, template="{}")
    return switch(found, flag, is_pair=not names)


def _typer_settings(declared: Declared) -> ast.Call | None:
    """`typer.Option(…)`, as the default or in `Annotated[float, typer.Option(…)]`."""
    places = [declared.default]
    inner = getattr(declared.annotation, "slice", None)
    if isinstance(inner, ast.Tuple):
        places += inner.elts
    calls = (each for each in places if isinstance(each, ast.Call))
    return next((c for c in calls if last_name(c.func) in TYPER_CALLS), None)


def read_parameters(module: ScriptModule) -> Iterator[Found]:
    """`params()["lr"]` and `params().get("lr", 0.1)` of sweepsite_client."""
    for each in module.subscripts:
        if _is_params(module, each.value) and (name := module.text(each.slice)):
            yield _read(name, each.lineno, None)
    for call in module.calls:
        function = call.node.func
        if not isinstance(function, ast.Attribute) or function.attr != "get":
            continue
        given = Keywords(module, call.node)
        if _is_params(module, function.value) and (name := given.text("key", 0)):
            yield _read(name, call.line, given.value("default", 1))


def _read(name: str, line: int, default: object) -> ScriptArgument:
    kind = kind_of(default) or TEXT
    choices = TRUE_OR_FALSE if kind == BOOL else ()
    return ScriptArgument(
        name=parameter_name(name),
        template="",
        line=line,
        kind=kind,
        default=plain(default),
        choices=choices,
    )


def _is_params(module: ScriptModule, node: ast.expr) -> bool:
    if isinstance(node, ast.Name):
        given = module.assigned.get(node.id, [])
        node = given[0] if len(given) == 1 else node
    is_call = isinstance(node, ast.Call)
    return is_call and module.dotted(node.func) == "sweepsite_client.params"  # type: ignore[attr-defined]
