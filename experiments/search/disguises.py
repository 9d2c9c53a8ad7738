"""Parameters whose names are reserved in Python, such as lambda, in constraints.

Their first letter is replaced before the text is read as Python's syntax tree, so that
every place in the text stays where it is, and put back afterwards.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection

# The words that mean something in a constraint.
MEANT = {"and", "or", "not", "in", "is", "True", "False", "None"}
# The words that people write in expressions of Python.
WRITTEN = {"for", "if", "else", "lambda", "await", "yield"}
# A letter of an old alphabet, which no name of a parameter may have.
MARK = "\u01bf"
RESERVED = {f"{MARK}{name[1:]}": name for name in keyword.kwlist if name not in MEANT}
NAME = re.compile(
    rf"""'[^'\n]*'|"[^"\n]*"|\b(?P<name>{"|".join(RESERVED.values())})\b"""
)
DISGUISED = re.compile(rf"\b(?:{'|'.join(RESERVED)})\b")


def disguised(text: str, names: Collection[str]) -> str:
    """The text with other names for the reserved ones; what is quoted stays.

    Words that may be meant as Python stay, too, unless they are among the names.
    """

    def other(found: re.Match[str]) -> str:
        name: str | None = found["name"]
        if name is None or (name in WRITTEN and name not in names):
            return found.group()
        return f"{MARK}{name[1:]}"

    return NAME.sub(other, text)


def undisguised(text: str) -> str:
    """The text as it was."""
    return DISGUISED.sub(lambda found: RESERVED[found.group()], text)
