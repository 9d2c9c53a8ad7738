"""What of an output file is shown, and what never is."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from experiments.pages.outputs.previews import (
    MAX_CELL,
    MAX_COLUMNS,
    MAX_PICTURE,
    MAX_ROWS,
    MAX_TEXT,
    FilePreview,
    picture_type,
    preview_of,
)

PNG = b"\x89PNG\r\n\x1a\n..."


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "file"


def preview(file: Path, name: str, data: bytes) -> FilePreview:
    file.write_bytes(data)
    return preview_of(file, name, len(data))


def test_text_is_cut_at_the_end_of_a_line(file: Path) -> None:
    shown = preview(file, "notes.txt", "zeile ä\n".encode() * 5_000)
    assert shown.text.endswith("zeile ä\n") and len(shown.text) <= MAX_TEXT
    assert shown.note.endswith(" of 45,000 bytes.")
    assert preview(file, "a", b"one\r\ntwo") == FilePreview(text="one\ntwo")


def test_a_cut_character_is_not_shown(file: Path) -> None:
    shown = preview(file, "a.txt", "ä".encode() * 400_000)
    assert "\ufffd" not in shown.text


@pytest.mark.parametrize("hidden", ["\u202e", "\x1b[2J", "\u200b", "\x07"])
def test_what_nobody_would_see_becomes_an_escape(file: Path, hidden: str) -> None:
    for name in ("a.txt", "a.csv", "a.json"):
        shown = preview(file, name, f"x{hidden}y".encode())
        text = shown.text + str(shown.rows)
        assert hidden not in text and "\\" in text


@pytest.mark.parametrize("name", ["a.html", "A.HTM", "b.xhtml", "deep/c.html"])
def test_pages_are_only_downloaded(file: Path, name: str) -> None:
    shown = preview(file, name, b"<script>alert(1)</script>")
    assert not shown.text and "only downloaded" in shown.note


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.png", PNG, "image/png"),
        ("a.JPG", b"\xff\xd8\xff\xe0", "image/jpeg"),
        ("a.gif", b"GIF89a", "image/gif"),
        ("a.webp", b"RIFF0000WEBP", "image/webp"),
        ("a.svg", b"<svg/>", "image/svg+xml"),
        ("a.png", b"<script>", ""),
        ("a.txt", PNG, ""),
    ],
)
def test_only_known_pictures_are_pictures(
    file: Path, name: str, data: bytes, kind: str
) -> None:
    file.write_bytes(data)
    assert picture_type(file, name) == kind
    assert preview(file, name, data).is_picture == bool(kind)


def test_a_huge_picture_is_not_shown(file: Path) -> None:
    file.write_bytes(PNG)
    assert not preview_of(file, "a.png", MAX_PICTURE + 1).is_picture


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b'\xef\xbb\xbfname,value\n"a, b",1\n'),
        ("a.csv", b"name;value\na, b;1\n"),
        ("a.tsv", b"name\tvalue\r\na, b\t1\r\n"),
    ],
)
def test_a_table_has_rows(file: Path, name: str, data: bytes) -> None:
    shown = preview(file, name, data)
    assert shown.rows == [["name", "value"], ["a, b", "1"]]
    assert shown.note == "1 row."


def test_a_large_table_shows_its_beginning(file: Path) -> None:
    row = ",".join(["x" * 1_000] * 2 * MAX_COLUMNS)
    shown = preview(file, "a.csv", f"{row}\n".encode() * 300)
    assert len(shown.rows) <= MAX_ROWS + 1
    assert {len(row) for row in shown.rows} == {MAX_COLUMNS}
    assert len(shown.rows[0][0]) == MAX_CELL
    assert "first" in shown.note and f"of {2 * MAX_COLUMNS} columns" in shown.note


def test_json_is_indented_and_broken_json_is_text(file: Path) -> None:
    assert preview(file, "a.json", b'{"b":[1,NaN],"a":"\xc3\xa4"}').text == (
        '{\n  "b": [\n    1,\n    NaN\n  ],\n  "a": "ä"\n}'
    )
    for broken in (b'{"a": ', b"[" * 100_000, b"1" * 5_000):
        shown = preview(file, "a.json", broken)
        assert shown.text and "not valid JSON" in shown.note


def test_bytes_have_no_preview(file: Path) -> None:
    assert preview(file, "a.pt", b"\x80\x02\x00").note
    assert preview(file, "empty", b"") == FilePreview()


def test_of_nested_json_only_the_beginning_is_indented(file: Path) -> None:
    data = b"[" * 900 + b"0," * 60_000 + b"0" + b"]" * 900
    began = time.process_time()
    shown = preview(file, "a.json", data)
    # All of it would have 200 MB.
    assert time.process_time() - began < 1
    assert len(shown.text) <= MAX_TEXT
    assert shown.note == "The beginning; the file has 121,801 bytes."
