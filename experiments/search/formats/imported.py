"""What an import gives: the sweep document, and what does not carry over as it is.

Where the fields of a sweep document stand in the text that it was read from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from experiments.search.fields import DefinitionError, Problem, join
from experiments.search.records import JSONValue, Params


@dataclass
class SourceMap:
    """Paths of our own document, each with the path of the text that it came from.

    `exact` are single fields, and `names` what the text calls them. `whole` are
    mappings that were taken over as they stand, so that everything in them is where it
    was. `lines` are those of the text.
    """

    lines: Mapping[str, int] = field(default_factory=dict)
    exact: dict[str, str] = field(default_factory=dict)
    whole: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    def put(self, here: str, there: str, *, name: str | None = None) -> None:
        """Note where one field comes from; the last word counts.

        `name` is what the text calls it, by default the last part of its path, and
        empty where it has no name of its own.
        """
        self.exact[here] = there
        self.names[here] = there.rpartition(".")[2] if name is None else name

    def put_whole(self, here: str, there: str) -> None:
        """Note where a mapping was taken over from, with all that is in it."""
        self.whole[here] = there

    def path(self, here: str) -> str:
        """The path in the text; that of our own document where there is none."""
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
        """The line of a path of the text, or of the innermost one around it."""
        while there:
            if there in self.lines:
                return self.lines[there]
            there = _around(there)
        return None

    def translate(self, problems: Iterable[Problem]) -> list[Problem]:
        """Problems of our own document in the words of the text."""
        names = self._renamings()
        return [
            Problem(self.path(path), _renamed(message, names.get(_around(path), {})))
            for path, message in problems
        ]

    def back(self) -> Mapping[str, list[str]]:
        """The paths of our own document by those of the text."""
        found: dict[str, list[str]] = {}
        for here, there in [*self.exact.items(), *self.whole.items()]:
            if there and here:
                found.setdefault(there, []).append(here)
        return found

    def _deepest(self, there: str, rest: str) -> str:
        """As much of a path below a field as there is in the text."""
        for part in rest.split(".") if rest else ():
            if join(there, part) not in self.lines:
                break
            there = join(there, part)
        return there

    def _renamings(self) -> Mapping[str, Mapping[str, str]]:
        """By the mapping that they are in, the fields that the text calls otherwise."""
        names: dict[str, dict[str, str]] = {}
        for here, theirs in self.names.items():
            ours = here.rpartition(".")[2]
            if theirs and ours != theirs and not theirs.isdigit():
                names.setdefault(_around(here), {})[ours] = theirs
        return names


def _around(path: str) -> str:
    return path.rpartition(".")[0]


def _renamed(message: str, names: Mapping[str, str]) -> str:
    """A sentence with the fields called as the text calls them, quotes left alone."""
    if not names:
        return message
    words = "|".join(re.escape(name) for name in names)
    pattern = rf'("(?:[^"\\]|\\.)*")|(?<![\w.])(?:{words})(?!\w)'
    return re.sub(pattern, lambda match: match[1] or names[match[0]], message)


NoteKind: TypeAlias = Literal["left out", "changed"]


@dataclass(frozen=True)
class Note:
    """One setting that is left out, or means something else afterwards.

    `path` and `line` (from 1, None where there is none) are those of the text that was
    read. `message` is a sentence; `alternative` says what could be done instead, empty
    where there is nothing to say.
    """

    path: str
    line: int | None
    kind: NoteKind
    message: str
    alternative: str = ""


@dataclass(frozen=True)
class FinishedTrial:
    """A trial that has ended elsewhere. `value` is its best finite one, or None.

    `state` is completed, terminated or failed.
    """

    params: Params
    value: float | None
    state: str


@dataclass(frozen=True)
class Imported:
    """A foreign sweep as a sweep document of this site.

    `format` names what was recognised, by the settings in `recognised_by`. `settings`
    counts the values of the text. `places` says where the fields of the document stand
    in it. The document still has to be parsed, by `definition_of`: it may be wrong in
    the ways in which the foreign one was.
    """

    format: str
    document: Mapping[str, JSONValue]
    notes: tuple[Note, ...] = ()
    trials: tuple[FinishedTrial, ...] = ()
    recognised_by: tuple[str, ...] = ()
    settings: int = 0
    source_map: SourceMap = field(default_factory=SourceMap)


class InvalidImportError(DefinitionError):
    """A foreign sweep that is wrong in itself, with every problem of it.

    `imported` is what could be read: its document is incomplete.
    """

    def __init__(self, problems: Iterable[Problem], imported: Imported) -> None:
        super().__init__(problems)
        self.imported = imported
