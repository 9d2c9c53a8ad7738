"""Arguments that calls declare: argparse, click and absl."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, TypeAlias

from experiments.code.scripts.argument_types import (
    SEVERAL,
    Keywords,
    ValueType,
    callable_type,
    choices_of,
    kind_of,
    longest,
    number,
    plain,
)
from experiments.code.scripts.findings import (
    BOOL,
    FLOAT,
    INT,
    SWITCH,
    TEXT,
    ScriptArgument,
    UnreadArgument,
)
from experiments.code.scripts.module import CallSite, ScriptModule, last_name

Found: TypeAlias = "ScriptArgument | UnreadArgument"
REPEATED = ("append", "append_const", "extend", "count", "store_const")
VARIABLE_NAME = "its name is a variable"
ANY_TEXT_IS_TRUE = "type=bool reads every text, also false, as true"
UNSAFE = re.compile(r"\W")


def parameter_name(flag: str) -> str:
    """The name of a flag in a search space: `--learning-rate` is learning_rate."""
    return UNSAFE.sub("_", flag.lstrip("-"))


def flag_template(flag: str, *, value: str = "{}") -> str:
    """How a value follows a flag; a name without dashes is passed by its place."""
    return f"{flag} {value}" if flag.startswith("-") else value


def argparse_arguments(module: ScriptModule) -> Iterator[Found]:
    if not any("arg" in dotted.lower() for dotted in module.imports.values()):
        return
    short = {
        name
        for name, values in module.assigned.items()
        if any(last_name(value) == "add_argument" for value in values)
    }
    for call in module.calls:
        if call.name in short or call.name == "add_argument":
            yield from _argparse_argument(module, call)


def set_defaults(module: ScriptModule) -> dict[str, Any]:
    """The values of `parser.set_defaults(lr=0.1)`."""
    calls = (call.node for call in module.calls if call.name == "set_defaults")
    given = (keyword for call in calls for keyword in call.keywords if keyword.arg)
    return {str(each.arg): module.value(each.value) for each in given}


def _argparse_argument(module: ScriptModule, call: CallSite) -> Iterator[Found]:
    given = Keywords(module, call.node)
    flag = longest(given.texts())
    action = last_name(given.node("action")) or given.text("action")
    if not flag:
        yield UnreadArgument("", call.line, VARIABLE_NAME)
        return
    if action in ("version", "help"):
        return
    read = callable_type(module, given.node("type"))
    default = given.value("default")
    choices = choices_of(given.value("choices")) or read.choices
    kind = read.kind or kind_of(default) or kind_of(next(iter(choices), None)) or TEXT
    found = ScriptArgument(
        name=parameter_name(flag),
        template=flag_template(flag),
        line=call.line,
        kind=kind,
        default=plain(default),
        choices=choices,
        help=given.text("help"),
    )
    if action in ("store_true", "store_false", "BooleanOptionalAction"):
        yield switch(found, flag, is_pair=action == "BooleanOptionalAction")
        return
    yield readable(found, flag, _argparse_trouble(given, action, read, default))


def _argparse_trouble(
    given: Keywords, action: str, read: ValueType, default: object
) -> str:
    nargs = given.value("nargs")
    if action in REPEATED or nargs in ("*", "+", "...", "A...") or number(nargs):
        return SEVERAL
    if last_name(given.node("type")) == "bool":
        return ANY_TEXT_IS_TRUE
    has_kind = number(default) is not None or given.node("choices") is not None
    return "" if has_kind else read.why


def switch(found: ScriptArgument, flag: str, *, is_pair: bool) -> ScriptArgument:
    """An argument without a value; of a pair, both words are its values."""
    off = f"--no-{flag.lstrip('-')}"
    choices = (flag, off) if is_pair else ()
    template = "{}" if is_pair else flag
    return replace(found, kind=SWITCH, choices=choices, template=template)


def readable(found: ScriptArgument, flag: str, why: str) -> Found:
    return UnreadArgument(flag, found.line, why) if why else found


def click_arguments(module: ScriptModule) -> Iterator[Found]:
    for call in module.calls:
        dotted = module.dotted(call.node.func)
        if dotted.split(".")[0] not in ("click", "rich_click", "asyncclick"):
            continue
        if call.name in ("option", "argument"):
            yield from _click_option(module, call)


def _click_option(module: ScriptModule, call: CallSite) -> Iterator[Found]:
    given = Keywords(module, call.node)
    names = given.texts()
    on, slash, off = next((n for n in names if "/" in n), "").partition("/")
    flag = on.strip() or longest([name for name in names if name.startswith("-")])
    flag = flag or next(iter(names), "")
    if not flag:
        yield UnreadArgument("", call.line, VARIABLE_NAME)
        return
    default = given.value("default")
    found = ScriptArgument(
        name=parameter_name(flag),
        template=flag_template(flag),
        line=call.line,
        kind=kind_of(default) or TEXT,
        default=plain(default),
        help=given.text("help"),
    )
    if slash and off.strip().startswith("--"):
        pair = (flag, off.strip())
        yield replace(found, kind=SWITCH, choices=pair, template="{}")
    elif slash or given.value("is_flag"):
        yield switch(found, flag, is_pair=False)
    else:
        found, why = _click_type(given, found)
        several = given.value("multiple") or given.value("count")
        several = several or given.value("nargs") not in (None, 1)
        yield readable(found, flag, SEVERAL if several else why)


def _click_type(given: Keywords, found: ScriptArgument) -> tuple[ScriptArgument, str]:
    """The argument with what `type=` says, and why that is not understood."""
    node, module = given.node("type"), given.module
    if not isinstance(node, ast.Call):
        read = callable_type(module, node)
        why = read.why if found.kind == TEXT else ""
        kind = read.kind or found.kind
        choices = (True, False) if kind == BOOL else read.choices
        return replace(found, kind=kind, choices=choices), why
    inner, name = Keywords(module, node), last_name(node.func)
    if name == "Choice":
        choices = choices_of(inner.value("choices", 0))
        return replace(found, choices=choices), ""
    if name in ("IntRange", "FloatRange"):
        low, high = (number(inner.value(*each)) for each in (("min", 0), ("max", 1)))
        kind = INT if name == "IntRange" else FLOAT
        return replace(found, kind=kind, low=low, high=high), ""
    read = callable_type(module, node)
    return replace(found, kind=read.kind or found.kind), read.why


ABSL = {
    **{"DEFINE_float": FLOAT, "DEFINE_integer": INT, "DEFINE_string": TEXT},
    **{"DEFINE_bool": BOOL, "DEFINE_boolean": BOOL, "DEFINE_enum": TEXT},
}
ABSL_LISTS = ("DEFINE_list", "DEFINE_multi", "DEFINE_spaceseplist")


def absl_arguments(module: ScriptModule) -> Iterator[Found]:
    if not module.imports_from("absl"):
        return
    for call in module.calls:
        given = Keywords(module, call.node)
        name = given.text("name", 0)
        if call.name.startswith("DEFINE_") and not name:
            yield UnreadArgument("", call.line, VARIABLE_NAME)
        elif call.name in ABSL:
            yield _absl_argument(given, call, name)
        elif call.name.startswith(ABSL_LISTS):
            yield UnreadArgument(f"--{name}", call.line, SEVERAL)


def _absl_argument(given: Keywords, call: CallSite, name: str) -> ScriptArgument:
    kind, is_enum = ABSL[call.name], call.name == "DEFINE_enum"
    choices = choices_of(given.value("enum_values", 2)) if is_enum else ()
    return ScriptArgument(
        name=parameter_name(name),
        # A flag of absl does not take the next word as its value if it is a bool.
        template=f"--{name}={{}}" if kind == BOOL else f"--{name} {{}}",
        line=call.line,
        kind=kind,
        default=plain(given.value("default", 1)),
        choices=(True, False) if kind == BOOL else choices,
        low=number(given.value("lower_bound")),
        high=number(given.value("upper_bound")),
        help=given.text("help", 3 if is_enum else 2),
    )
