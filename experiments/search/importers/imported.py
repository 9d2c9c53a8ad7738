"""What an import gives: the sweep document, and what does not carry over as it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from experiments.search.importers.places import Places
from experiments.search.problems import DefinitionError, Problem
from experiments.search.records import JSONValue, Params

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
    places: Places = field(default_factory=Places)


class FaultyImport(DefinitionError):
    """A foreign sweep that is wrong in itself, with every problem of it.

    `imported` is what could be read: its document is incomplete.
    """

    def __init__(self, problems: Iterable[Problem], imported: Imported) -> None:
        super().__init__(problems)
        self.imported = imported
