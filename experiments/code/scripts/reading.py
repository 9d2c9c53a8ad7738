"""The reading of one script's text."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from experiments.code.scripts.argument_types import plain
from experiments.code.scripts.findings import (
    ScriptArgument,
    ScriptReading,
    UnreadArgument,
)
from experiments.code.scripts.flags import (
    Found,
    absl_arguments,
    argparse_arguments,
    click_arguments,
    set_defaults,
)
from experiments.code.scripts.metrics import distinct, metrics_of
from experiments.code.scripts.module import (
    UNKNOWN,
    ScriptModule,
    UnreadableScript,
    read_module,
)
from experiments.code.scripts.signatures import (
    class_arguments,
    fire_arguments,
    read_parameters,
    typer_arguments,
)

READERS = (
    argparse_arguments,
    click_arguments,
    absl_arguments,
    typer_arguments,
    fire_arguments,
    class_arguments,
    read_parameters,
)
MAX_ARGUMENTS, MAX_METRICS, MAX_UNREAD = 200, 50, 20
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")


def read_script(text: str) -> ScriptReading:
    """The arguments and metrics of a script; it is never run."""
    try:
        return _read(read_module(text))
    except UnreadableScript as error:
        return ScriptReading(problem=str(error))


def _read(module: ScriptModule) -> ScriptReading:
    found = sorted(
        (each for reader in READERS for each in reader(module)),
        key=lambda each: each.line,
    )
    defaults = {
        name: plain(value)
        for name, value in set_defaults(module).items()
        if value is not UNKNOWN
    }
    arguments = [
        replace(each, default=defaults.get(each.name, each.default))
        for each in _by_name(found)
    ]
    unread = [each for each in found if isinstance(each, UnreadArgument)]
    return ScriptReading(
        arguments[:MAX_ARGUMENTS],
        distinct(metrics_of(module))[:MAX_METRICS],
        unread[:MAX_UNREAD],
    )


def _by_name(found: Iterable[Found]) -> list[ScriptArgument]:
    """One argument of each name: the first that the command line takes."""
    best: dict[str, ScriptArgument] = {}
    for each in found:
        if isinstance(each, ScriptArgument) and NAME.fullmatch(each.name):
            known = best.setdefault(each.name, each)
            if each.template and not known.template:
                best[each.name] = each
    return [*best.values()]
