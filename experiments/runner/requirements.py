"""Requirements of a trial: read, and told apart by what they would install.

pip reads the text itself. Here it is only looked at closely enough to know when two
trials may share an environment.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from experiments.runner.code import MOST_FILES
from experiments.runner.sizes import size_in_words
from experiments.runner.sources import Requirements
from experiments.runner.unstarted import Unstarted, environment_failed

LONGEST_TEXT = 1 << 20
DEEPEST = 5
COMMENT = re.compile(r"(^|\s)#.*$")
NESTED = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)")
EDITABLE = re.compile(r"(?:-e|--editable)(?:[\s=]|$)")


@dataclass(frozen=True)
class Wanted:
    """A file for pip, and the normalised text that tells it from others."""

    file: Path
    text: str

    @property
    def is_empty(self) -> bool:
        return not self.text


def read(requirements: Requirements, *, work: Path, own: Path) -> Wanted:
    """Read them: a file of the code in `work`, or lines, which are written into `own`.

    Raises Unstarted, with words for the person who wrote them.
    """
    if requirements.file:
        file = work / requirements.file
        if not _lies_in(file, work):
            raise _bad(f'"{requirements.file}" is not a file inside the code')
        if not file.is_file():
            raise _bad(f'the code has no file "{requirements.file}"')
    else:
        own.write_text("\n".join(requirements.lines) + "\n")
        file = own
    return Wanted(file, "\n".join(_normal_lines(file, work, DEEPEST)))


def _normal_lines(file: Path, work: Path, depth: int) -> Iterator[str]:
    """Lines without comments, those of nested files in their place, and the contents
    of whatever a line names in the code."""
    base = file.parent if _lies_in(file, work) else work
    for line in _lines(file):
        yield line
        if EDITABLE.match(line):
            raise _bad(
                f'"{line}" would tie a shared environment to one trial\'s folder; '
                "leave it out (the script's own folder is on its path anyway) or "
                "write the package's path without -e"
            )
        nested = NESTED.match(line)
        if nested and "://" not in line and depth:
            inner = base / nested[1]
            if inner.is_file():
                yield from _normal_lines(inner, work, depth - 1)
        for path in _named_paths(line, base, work):
            yield f"# {_digest(path)}"


def _lines(file: Path) -> Iterator[str]:
    try:
        size = file.stat().st_size
        text = file.read_text("utf-8-sig") if size <= LONGEST_TEXT else ""
    except (OSError, ValueError) as problem:
        raise _bad(f"{file.name} cannot be read: {problem}") from problem
    if size > LONGEST_TEXT:
        raise _bad(
            f"{file.name} is larger than {size_in_words(LONGEST_TEXT)}, which no list "
            "of requirements is"
        )
    for line in text.replace("\\\n", " ").splitlines():
        plain = " ".join(COMMENT.sub("", line).split())
        if plain:
            yield plain


def _named_paths(line: str, base: Path, work: Path) -> Iterator[Path]:
    """What a line names of the code, such as ./vendor/pkg or --find-links wheels."""
    for word in re.split(r"[\s=;@]+", line):
        name = word.removeprefix("file:").partition("[")[0]
        path = base / name
        if name and not os.path.isabs(name) and path.exists() and _lies_in(path, work):
            yield path


def _digest(path: Path) -> str:
    seen = hashlib.sha256()
    files = [path] if path.is_file() else sorted(path.rglob("*"))[:MOST_FILES]
    for file in files:
        if file.is_file():
            seen.update(str(file.relative_to(path.parent)).encode() + b"\0")
            with file.open("rb") as content:
                seen.update(hashlib.file_digest(content, "sha256").digest())
    return seen.hexdigest()


def _lies_in(path: Path, work: Path) -> bool:
    real = Path(os.path.realpath(path))
    return real.is_relative_to(os.path.realpath(work))


def _bad(message: str) -> Unstarted:
    return environment_failed(f"no environment: {message}")
