"""What a trial needs beside its code: `trial.python` and `trial.requirements`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from experiments.search.code import Code, stays_inside
from experiments.search.fields import Fields
from experiments.search.problems import shown

# The name of a file of the code, or the lines themselves.
Requirements: TypeAlias = "str | tuple[str, ...]"

LONGEST_PYTHON = 300
LONGEST_LINE = 1000
MOST_LINES = 500
ALLOWED = (
    "requirements must be a file of the code, such as requirements.txt, or a list of "
    "lines, such as [numpy==2.1, scipy]"
)


def read_python(trial: Fields) -> str | None:
    """`python` of a trial; None when left out or wrong, which has been noted."""
    named = trial.text("python", None, most=LONGEST_PYTHON)
    if named is None:
        return None
    named = named.strip()
    if not named.isprintable() or named.startswith("-"):
        trial.error(
            "python",
            "python must be a command or a path on the workers, such as python3.12 or "
            f"/opt/torch/bin/python, not {shown(named)}.",
        )
        return None
    return named


def read_requirements(trial: Fields, code: Code | None) -> Requirements | None:
    """`requirements` of a trial; None when left out or wrong, which has been noted."""
    value = trial.raw("requirements")
    if isinstance(value, str):
        return _read_file(trial, value.strip(), code)
    if isinstance(value, Sequence):
        return _read_lines(trial, value)
    if value is not None:
        trial.error("requirements", f"{ALLOWED}, not {shown(value)}.")
    return None


def _read_file(trial: Fields, name: str, code: Code | None) -> str | None:
    files = code.get("files") if isinstance(code, dict) else None
    if not stays_inside(name.removeprefix("./")):
        trial.error("requirements", f"{ALLOWED}, not {shown(name)}.")
    elif trial.raw("code") is None:
        trial.error(
            "requirements",
            f"{name} would be a file of the code, but there is no code; give the "
            "lines themselves, such as [numpy==2.1].",
        )
    elif isinstance(files, dict) and name.removeprefix("./") not in files:
        trial.error("requirements", f"{name} is not among the files of the code.")
    else:
        return name.removeprefix("./")
    return None


def _read_lines(trial: Fields, lines: Sequence[object]) -> tuple[str, ...] | None:
    if len(lines) > MOST_LINES:
        trial.error(
            "requirements",
            f"requirements may have {MOST_LINES} lines, not {len(lines):,}.",
        )
        return None
    read: list[str] = []
    for number, line in enumerate(lines, 1):
        if not isinstance(line, str) or len(line) > LONGEST_LINE or not _is_line(line):
            trial.error(
                "requirements",
                f"Line {number} of requirements must be one line of text, such as "
                f"numpy==2.1, not {shown(line)}.",
            )
            return None
        read.append(line.strip())
    return tuple(line for line in read if line)


def _is_line(text: str) -> bool:
    return text.replace("\t", " ").isprintable()
