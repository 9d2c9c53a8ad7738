"""Argument lists as the text of a command, and placeholders in them."""

from __future__ import annotations

import re
from collections.abc import Iterable

PLACEHOLDER = re.compile(r"\$\{\{[^{}]*\}\}")
PLAIN = re.compile(r"[A-Za-z0-9_./:=,@%+~^!#\[\](){}*?-]+")

LONGEST_COMMAND = 20_000

DEFAULT_COMMAND = "python train.py"


def parameter(name: str) -> str:
    """The placeholder of a parameter's value."""
    return f"${{{{search_space.{name}}}}}"


def fixed(name: str) -> str:
    """The placeholder of an input's value."""
    return f"${{{{inputs.{name}}}}}"


def too_long(words: Iterable[object]) -> bool:
    """Whether words are more than any command of ours may have."""
    return sum(len(str(word)) + 1 for word in words) > LONGEST_COMMAND


def joined(words: Iterable[str]) -> str:
    """A command that is split into exactly these words, placeholders filled later."""
    return " ".join(map(quoted, words))


def quoted(word: str) -> str:
    """One word of a command, in quotes where it needs them."""
    bare = PLACEHOLDER.sub("", word)
    if word and (not bare or PLAIN.fullmatch(bare)):
        return word
    return "'" + word.replace("'", "'\\''") + "'"
