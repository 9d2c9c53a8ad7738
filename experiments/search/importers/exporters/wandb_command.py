"""A command of ours in the terms of Weights & Biases."""

from __future__ import annotations

import re
from collections.abc import Mapping

from experiments.search.command import split_command, value_text
from experiments.search.importers.exporters.shared import (
    Law,
    named_command,
    note_unused,
)
from experiments.search.importers.source import Source, json_value
from experiments.search.importers.words import PLACEHOLDER
from experiments.search.problems import listed

OPTION = re.compile(
    r"(-{0,2})([A-Za-z_][\w.-]*)=\$\{\{\s*(search_space|inputs)\.(\w+)\s*\}\}"
)
SWEPT = re.compile(r"\$\{\{\s*search_space\.(\w+)\s*\}\}")
INPUT = re.compile(r"\$\{\{\s*inputs\.(\w+)\s*\}\}")


class Command:
    """Our command in W&B's terms: its own arguments, and one place for all values."""

    def __init__(
        self, source: Source, laws: Mapping[str, Law], inputs: Mapping[str, object]
    ) -> None:
        self.source = source
        self.inputs = inputs
        self.constants: list[str] = []
        self._styles: set[str] = set()
        trial = source.inner("trial")
        text = named_command(source, trial.text("command"), list(laws))
        words = split_command(text) if not source.log.findings.problems else []
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
