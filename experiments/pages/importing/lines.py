"""The lines of the content and of the document, with the numbers of their notes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.pages.importing.preview import ImportPreview
from experiments.search.document.yaml import line_of, lines_by_path

MAX_LINES = 2_000
# Mappings with free keys, which have no defaults.
FREE = ("search_space", "inputs", "tags", "constraints")


@dataclass(frozen=True)
class NoteLink:
    """The number of a problem, or of a note; problems come first."""

    number: int
    wrong: bool = False


@dataclass(frozen=True)
class NumberedProblem:
    """A problem with its number and its line in the text, if it has one."""

    number: int
    path: str
    message: str
    line: int | None


@dataclass(frozen=True)
class TextLine:
    """A line with links to its notes and problems, and a comment."""

    number: int
    text: str
    links: Sequence[NoteLink] = ()
    wrong: bool = False
    comment: str = ""


@dataclass(frozen=True)
class TextLines:
    """The shown lines of a text, and the number of those not shown."""

    shown: Sequence[TextLine]
    more: int


def numbered_problems(preview: ImportPreview) -> list[NumberedProblem]:
    """The problems, numbered in the order of their lines."""
    return [
        NumberedProblem(
            number, problem.path, problem.message, preview.source_map.line(problem.path)
        )
        for number, problem in enumerate(preview.problems, 1)
    ]


def source_lines(preview: ImportPreview) -> TextLines:
    """The content, its lines with links to problems and notes."""
    links: dict[int, list[NoteLink]] = {}
    for problem in numbered_problems(preview):
        if problem.line is not None:
            links.setdefault(problem.line, []).append(
                NoteLink(problem.number, wrong=True)
            )
    for number, note in enumerate(preview.notes, preview.first_note):
        if note.line is not None:
            links.setdefault(note.line, []).append(NoteLink(number))
    return _shown(preview.content.text, links)


def target_lines(preview: ImportPreview, text: str) -> TextLines:
    """The document, its lines marked where they are changed, wrong or defaults."""
    lines = lines_by_path(text)
    back = preview.source_map.reverse()
    links: dict[int, list[NoteLink]] = {}
    for number, note in enumerate(preview.notes, preview.first_note):
        line = target_line(note.path, lines, back)
        if note.kind == "changed" and line is not None:
            links.setdefault(line, []).append(NoteLink(number))
    wrong = {line_of(path, lines) for path in preview.wrong}
    defaults = default_lines(preview.document, lines) if preview.definition else set()
    return _shown(text, links, wrong=wrong, defaults=defaults)


def _shown(
    text: str,
    links: Mapping[int, Sequence[NoteLink]],
    *,
    wrong: Collection[int | None] = (),
    defaults: Collection[int] = (),
) -> TextLines:
    texts = text.rstrip("\n").split("\n")
    shown = [
        TextLine(
            number,
            line,
            links.get(number, ()),
            number in wrong or any(link.wrong for link in links.get(number, ())),
            "default" if number in defaults else "",
        )
        for number, line in enumerate(texts[:MAX_LINES], 1)
    ]
    return TextLines(shown, len(texts) - len(shown))


def target_line(
    path: str, lines: Mapping[str, int], back: Mapping[str, Sequence[str]]
) -> int | None:
    """The line in the document for a setting in the content.

    `back` has the document's paths by the content's.
    """
    around = path
    while around and around not in back:
        around = around.rpartition(".")[0]
    ours = [here + path.removeprefix(around) for here in back.get(around, [around])]
    exact = [lines[here] for here in ours if here in lines]
    near = [line for here in ours or [path] if (line := line_of(here, lines))]
    return next(iter([*exact, *near]), None)


def default_lines(given: Mapping[str, Any], lines: Mapping[str, int]) -> set[int]:
    """The lines of fields that have their default values."""
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
            # A plain name, such as `sampling_algorithm: random`, is the setting's type.
            return key == "type"
        if key not in document:
            return False
        document = document[key]
    return True
