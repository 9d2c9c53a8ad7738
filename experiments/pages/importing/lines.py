"""Both texts of an import with their lines, and on these the numbers of the notes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.pages.importing.reading import Reading
from experiments.search.document.yaml import line_of, lines_by_path

MAX_LINES = 2_000
# Mappings whose keys are the document's own, so that none is there by default.
FREE = ("search_space", "inputs", "tags", "constraints")


@dataclass(frozen=True)
class Mark:
    """The number of a problem, or of a note; problems come first."""

    number: int
    wrong: bool = False


@dataclass(frozen=True)
class Fault:
    """A problem with its number and its line in the text; None where it has none."""

    number: int
    path: str
    message: str
    line: int | None


@dataclass(frozen=True)
class Line:
    """A line, the numbers of what is said about it, and what is said beside it."""

    number: int
    text: str
    marks: Sequence[Mark] = ()
    wrong: bool = False
    comment: str = ""


@dataclass(frozen=True)
class Lines:
    """The lines of a text that are shown; `more` are not."""

    shown: Sequence[Line]
    more: int


def faults(reading: Reading) -> list[Fault]:
    """The problems, numbered in the order of their lines."""
    places = reading.places
    return [
        Fault(number, problem.path, problem.message, places.line(problem.path))
        for number, problem in enumerate(reading.problems, 1)
    ]


def source_lines(reading: Reading) -> Lines:
    """The text that was read, its lines marked with the numbers of what is said."""
    marks: dict[int, list[Mark]] = {}
    for fault in faults(reading):
        if fault.line is not None:
            marks.setdefault(fault.line, []).append(Mark(fault.number, wrong=True))
    for number, note in enumerate(reading.notes, reading.first_note):
        if note.line is not None:
            marks.setdefault(note.line, []).append(Mark(number))
    return _shown(reading.content.text, marks)


def target_lines(reading: Reading, text: str) -> Lines:
    """The document that it becomes, with what is changed, wrong, or by default."""
    lines = lines_by_path(text)
    back = reading.places.back()
    marks: dict[int, list[Mark]] = {}
    for number, note in enumerate(reading.notes, reading.first_note):
        line = target_line(note.path, lines, back)
        if note.kind == "changed" and line is not None:
            marks.setdefault(line, []).append(Mark(number))
    wrong = {line_of(path, lines) for path in reading.wrong}
    defaults = default_lines(reading.document, lines) if reading.definition else set()
    return _shown(text, marks, wrong=wrong, defaults=defaults)


def _shown(
    text: str,
    marks: Mapping[int, Sequence[Mark]],
    *,
    wrong: Collection[int | None] = (),
    defaults: Collection[int] = (),
) -> Lines:
    texts = text.rstrip("\n").split("\n")
    shown = [
        Line(
            number,
            line,
            marks.get(number, ()),
            number in wrong or any(mark.wrong for mark in marks.get(number, ())),
            "by default here" if number in defaults else "",
        )
        for number, line in enumerate(texts[:MAX_LINES], 1)
    ]
    return Lines(shown, len(texts) - len(shown))


def target_line(
    path: str, lines: Mapping[str, int], back: Mapping[str, Sequence[str]]
) -> int | None:
    """The line of the document for a setting of the text.

    `back` has the paths of the document by those of the text.
    """
    around = path
    while around and around not in back:
        around = around.rpartition(".")[0]
    ours = [here + path.removeprefix(around) for here in back.get(around, [around])]
    exact = [lines[here] for here in ours if here in lines]
    near = [line for here in ours or [path] if (line := line_of(here, lines))]
    return next(iter([*exact, *near]), None)


def default_lines(given: Mapping[str, Any], lines: Mapping[str, int]) -> set[int]:
    """The lines of fields that the document did not have."""
    parents = {path.rpartition(".")[0] for path in lines}
    return {
        line
        for path, line in lines.items()
        if path.count(".") < 2
        and path not in parents
        and path.partition(".")[0] not in FREE
        and not _is_given(given, path)
    }


def _is_given(document: Any, path: str) -> bool:
    for key in path.split("."):
        if not isinstance(document, Mapping):
            # A bare name, such as `sampling_algorithm: random`, is the setting's type.
            return key == "type"
        if key not in document:
            return False
        document = document[key]
    return True
