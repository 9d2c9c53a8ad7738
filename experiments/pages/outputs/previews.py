"""What of a file is shown on a page. Files are hostile: text is text, and only pictures
of known types are handed to the browser."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from experiments.search.wording import visible

MAX_TEXT = 16 << 10
MAX_TABLE_BYTES = 1 << 20
MAX_ROWS, MAX_COLUMNS, MAX_CELL = 100, 30, 200
MAX_JSON = 256 << 10
MAX_PICTURE = 20 << 20

PICTURES = {
    ".png": ("image/png", b"\x89PNG\r\n\x1a\n"),
    ".jpg": ("image/jpeg", b"\xff\xd8\xff"),
    ".jpeg": ("image/jpeg", b"\xff\xd8\xff"),
    ".gif": ("image/gif", b"GIF8"),
    ".webp": ("image/webp", b"RIFF"),
    ".svg": ("image/svg+xml", b""),
}
TABLES = {".csv": ",;\t", ".tsv": "\t"}
PAGES = {".html", ".htm", ".xhtml", ".mhtml"}


@dataclass(frozen=True)
class FilePreview:
    """One of ``text``, ``rows`` (the first is the head) or a picture; ``note`` says
    what is left out, or why nothing is shown."""

    text: str = ""
    rows: Sequence[Sequence[str]] = ()
    is_picture: bool = False
    note: str = ""


def picture_type(path: Path, name: str) -> str:
    """The type of a picture that browsers may show; "" for any other file."""
    kind, start = PICTURES.get(PurePosixPath(name).suffix.lower(), ("", b""))
    with path.open("rb") as file:
        return kind if file.read(len(start)) == start else ""


def preview_of(path: Path, name: str, size: int) -> FilePreview:
    """The preview of a stored file that has this name. Raises FileNotFoundError."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix in PAGES:
        return FilePreview(
            note="Pages are only downloaded: their scripts could act for you."
        )
    if picture_type(path, name):
        is_small = size <= MAX_PICTURE
        note = (
            "" if is_small else f"Pictures above {MAX_PICTURE >> 20} MB are not shown."
        )
        return FilePreview(is_picture=is_small, note=note)
    most = MAX_TABLE_BYTES if suffix in TABLES else max(MAX_TEXT, MAX_JSON)
    with path.open("rb") as file:
        data = file.read(most)
    if b"\0" in data[:MAX_TEXT]:
        return FilePreview(note="There is no preview of this type.")
    if suffix in TABLES:
        return _table(data, TABLES[suffix], is_whole=size <= most)
    if suffix in (".json", ".ipynb") and size <= MAX_JSON:
        return _json(data)
    return _text(data.decode("utf-8-sig", "replace"), size=size if size > most else 0)


def _text(text: str, *, size: int = 0) -> FilePreview:
    """``size``: the bytes of the file, if the text is only its beginning."""
    text = text.replace("\r\n", "\n")
    if not size and len(text) <= MAX_TEXT:
        return FilePreview(visible(text))
    # At the end of a line, if there is one: a cut word or number misleads.
    shown = text[: text.rfind("\n", 0, MAX_TEXT) + 1 or MAX_TEXT]
    size = size or len(text.encode())
    note = f"The first {len(shown.encode()):,} of {size:,} bytes."
    return FilePreview(visible(shown), note=note)


def _json(data: bytes) -> FilePreview:
    text = data.decode("utf-8-sig", "replace")
    try:
        text = _indented(json.loads(text))
    except (ValueError, RecursionError) as error:
        preview = _text(text)
        return FilePreview(preview.text, note=f"It is not valid JSON: {error}.")
    preview = _text(text)
    if len(text) > MAX_TEXT:
        words = f"The beginning; the file has {len(data):,} bytes."
        return FilePreview(preview.text, note=words)
    return preview


def _indented(value: object) -> str:
    """As much as is shown, and a bit: each of a thousand levels indents its lines."""
    pieces = json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value)
    shown: list[str] = []
    size = 0
    for piece in pieces:
        shown.append(piece)
        size += len(piece)
        if size > MAX_TEXT:
            break
    return "".join(shown)


def _table(data: bytes, separators: str, *, is_whole: bool) -> FilePreview:
    text = visible(data.decode("utf-8-sig", "replace"))
    first = text.partition("\n")[0]
    separator = max(separators, key=first.count)
    reader = csv.reader(io.StringIO(text), delimiter=separator)
    rows: list[list[str]] = []
    try:
        for row in reader:
            rows.append(row)
            if len(rows) > MAX_ROWS + 1:
                break
    except csv.Error as error:
        return FilePreview(
            visible(text[:MAX_TEXT]), note=f"It is not a table: {error}."
        )
    if not is_whole and len(rows) <= MAX_ROWS + 1:
        del rows[-1:]
    more = not is_whole or len(rows) > MAX_ROWS + 1
    shown = [[cell[:MAX_CELL] for cell in row[:MAX_COLUMNS]] for row in rows]
    shown = shown[: MAX_ROWS + 1]
    width = max(map(len, rows), default=0)
    return FilePreview(rows=shown, note=_table_note(shown, more=more, width=width))


def _table_note(rows: Sequence[Sequence[str]], *, more: bool, width: int) -> str:
    count = max(0, len(rows) - 1)
    words = f"{count} row{'' if count == 1 else 's'}"
    words = f"The first {words}" if more else words
    shown = f", the first {MAX_COLUMNS} of {width:,} columns"
    return f"{words}{shown if width > MAX_COLUMNS else ''}."
