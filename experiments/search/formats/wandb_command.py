"""The command of a Weights & Biases sweep, its macros written out.

A command of ours in the terms of Weights & Biases.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.search.document.command import split_command, value_text
from experiments.search.fields import listed, shown
from experiments.search.formats import mapping
from experiments.search.formats.export_shared import Law, named_command, note_unused
from experiments.search.formats.mapping import (
    MAX_COMMAND_LENGTH,
    PLACEHOLDER,
    fixed,
    joined,
    parameter,
    too_long,
)
from experiments.search.formats.nodes import Node, json_value
from experiments.search.formats.wandb_space import Parameter

USUAL = ["${env}", "${interpreter}", "${program}", "${args}"]
MACRO = re.compile(r"\$\{([a-z_]+)(?::([^}]{0,200}))?\}")
MACROS = (
    "args",
    "args_json",
    "args_json_file",
    "args_no_boolean_flags",
    "args_no_equals",
    "args_no_hyphens",
    "env",
    "envvar",
    "interpreter",
    "program",
)
PLAIN = {"env": "/usr/bin/env", "interpreter": "python"}
FILE = "args.json"
MAX_ARGUMENTS = 5_000
MAX_TEXT_LENGTH = 1_000
# Writes its first argument to a file and then runs the rest.
WRITER = ["bash", "-c", f'printf %s "$1" > {FILE}; shift; exec "$@"', "-"]


@dataclass
class _Writer:
    source: Node
    parameters: Sequence[Parameter]
    program: str
    takes_values: bool = False
    writes_file: bool = False
    given: int = 0

    def words(self, items: Sequence[object]) -> list[str]:
        words: list[str] = []
        for index, item in enumerate(items):
            words += self._expanded(str(item), index)
        if words[:1] == [PLAIN["env"]] and "=" not in "".join(words[1:2]):
            words = words[1:]
        if self.writes_file:
            words = [*WRITER, self._json() or "", *words]
        return words

    def _expanded(self, item: str, index: int) -> list[str]:
        whole = MACRO.fullmatch(item)
        if whole and whole[1].startswith("args"):
            return self._arguments(whole[1], index)

        def filled(match: re.Match[str]) -> str:
            return self._macro(match, index)

        return [MACRO.sub(filled, item)]

    def _macro(self, match: re.Match[str], index: int) -> str:
        name, argument = match[1], match[2]
        if name in PLAIN:
            return PLAIN[name]
        if name == "program":
            return self.program
        if name == "envvar":
            self._change(
                index,
                f"The variable {argument} is not looked up when the command is built.",
                "Let the script read its environment, or run the command by bash -c.",
            )
        elif name.startswith("args"):
            return " ".join(self._arguments(name, index))
        else:
            self._unknown(match[0], name, index)
        return match[0]

    def _unknown(self, macro: str, name: str, index: int) -> None:
        suggestion = self.source.log.suggest(name, MACROS)
        if suggestion is None:
            self._change(index, f"The macro {macro} has no meaning here.")
        else:
            self.source.log.problem(
                self.source.at(f"command.{index}"),
                f"There is no macro {macro}; did you mean ${{{suggestion}}}?",
            )

    def _arguments(self, macro: str, index: int) -> list[str]:
        self.takes_values = True
        self.given += len(self.parameters)
        if self.given > MAX_ARGUMENTS:
            self.source.problem("command", "command repeats its values too often.")
            self.source.log.diagnostics.raise_if_any()
        if macro == "args_json":
            return self._as_json(index)
        if macro == "args_json_file":
            return self._as_file(index)
        if macro == "args_no_equals":
            pairs = ((f"--{p.option}", _value(p)) for p in self.parameters)
            return [word for pair in pairs for word in pair]
        if macro == "args_no_boolean_flags":
            flags = [p.option for p in self.parameters if p.boolean]
            if flags:
                self._change(
                    index,
                    f"The switch --{flags[0]} is given as --{flags[0]}=true or "
                    f"--{flags[0]}=false, not left out when it is false.",
                )
        elif macro not in MACROS:
            self._change(
                index, f"For ${{{macro}}} every value is given as --name=value."
            )
        hyphens = "" if macro == "args_no_hyphens" else "--"
        return [f"{hyphens}{p.option}={_value(p)}" for p in self.parameters]

    def _as_json(self, index: int) -> list[str]:
        text = self._json()
        if text is None:
            self._unwritable(index)
        return [text or "{}"]

    def _as_file(self, index: int) -> list[str]:
        if self._json() is None:
            self._unwritable(index)
            return []
        self.writes_file = True
        self._change(
            index,
            f"A small shell step before the program writes {FILE}, in the trial's own "
            "folder.",
        )
        return [FILE]

    def _unwritable(self, index: int) -> None:
        self.source.log.left_out(
            self.source.at(f"command.{index}"),
            "The values cannot be put into one JSON text, because some parameter's "
            "values are partly text, or text with quotes in it.",
            "The script finds the values as JSON in the variable SWEEPSITE_PARAMS.",
        )

    def _json(self) -> str | None:
        """The JSON text of all values, in their groups; None if there can be none."""
        tree: dict[str, object] = {}
        for item in self.parameters:
            if item.text is None or not _is_quotable(item):
                return None
            level = tree
            for group in item.groups[:-1]:
                inner = level.setdefault(group, {})
                level = inner if isinstance(inner, dict) else {}
            level[item.groups[-1]] = item
        return _text(tree)

    def _change(self, index: int, message: str, alternative: str = "") -> None:
        self.source.log.changed(
            self.source.at(f"command.{index}"), message, alternative
        )


def read_command(source: Node, parameters: Sequence[Parameter]) -> str:
    """The text of the command, with a placeholder for every parameter."""
    program = source.text("program")
    given = source.take("command")
    if isinstance(given, str):
        given = given.split()
    if given is not None and not isinstance(given, list):
        source.problem("command", f"command must be a list, not {shown(given)}.")
    if isinstance(given, list) and too_long([program, *given]):
        source.problem(
            "command", f"command may have {MAX_COMMAND_LENGTH:,} characters."
        )
        given = USUAL
    if not isinstance(given, list) or not given:
        if not program:
            why = "The sweep names no program."
            return mapping.no_command(source.log, source.at("program"), why)
        given = USUAL
    writer = _Writer(source, parameters, program)
    words = writer.words(given)
    if not writer.takes_values:
        source.changed(
            "command",
            "There the script asks wandb.config for its values; here they follow the "
            "command as --name value.",
            "The script also finds them as JSON in the variable SWEEPSITE_PARAMS.",
        )
    return joined(words)


def _value(item: Parameter) -> str:
    return fixed(item.name) if item.constant else parameter(item.name)


def _is_quotable(item: Parameter) -> bool:
    """Whether quotation marks around its texts make JSON of them."""
    values = item.law.get("values", [item.value])
    texts = (
        [v for v in values if isinstance(v, str)] if isinstance(values, list) else []
    )
    return all(
        len(text) <= MAX_TEXT_LENGTH
        and json.dumps(text, ensure_ascii=False) == f'"{text}"'
        for text in texts
    )


def _text(tree: dict[str, object]) -> str:
    parts = []
    for key, item in tree.items():
        if isinstance(item, Parameter):
            value = f'"{_value(item)}"' if item.text else _value(item)
        else:
            value = _text(item) if isinstance(item, dict) else "{}"
        parts.append(f"{json.dumps(key)}: {value}")
    return "{" + ", ".join(parts) + "}"


OPTION = re.compile(
    r"(-{0,2})([A-Za-z_][\w.-]*)=\$\{\{\s*(search_space|inputs)\.(\w+)\s*\}\}"
)
SWEPT = re.compile(r"\$\{\{\s*search_space\.(\w+)\s*\}\}")
INPUT = re.compile(r"\$\{\{\s*inputs\.(\w+)\s*\}\}")


class Command:
    """Our command in W&B's terms: its own arguments, and one place for all values."""

    def __init__(
        self, source: Node, laws: Mapping[str, Law], inputs: Mapping[str, object]
    ) -> None:
        self.source = source
        self.inputs = inputs
        self.constants: list[str] = []
        self._styles: set[str] = set()
        trial = source.inner("trial")
        text = named_command(source, trial.text("command"), list(laws))
        words = split_command(text) if not source.log.diagnostics.problems else []
        kept = self._without_values(words)
        self.program = next((word for word in kept if word.endswith(".py")), "")
        environment = [
            f"{name}={value}"
            for name, value in trial.inner("environment_variables").entries()
        ]
        shown = ["${program}" if word == self.program else word for word in kept]
        self.words = ["${env}", *environment, *shown]
        self._note_passed(laws, text)
        note_unused(source, inputs, text)
        trial.leave("code", "W&B runs the script in the folder where the agent is.")
        trial.close("a W&B sweep")

    def _without_values(self, words: list[str]) -> list[str]:
        """The words, with one macro where the first value stood."""
        kept: list[str] = []
        place: int | None = None
        skip = False
        for index, word in enumerate(words):
            following = words[index + 1] if index + 1 < len(words) else ""
            pair = word.startswith("-") and "=" not in word
            if skip:
                skip = False
                continue
            skip = pair and self._is_option(f"{word}={following}")
            if skip or self._is_option(word):
                place = len(kept) if place is None else place
            else:
                kept.append(INPUT.sub(self._literal, self._checked(word)))
        macro = "${args_no_hyphens}" if self._styles == {""} else "${args}"
        kept.insert(len(kept) if place is None else place, macro)
        return kept

    def _is_option(self, word: str) -> bool:
        """Whether a word is what a macro gives for the parameter or constant."""
        match = OPTION.fullmatch(word)
        if match is None:
            return False
        hyphens, option, group, name = match.groups()
        if group == "inputs" and (option != name or hyphens == "-"):
            return False
        if group == "inputs":
            self.constants.append(name)
        elif option != name or hyphens == "-":
            self._changed(f"{hyphens}{option} becomes --{name} at W&B.")
        self._styles.add(hyphens)
        return True

    def _checked(self, word: str) -> str:
        if "search_space." in word and PLACEHOLDER.search(word):
            self._changed(
                f"W&B has no place for single values, so {word} stays as it is; every "
                "value comes as --name=value."
            )
        return word

    def _literal(self, match: re.Match[str]) -> str:
        value = self.inputs.get(match[1])
        return value_text(json_value(value)) if value is not None else match[0]

    def _note_passed(self, laws: Mapping[str, Law], text: str) -> None:
        named = {match[1] for match in SWEPT.finditer(text)}
        passed = [name for name in laws if name not in named]
        if passed:
            self._changed(
                f"The command does not use {listed(passed)}; W&B passes them, too."
            )
        if len(self._styles) > 1:
            self._changed("All values come as --name=value at W&B.")

    def _changed(self, message: str) -> None:
        self.source.log.changed("trial.command", message)
