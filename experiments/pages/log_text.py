"""Lines that a training process printed, made safe to show.

Logs can be hostile: terminal commands, hyperlinks, marks that reverse the text, endless
lines. Colors become fixed CSS classes, everything else that is not text is removed.
Templates escape the texts.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from experiments.runner.log_marks import Stream
from experiments.tracking.log_rows import LogRow, log_rows

MAX_LINES = 300
# Enough for MAX_LINES lines of usual length, and quick to read.
MAX_BYTES = 128 << 10
MAX_LINE_LENGTH = 2_000
MAX_SPANS = 100

# Colors (SGR): ESC [ numbers m.
COLOR = re.compile(r"(?:\x1b\[|\x9b)([0-9;:]*)m")
# All other sequences: strings to the terminal (titles, hyperlinks), cursor moves, and
# two-character commands. A string ends with the next escape character, or the line: if
# it could fail there, many beginnings would be read again and again.
COMMAND = re.compile(
    r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-ln-~]"
    r"|\x1b(?!\[[0-9;:]*m)[ -/]*[0-~]?"
)
# Control characters except the tab, marks of reading direction, and characters that
# other programs take for line ends.
UNSEEN = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)

NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
STYLES = {1: "bold", 2: "dim", 3: "italic", 4: "underline"}
STYLE_ENDS = {22: ("bold", "dim"), 23: ("italic",), 24: ("underline",)}


@dataclass(frozen=True)
class Span:
    """A piece of a line; ``classes`` are CSS classes, or empty. ``found``: it is what
    the reader looks for."""

    text: str
    classes: str = ""
    found: bool = False


@dataclass(frozen=True)
class LogLine:
    """``ours``: sweepsite wrote the line; ``cut``: how many characters are left out.
    ``picked``: the line at which the reader looks."""

    spans: Sequence[Span]
    ours: bool = False
    cut: int = 0
    is_error: bool = False
    time: datetime | None = None
    picked: bool = False

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


@dataclass
class Pen:
    """The color and style that a terminal would write with now."""

    color: str = ""
    styles: set[str] = field(default_factory=set)

    @property
    def classes(self) -> str:
        names = [self.color] * bool(self.color) + sorted(self.styles)
        return " ".join(f"ansi-{name}" for name in names)

    def take(self, numbers: str) -> None:
        """Apply the numbers of one color sequence; unknown ones change nothing."""
        codes = [int(code or 0) for code in re.split("[;:]", numbers[:100])]
        while codes:
            code = codes.pop(0)
            if code in (38, 48):
                color = _long_color(codes)
                self.color = color if code == 38 else self.color
            else:
                self._take(code)

    def _take(self, code: int) -> None:
        if code == 0:
            self.color, self.styles = "", set()
        elif code in STYLES:
            self.styles.add(STYLES[code])
        elif code in STYLE_ENDS:
            self.styles.difference_update(STYLE_ENDS[code])
        elif 30 <= code <= 37 or 90 <= code <= 97:
            self.color = NAMES[code % 10]
        elif code == 39:
            self.color = ""


def _long_color(codes: list[int]) -> str:
    """The name of a color given as 5;N or 2;R;G;B; removes its numbers."""
    kind = codes.pop(0) if codes else 0
    if kind == 2:
        del codes[:3]
    number = codes.pop(0) if kind == 5 and codes else 16
    return NAMES[number % 8] if number < 16 else ""


def parse_log(data: bytes, *, most_lines: int = MAX_LINES) -> list[LogLine]:
    """The last lines of a log."""
    return shown_lines(log_rows(data)[-most_lines:])


def shown_lines(
    rows: Sequence[LogRow],
    *,
    pattern: re.Pattern[str] | None = None,
    picked: int | None = None,
) -> list[LogLine]:
    """The rows as text, with what the pattern finds marked; the row at ``picked`` is
    not cut."""
    pens = {stream: Pen() for stream in Stream}
    return [
        _line(row, pens[row.stream], pattern, picked=index == picked)
        for index, row in enumerate(rows)
    ]


def row_text(row: LogRow) -> str:
    """The text of a row without what is not shown."""
    text = row.seen.decode("utf-8", "replace")
    if UNSEEN.search(text):
        text = UNSEEN.sub("", COLOR.sub("", COMMAND.sub("", text)))
    return text


def _line(
    row: LogRow, pen: Pen, pattern: re.Pattern[str] | None, *, picked: bool
) -> LogLine:
    text = row.seen.decode("utf-8", "replace")
    pieces = list(_pieces(COMMAND.sub("", text), pen))
    size = sum(len(piece) for piece, _ in pieces)
    room = size if picked else MAX_LINE_LENGTH
    spans: list[Span] = []
    rest: list[str] = []
    for span in _with_found(pieces, pattern):
        kept = span.text[:room]
        room -= len(kept)
        if kept and len(spans) < MAX_SPANS:
            spans.append(replace(span, text=kept))
        elif kept:
            rest.append(kept)
    if rest:
        spans[-1] = replace(spans[-1], text="".join([spans[-1].text, *rest]))
    is_ours = bool(spans) and spans[0].text.startswith(("[sweepsite:", "sweepsite:"))
    return LogLine(
        tuple(spans),
        ours=is_ours,
        cut=max(0, size - MAX_LINE_LENGTH) * (not picked),
        is_error=row.stream is Stream.ERR,
        time=datetime.fromtimestamp(row.time, UTC) if row.time else None,
        picked=picked,
    )


def _with_found(
    pieces: Sequence[tuple[str, str]], pattern: re.Pattern[str] | None
) -> Iterator[Span]:
    """The pieces, parted where something found begins or ends."""
    whole = "".join(text for text, _ in pieces)
    places = pattern.finditer(whole) if pattern else ()
    bounds = [place for found in places for place in found.span()]
    at = 0
    for text, classes in pieces:
        inside = bisect_right(bounds, at)
        while inside < len(bounds) and bounds[inside] < at + len(text):
            length = bounds[inside] - at
            yield Span(text[:length], classes, found=inside % 2 == 1)
            text, at, inside = text[length:], bounds[inside], inside + 1
        yield Span(text, classes, found=inside % 2 == 1)
        at += len(text)


def _pieces(row: str, pen: Pen) -> Iterator[tuple[str, str]]:
    """Texts and their classes."""
    for index, piece in enumerate(COLOR.split(row)):
        if index % 2:
            pen.take(piece)
        else:
            yield UNSEEN.sub("", piece), pen.classes


def last_lines(lines: Sequence[LogLine], count: int) -> Sequence[LogLine]:
    """The last lines that are not blank."""
    return [line for line in lines if line.text.strip()][-count:]
