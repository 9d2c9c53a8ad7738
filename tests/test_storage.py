"""Files are whole or absent; a log keeps its head and its tail."""

from __future__ import annotations

import errno
import os
import re
import resource
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments import storage
from experiments.runner.log_marks import Marker, Piece, Stream, pieces


@pytest.fixture(autouse=True)
def home(settings: Any, tmp_path: Path) -> Path:
    settings.HOME = tmp_path
    return tmp_path


def test_a_write_that_breaks_off_leaves_nothing(home: Path) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError("cut")

    with pytest.raises(ConnectionError):
        storage.write_whole(home / "file", chunks())
    assert list(home.iterdir()) == []


def test_a_file_and_then_its_name_are_flushed(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []

    def fsync(handle: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        flushed.append("folder" if is_folder else "file")
        flushed.extend(path.name for path in home.glob("[!.]*"))

    monkeypatch.setattr(os, "fsync", fsync)
    storage.write_whole(home / "whole", (b"text",))
    assert flushed == ["file", "folder", "whole"]


def test_the_names_of_new_folders_are_flushed_once(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr(storage, "flush_names", flushed.append)
    for _ in range(2):
        storage.output_path(7, "0" * 64)
    store = home / "store"
    attempts = store / "attempts"
    assert flushed == [attempts / "7", attempts, store, home]


def test_a_log_that_outgrows_its_limit_keeps_head_and_tail(settings: Any) -> None:
    settings.LOG_LIMIT_BYTES = 1000
    lines = [b"line %04d\n" % number for number in range(500)]
    for line in lines:
        storage.append_log(7, line)
    text = storage.read_log(7)
    assert len(text) <= 1100
    assert text.startswith(lines[0])
    assert text.endswith(lines[-1])
    (gap,) = re.findall(rb"\[sweepsite: (\d+) bytes of the log left out here\]", text)
    kept = [line for line in text.splitlines(keepends=True) if line in lines]
    assert int(gap) == 500 * len(lines[0]) - len(b"".join(kept))


def test_a_shortened_log_keeps_its_streams(settings: Any) -> None:
    settings.LOG_LIMIT_BYTES = 1000
    marker = Marker(lambda: 5)
    for number in range(200):
        storage.append_log(7, marker.mark(b"out %04d\n" % number, Stream.OUT))
        storage.append_log(7, marker.mark(b"err %04d\n" % number, Stream.ERR))
    parts = list(pieces(storage.read_log(7)))
    for part in parts:
        word = {"o": b"out", "e": b"err", "r": b"\n[sweepsite: "}[part.stream]
        assert part.data.startswith(word), part
    assert [part.time for part in parts if part.stream == "r"] == [None]


def test_the_end_of_a_log_begins_with_a_whole_mark() -> None:
    storage.append_log(7, Marker(lambda: 5).mark(b"1234", Stream.ERR))
    for last in (4, 5, 13, 14, 100):
        assert list(pieces(storage.read_log(7, last=last))) == [
            Piece(b"1234", *(Stream.OUT, None) if last == 4 else (Stream.ERR, 5))
        ]
    assert storage.read_log(7, last=3) == b"234"


def test_a_log_takes_all_of_a_chunk_or_nothing() -> None:
    storage.append_log(7, b"one\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            storage.append_log(7, b"two\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert storage.read_log(7) == b"one\n"
    storage.append_log(7, b"two\n")
    assert storage.read_log(7) == b"one\ntwo\n"


def test_a_long_log_that_finds_no_room_to_be_cut_is_cut_later(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    settings.LOG_LIMIT_BYTES = 1000
    storage.append_log(7, b"")
    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        storage.append_log(7, b"x" * 1500)
    assert storage.read_log(7) == b"x" * 1500
    storage.append_log(7, b"end")
    assert len(storage.read_log(7)) < 1100
    assert storage.read_log(7).endswith(b"xend")


def test_the_last_bytes_of_a_log() -> None:
    storage.append_log(7, b"one\ntwo\n")
    assert storage.read_log(7, last=4) == b"two\n"
    assert storage.read_log(7, last=100) == b"one\ntwo\n"
    assert storage.read_log(8, last=4) == b""


def test_deleting_an_attempts_files_leaves_those_of_others() -> None:
    output = storage.output_path(7, "a" * 64)
    storage.append_log(7, b"12345")
    storage.write_whole(output, (b"123",))
    storage.append_log(8, b"1")
    storage.delete_attempt_files([7])
    assert not output.exists()
    assert (storage.log_size(7), storage.log_size(8)) == (0, 1)
