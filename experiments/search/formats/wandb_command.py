"""Commands of Weights & Biases: their macros read into ours, and ours written back."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from experiments.search.document.command import split_command, value_text
from experiments.search.fields import listed, shown
from experiments.search.formats import mapping
from experiments.search.formats.export_shared import complete_command, note_unused
from experiments.search.formats.mapping import (
    MAX_COMMAND_LENGTH,
    PLACEHOLDER,
    input_placeholder,
    is_too_long,
    joined,
    parameter_placeholder,
)
from experiments.search.formats.nodes import Node, json_value
from experiments.search.formats.wandb_space import Parameter
from experiments.search.records import JSONObject

DEFAULT = ["${env}", "${interpreter}", "${program}", "${args}"]
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
OPTION = re.compile(
    r"(-{0,2})([A-Za-z_][\w.-]*)=\$\{\{\s*(search_space|inputs)\.(\w+)\s*\}\}"
)
SWEPT = re.compile(r"\$\{\{\s*search_space\.(\w+)\s*\}\}")
INPUT = re.compile(r"\$\{\{\s*inputs\.(\w+)\s*\}\}")


@dataclass
class _Expansion:
    """The words of a command whose macros are replaced by placeholders."""

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
                f"The variable {argument} is not read when the command is built.",
                "Read it in the script, or run the command with bash -c.",
            )
        elif name.startswith("args"):
            return " ".join(self._arguments(name, index))
        else:
            self._unknown(match[0], name, index)
        return match[0]

    def _unknown(self, macro: str, name: str, index: int) -> None:
        suggestion = self.source.log.suggest(name, MACROS)
        if suggestion is None:
            self._change(index, f"The macro {macro} is not supported here.")
        else:
            self.source.log.problem(
                self.source.at(f"command.{index}"),
                f"There is no macro {macro}; did you mean ${{{suggestion}}}?",
            )

    def _arguments(self, macro: str, index: int) -> list[str]:
        self.takes_values = True
        self.given += len(self.parameters)
        if self.given > MAX_ARGUMENTS:
            self.source.problem("command", "command repeats its values too many times.")
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
                    f"The switch --{flags[0]} becomes --{flags[0]}=true or "
                    f"--{flags[0]}=false; it is not omitted when it is false.",
                )
        elif macro not in MACROS:
            self._change(index, f"For ${{{macro}}} every value becomes --name=value.")
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
            f"A shell step before the program writes {FILE} into the trial's folder.",
        )
        return [FILE]

    def _unwritable(self, index: int) -> None:
        self.source.log.left_out(
            self.source.at(f"command.{index}"),
            "The values do not fit into one JSON text: a parameter mixes text with "
            "other values, or has quotes in its text.",
            "Read the values as JSON from the variable SWEEPSITE_PARAMS.",
        )

    def _json(self) -> str | None:
        """The JSON text of all values, in their groups; None if they do not fit."""
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
    if isinstance(given, list) and is_too_long([program, *given]):
        source.problem(
            "command", f"command may have up to {MAX_COMMAND_LENGTH:,} characters."
        )
        given = DEFAULT
    if not isinstance(given, list) or not given:
        if not program:
            why = "The sweep names no program."
            return mapping.default_command(source.log, source.at("program"), why)
        given = DEFAULT
    expansion = _Expansion(source, parameters, program)
    words = expansion.words(given)
    if not expansion.takes_values:
        source.changed(
            "command",
            "At W&B the script reads its values from wandb.config; here they are "
            "added to the command as --name value.",
            "Parse the options, or read SWEEPSITE_PARAMS, which has them as JSON.",
        )
    return joined(words)


def _value(item: Parameter) -> str:
    placeholder = input_placeholder if item.constant else parameter_placeholder
    return placeholder(item.name)


def _is_quotable(item: Parameter) -> bool:
    """Whether its texts become valid JSON when they are put in quotation marks."""
    values = item.dist.get("values", [item.value])
    texts = (
        [v for v in values if isinstance(v, str)] if isinstance(values, list) else ()
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


class WandbCommand:
    """Our command in W&B's terms: its own words, and one macro for all values."""

    def __init__(
        self,
        document: Node,
        distributions: Mapping[str, JSONObject],
        inputs: Mapping[str, object],
    ) -> None:
        self.document = document
        self.inputs = inputs
        self.constants: list[str] = []
        self._styles: set[str] = set()
        trial = document.inner("trial")
        text = complete_command(document, trial.text("command"), list(distributions))
        words = split_command(text) if not document.log.diagnostics.problems else []
        kept = self._without_values(words)
        self.program = next((word for word in kept if word.endswith(".py")), "")
        environment = [
            f"{name}={value}"
            for name, value in trial.inner("environment_variables").entries()
        ]
        own = ["${program}" if word == self.program else word for word in kept]
        self.words = ["${env}", *environment, *own]
        self._note_unnamed(distributions, text)
        note_unused(document, inputs, text)
        trial.leave("code", "W&B runs the script in the agent's folder.")
        trial.close("a W&B sweep")

    def _without_values(self, words: list[str]) -> list[str]:
        """The words, with one macro in place of the first value."""
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
        """Whether a macro would write this word for a parameter or a constant."""
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
                f"W&B cannot insert single values, so {word} stays unchanged; every "
                "value is passed as --name=value."
            )
        return word

    def _literal(self, match: re.Match[str]) -> str:
        value = self.inputs.get(match[1])
        return value_text(json_value(value)) if value is not None else match[0]

    def _note_unnamed(self, distributions: Mapping[str, JSONObject], text: str) -> None:
        named = {match[1] for match in SWEPT.finditer(text)}
        unnamed = [name for name in distributions if name not in named]
        if unnamed:
            self._changed(
                f"The command does not use {listed(unnamed)}; W&B passes them anyway."
            )
        if len(self._styles) > 1:
            self._changed("W&B passes all values as --name=value.")

    def _changed(self, message: str) -> None:
        self.document.log.changed("trial.command", message)
