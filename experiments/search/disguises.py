"""Parameters whose names are reserved in Python, such as lambda, in constraints.

Their first letter is replaced before the text is read as Python's syntax tree, so that
every place in the text stays where it is, and put back afterwards.
"""

from __future__ import annotations

import keyword
import re

# The words that mean something in a constraint.
MEANT = {"and", "or", "not", "in", "is", "True", "False", "None"}
# A letter of an old alphabet, which no name of a parameter may have.
MARK = "\u01bf"
RESERVED = {f"{MARK}{name[1:]}": name for name in keyword.kwlist if name not in MEANT}
NAME = re.compile(
    rf"""'[^'\n]*'|"[^"\n]*"|\b(?P<name>{"|".join(RESERVED.values())})\b"""
)
DISGUISED = re.compile(rf"\b(?:{'|'.join(RESERVED)})\b")


def disguised(text: str) -> str:
    """The text with other names for the reserved ones; what is quoted stays."""
    return NAME.sub(
        lambda found: f"{MARK}{found['name'][1:]}" if found["name"] else found.group(),
        text,
    )


def undisguised(text: str) -> str:
    """The text as it was."""
    return DISGUISED.sub(lambda found: RESERVED[found.group()], text)
