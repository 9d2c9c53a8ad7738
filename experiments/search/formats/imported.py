"""The result of an import: the sweep document, its notes and the map to its source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from experiments.search.fields import DefinitionError, Problem, join
from experiments.search.records import JSONValue, Params

NoteKind: TypeAlias = Literal["left out", "changed"]
# The text of a file, by its path relative to the document's folder; None without one.
Beside: TypeAlias = "Callable[[str], str | None]"


def nothing_beside(path: str) -> None:
    """For a document that comes alone."""


@dataclass
class SourceMap:
    """Paths of our own document, each with the path in the text that it comes from.

    `exact` has single fields, `names` their names in the text. `whole` has mappings
    that were copied unchanged. `lines` has the lines of the text.
    """

    lines: Mapping[str, int] = field(default_factory=dict)
    exact: dict[str, str] = field(default_factory=dict)
    whole: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def put(self, here: str, there: str, *, name: str | None = None) -> None:
        """Record where one field comes from, replacing earlier records.

        `name` is its name in the text, by default the last part of the path, or empty
        if the text has no name for it.
        """
        self.exact[here] = there
        self.names[here] = there.rpartition(".")[2] if name is None else name

    def put_whole(self, here: str, there: str) -> None:
        """Record where a mapping was copied from, with everything inside."""
        self.whole[here] = there

    def path(self, here: str) -> str:
        """The path in the text; without one, that in our own document."""
        prefix, rest = here, ""
        while True:
            if prefix in self.exact:
                return self._deepest(self.exact[prefix], rest)
            if prefix in self.whole:
                return join(self.whole[prefix], rest) if rest else self.whole[prefix]
            if not prefix:
                return here
            prefix, _, last = prefix.rpartition(".")
            rest = join(last, rest) if rest else last

    def line(self, there: str) -> int | None:
        """The line of a path in the text, or of the innermost path around it."""
        while there:
            if there in self.lines:
                return self.lines[there]
            there = _around(there)
        return None

    def translate(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems of our own document with the paths and names of the text."""
        names = self._renamings()
        return [
            Problem(self.path(path), _renamed(message, names.get(_around(path), {})))
            for path, message in problems
        ]

    def reverse(self) -> Mapping[str, list[str]]:
        """The paths in our own document by those in the text."""
        found: dict[str, list[str]] = {}
        for here, there in [*self.exact.items(), *self.whole.items()]:
            if there and here:
                found.setdefault(there, []).append(here)
        return found

    def _deepest(self, there: str, rest: str) -> str:
        """The path below a field, as far as the text has it."""
        for part in rest.split(".") if rest else ():
            if join(there, part) not in self.lines:
                break
            there = join(there, part)
        return there

    def _renamings(self) -> Mapping[str, Mapping[str, str]]:
        """By mapping, our names of the fields that have other names in the text."""
        names: dict[str, dict[str, str]] = {}
        for here, theirs in self.names.items():
            ours = here.rpartition(".")[2]
            if theirs and ours != theirs and not theirs.isdigit():
                names.setdefault(_around(here), {})[ours] = theirs
        return names


def _around(path: str) -> str:
    return path.rpartition(".")[0]


def _renamed(message: str, names: Mapping[str, str]) -> str:
    """A sentence with the text's names of the fields; quoted parts stay unchanged."""
    if not names:
        return message
    words = "|".join(re.escape(name) for name in names)
    pattern = rf'("(?:[^"\\]|\\.)*")|(?<![\w.])(?:{words})(?!\w)'
    return re.sub(pattern, lambda match: match[1] or names[match[0]], message)


@dataclass(frozen=True)
class Note:
    """One setting that is left out or changed.

    `path` and `line` (from 1, or None) are those in the text. `message` is a sentence;
    `alternative` is a sentence on what to do instead, or empty.
    """

    path: str
    line: int | None
    kind: NoteKind
    message: str
    alternative: str = ""


@dataclass(frozen=True)
class FinishedTrial:
    """A trial that has finished elsewhere. `value` is its best finite one, or None.

    `state` is completed, terminated, cancelled or failed; `source` says where it ran.
    """

    params: Params
    value: float | None
    state: str
    source: str = ""


@dataclass(frozen=True)
class Imported:
    """A sweep of another system as a sweep document of this site.

    `format` was recognized by the settings in `recognized_by`. `settings` counts the
    values in the text. The document is not parsed yet (see `definition_of`): it still
    has mistakes of the text, such as a wrong range.
    """

    format: str
    document: Mapping[str, JSONValue]
    notes: tuple[Note, ...] = ()
    trials: tuple[FinishedTrial, ...] = ()
    recognized_by: tuple[str, ...] = ()
    settings: int = 0
    source_map: SourceMap = field(default_factory=SourceMap)


class InvalidImportError(DefinitionError):
    """A sweep that breaks the rules of its own format, with all its problems.

    `imported` is the part that could be read: its document is incomplete.
    """

    def __init__(self, problems: Iterable[Problem], imported: Imported) -> None:
        super().__init__(problems)
        self.imported = imported
