"""The script that a command names, looked for among the files of the sweep."""

from __future__ import annotations

import posixpath
from collections.abc import Collection

from experiments.search.command import CommandError, split_command


def script_of(command: str) -> str:
    """The first Python file that a command names, as a path inside the code; empty
    where it names none, or one by its whole path."""
    try:
        words = split_command(command)
    except CommandError:
        return ""
    for word in words:
        if _names_a_script(word):
            return "" if word.startswith("/") else posixpath.normpath(word)
    return ""


def missing_script(command: str, paths: Collection[str]) -> str:
    """What to say where the command's script is not among the paths, else nothing."""
    script = script_of(command)
    if not script or script in paths:
        return ""
    return (
        f"{script} is not among the files; the command runs only if it is on the"
        " workers."
    )


def _names_a_script(word: str) -> bool:
    plain = not any(letter.isspace() for letter in word) and "${{" not in word
    return plain and word.endswith(".py") and not word.startswith("-")
