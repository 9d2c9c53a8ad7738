"""Documents read key by key, so that no key is dropped without a note.

Unknown keys that look like a misspelling of a known one are problems.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass, field
from typing import TypeAlias

from experiments.search.document.yaml import place
from experiments.search.fields import (
    MAX_COMPARED_LENGTH,
    Diagnostics,
    is_number,
    join,
    shown,
)
from experiments.search.formats.imported import (
    Beside,
    FinishedTrial,
    Note,
    NoteKind,
    SourceMap,
    nothing_beside,
)
from experiments.search.records import JSONObject, JSONValue

# Edits that make a name a misspelling, by its length. An edit adds, removes, replaces
# or swaps letters.
MAX_EDITS = ((5, 1), (12, 2), (MAX_COMPARED_LENGTH, 3))
# Counting edits takes time; less similar names have too many of them.
MIN_SIMILARITY, MAX_CANDIDATES = 0.6, 3
# Shorter beginnings of a name could match many names.
MIN_PREFIX_LENGTH = 4
# Names of the same thing in different systems, which people mix up.
SYNONYMS = (
    ("earlytermination", "earlyterminate", "earlystopping", "earlystop"),
    ("searchspace", "parameters", "parameterspace", "hyperparameters"),
    ("samplingalgorithm", "method", "algorithm", "sampling"),
    ("objective", "metric", "primarymetric"),
    ("maxtotaltrials", "runcap", "maxtrialcount", "maxtrialnumber", "maxtrials"),
    ("maxconcurrenttrials", "paralleltrialcount", "trialconcurrency"),
    ("minvalue", "min", "low", "minimum", "lower"),
    ("maxvalue", "max", "high", "maximum", "upper"),
    ("environmentvariables", "env", "environment"),
)
INTEGER = re.compile(r"[-+]?[0-9]{1,60}")
NUMBER = re.compile(
    r"[-+]?(?:[0-9]{1,60}\.?[0-9]{0,60}|\.[0-9]{1,60})(?:[eE][-+]?[0-9]{1,4})?"
)
MAX_PROBLEMS = 100
# Unknown names that get a suggestion.
MAX_COMPARED = 500
Document: TypeAlias = Mapping[str, object]


def suggested_name(name: str, known: Iterable[str]) -> str | None:
    """The known name that an unknown one probably misspells; None if there is none.

    Stricter than for our own documents: another system may have new names.
    """
    plain = _plain(name)
    names = {
        _plain(other): other for other in known if len(other) <= MAX_COMPARED_LENGTH
    }
    if not plain or len(plain) > MAX_COMPARED_LENGTH:
        return None
    if plain in names:
        return names[plain]
    for group in SYNONYMS:
        found = [other for other in group if other in names]
        if plain in group and len(found) == 1:
            return names[found[0]]
    close = difflib.get_close_matches(
        plain, names, n=MAX_CANDIDATES, cutoff=MIN_SIMILARITY
    )
    likely = [other for other in close if _is_close(plain, other)]
    if not likely and len(plain) >= MIN_PREFIX_LENGTH:
        likely = [other for other in names if other.startswith(plain)]
    return names[likely[0]] if likely else None


def edit_distance(one: str, other: str) -> int:
    """The smallest number of edits between two words (Damerau, 1964)."""
    rows = [list(range(len(other) + 1))]
    for number, letter in enumerate(one, 1):
        row = [number]
        for column, wanted in enumerate(other, 1):
            least = min(
                rows[-1][column] + 1,
                row[-1] + 1,
                rows[-1][column - 1] + (letter != wanted),
            )
            exchanged = one[number - 2 : number] == other[column - 2 : column][::-1]
            if number > 1 < column and exchanged:
                least = min(least, rows[-2][column - 2] + 1)
            row.append(least)
        rows.append(row)
    return rows[-1][-1]


def _is_close(name: str, known: str) -> bool:
    """Whether few edits make a name a known one, or one edit the start of it."""
    allowed = next(most for length, most in MAX_EDITS if len(name) <= length)
    if edit_distance(name, known) <= allowed:
        return True
    beginning = known[: len(name) + 1]
    return len(name) > MAX_EDITS[0][0] and edit_distance(name, beginning) <= 1


def _plain(name: str) -> str:
    """A name in one spelling: `max_value`, `max-value` and `maxValue` are equal."""
    return name.lower().replace("_", "").replace("-", "")


@dataclass
class Log:
    """Notes, problems and trials found in a document; `lines` has the lines of paths.

    `places` says where in it the fields of the sweep document come from. A document
    that is known to be right, such as one to be exported, needs no one who `suggests`.
    `beside` reads files in the document's folder.
    """

    lines: InitVar[Mapping[str, int] | None] = None
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    source_map: SourceMap = field(default_factory=SourceMap)
    notes: dict[Note, None] = field(default_factory=dict)
    trials: list[FinishedTrial] = field(default_factory=list)
    compared: int = 0
    suggests: bool = True
    beside: Beside = nothing_beside

    def __post_init__(self, lines: Mapping[str, int] | None) -> None:
        self.source_map.lines = lines or {}

    def note(
        self, kind: NoteKind, path: str, message: str, alternative: str = ""
    ) -> None:
        """Note a setting that is left out or changed, each sentence once."""
        self.notes[Note(path, self.line(path), kind, message, alternative)] = None

    def changed(self, path: str, message: str, alternative: str = "") -> None:
        self.note("changed", path, message, alternative)

    def left_out(self, path: str, message: str, alternative: str = "") -> None:
        self.note("left out", path, message, alternative)

    def line(self, path: str) -> int | None:
        """The line of a path, or of the innermost one around it that has a line."""
        return self.source_map.line(path)

    def in_order(self) -> tuple[Note, ...]:
        """The notes by line, those without a line last."""
        last = 1 + max(self.source_map.lines.values(), default=0)
        return tuple(sorted(self.notes, key=lambda note: note.line or last))

    def suggest(self, name: str, known: Iterable[str]) -> str | None:
        """The known name that one misspells; None without one, or after too many."""
        self.compared += 1
        if not self.suggests or self.compared > MAX_COMPARED:
            return None
        return suggested_name(name, known)

    def problem(self, path: str, message: str) -> None:
        """Note that the document is wrong; too many problems end the import."""
        self.diagnostics.error(path, message)
        if len(self.diagnostics.problems) > MAX_PROBLEMS:
            self.diagnostics.raise_if_any()


class Node:
    """One mapping of a document. A null counts as left out, as in our own documents."""

    def __init__(self, mapping: Mapping[str, object], path: str, log: Log) -> None:
        self.path = path
        self.log = log
        self._mapping = mapping
        self._known: set[str] = set()

    def at(self, key: str | int) -> str:
        """The path of a key."""
        return place(self.path, key)

    def has(self, key: str) -> bool:
        return self._mapping.get(key) is not None

    def given(self) -> list[str]:
        """Every key, known or not."""
        return list(self._mapping)

    def take(self, key: str) -> object:
        """The unchanged value, None when left out; the key counts as read."""
        self._known.add(key)
        return self._mapping.get(key)

    def with_values(self, values: Mapping[str, object]) -> Node:
        """The same mapping with some values replaced or added."""
        return Node({**self._mapping, **values}, self.path, self.log)

    def skip(self, keys: Iterable[str]) -> None:
        """Ignore keys that do not matter while something else is wrong."""
        self._known.update(keys)

    def first(self, *keys: str) -> tuple[str, object]:
        """The first of several keys that has a value, with its value."""
        for key in keys:
            if self.has(key):
                return key, self.take(key)
        return keys[0], None

    def inner(self, key: str) -> Node:
        """A mapping inside this one; an empty one when left out or not a mapping."""
        return self.mapping(key, self.take(key))

    def mapping(self, key: str | int, value: object) -> Node:
        """A value at a key that has to be a mapping, as a node."""
        if value is not None and not isinstance(value, Mapping):
            self.problem(key, f"{key} must be a mapping, not {shown(value)}.")
        return Node(value if isinstance(value, Mapping) else {}, self.at(key), self.log)

    def entries(self) -> list[tuple[str, object]]:
        """Every key with its value, for a mapping with names that users choose."""
        self._known |= self._mapping.keys()
        return list(self._mapping.items())

    def items(self, key: str) -> list[object]:
        """A list inside this mapping; empty when left out or not a list."""
        value = self.take(key)
        if value is not None and not isinstance(value, list):
            self.problem(key, f"{key} must be a list, not {shown(value)}.")
        return value if isinstance(value, list) else []

    def text(self, key: str) -> str:
        """A text, "" when left out; a number counts as its digits."""
        value = self.take(key)
        if value is None or isinstance(value, str):
            return value or ""
        if is_number(value):
            return str(value)
        self.problem(key, f"{key} must be text, not {shown(value)}.")
        return ""

    def number(self, key: str) -> float | None:
        """A finite number, as a number or as text; None when left out."""
        return self.as_number(key, self.take(key))

    def as_number(self, key: str, value: object) -> float | None:
        """A value at a key as a number; None, with a problem, for anything else."""
        if value is None:
            return None
        number = number_of(value)
        if number is None:
            self.problem(key, f"{key} must be a finite number, not {shown(value)}.")
        return number

    def carry(self, document: JSONObject, *keys: str) -> None:
        """Copy keys to a document unchanged; parsing it checks them."""
        for key in keys:
            value = self.take(key)
            if value is not None:
                document[key] = json_value(value)

    def changed(self, key: str, message: str, alternative: str = "") -> None:
        """Note that a key means something else here."""
        self._known.add(key)
        self.log.changed(self.at(key), message, alternative)

    def leave(self, key: str, message: str, alternative: str = "") -> None:
        """Leave a key out, with a note if it has a value."""
        self._known.add(key)
        if self.has(key):
            self.log.left_out(self.at(key), message, alternative)

    def problem(self, key: str | int, message: str) -> None:
        """Note that the document itself is wrong."""
        if isinstance(key, str):
            self._known.add(key)
        self.log.problem(self.at(key), message)

    def record_origin(
        self, here: str, fields: Mapping[str, str] | None = None, *, named: bool = True
    ) -> None:
        """Record that the field `here` of our document comes from this mapping.

        `fields` has the fields inside it by the keys they come from. Problems name them
        by these keys, unless the keys are not `named` for one field.
        """
        if here:
            self.log.source_map.put(here, self.path)
        for ours, theirs in (fields or {}).items():
            name = None if named else ""
            self.log.source_map.put(
                join(here, ours), join(self.path, theirs), name=name
            )

    def close(self, where: str, *, also: Iterable[str] = ()) -> None:
        """Note every key that was not read.

        A misspelling of a known key is a problem; anything else has no equivalent in
        `where`. `also` has keys that the other system knows and that are not read here.
        """
        also = frozenset(also)
        known = sorted(self._known | also)
        for key in self._mapping:
            if key in self._known:
                continue
            if key in also or not self.is_misspelled(key, key, known, kind="field"):
                self.leave(key, f"{key} has no equivalent in {where}.")

    def is_misspelled(
        self, key: str, name: str, known: Iterable[str], *, kind: str
    ) -> bool:
        """Whether a name at a key misspells a known one, which becomes a problem."""
        known = list(known)
        suggestion = None if name in known else self.log.suggest(name, known)
        if suggestion is None:
            return False
        self.problem(
            key, f"There is no {kind} {shown(name)}; did you mean {suggestion}?"
        )
        return True


def inner_mapping(document: Document, key: str) -> Document:
    """A mapping inside a loaded document; empty for anything else."""
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}


def number_of(value: object) -> float | None:
    """A finite number from a number or its text; None for anything else."""
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        value = int(value) if INTEGER.fullmatch(value.strip()) else float(value)
    return value if is_number(value) else None


def json_value(value: object) -> JSONValue:
    """A copy of a loaded value, with mappings and lists of JSON values."""
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def compact(document: Mapping[str, JSONValue]) -> JSONObject:
    """A mapping without the entries that are null or empty."""
    return {
        key: value
        for key, value in document.items()
        if value is not None and value not in ("", {}, [])
    }
