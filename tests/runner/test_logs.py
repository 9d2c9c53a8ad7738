"""What is kept of the output: bounded in rate, size, line length and memory."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from experiments.runner import logs
from experiments.runner.log_marks import Piece, Stream, pieces, plain
from experiments.runner.logs import (
    BURST,
    MAX_LINE_LENGTH,
    RATE,
    OutputLog,
)
from experiments.runner.signals import Signals


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[OutputLog]:
    log = OutputLog(
        tmp_path / "log", limit=10_000_000, clock=clock, now=lambda: 1000 + clock()
    )
    yield log
    log.release()


def content(log: OutputLog) -> bytes:
    return plain(log.path.read_bytes())


def test_modest_output_passes_byte_for_byte(log: OutputLog) -> None:
    pieces = [b"one\n", b"\x00\xff\x1b[31m", b"no end", b"\r\r", b"\n\n"]
    for piece in pieces:
        log.feed(piece)
    log.close()
    assert content(log) == b"".join(pieces)
    assert log.dropped == 0


def test_a_flood_is_thinned_to_the_rate(log: OutputLog, clock: Clock) -> None:
    line = b"x" * 99 + b"\n"
    fed = 0
    for _ in range(1000):
        clock.now += 0.01
        log.feed(line * 600)
        fed += 60_000
    log.close()
    kept = content(log)
    assert len(kept) <= BURST + 10 * RATE + logs.TAIL + 4096
    assert len(kept) >= 9 * RATE
    notices = kept.count(b"[sweepsite: ")
    assert notices > 1
    output = b"".join(
        part for part in kept.splitlines(True) if not part.startswith(b"[sweepsite")
    )
    assert len(output) + log.dropped == fed
    assert set(output.splitlines()) == {line.strip()}, "only whole lines are kept"


def test_the_last_words_of_a_flood_are_kept(log: OutputLog) -> None:
    log.feed(b"filler\n" * 200_000)
    log.feed(b"Traceback: the reason\n")
    log.close()
    assert content(log).endswith(b"filler\nTraceback: the reason\n")
    assert b" kB of output left out]\n" in content(log)


def test_after_a_flood_the_next_line_is_whole_again(
    log: OutputLog, clock: Clock
) -> None:
    log.feed(b"y" * 50 + b"\n" + b"filler\n" * 100_000)
    clock.now = 10.0
    log.feed(b"half of a line\nand a whole one\n")
    log.close()
    assert content(log).endswith(b" of output left out]\nand a whole one\n")


def test_the_limit_of_all_output_holds_and_the_tail_is_kept(
    tmp_path: Path, clock: Clock
) -> None:
    log = OutputLog(tmp_path / "log", limit=100_000, clock=clock)
    for number in range(20_000):
        clock.now += 0.01
        log.feed(b"line %06d\n" % number)
    log.close()
    kept = content(log)
    assert len(kept) <= 100_000
    assert kept.startswith(b"line 000000\n")
    assert kept.endswith(b"line 019999\n")
    assert kept.count(b"[sweepsite: ") == 1
    log.release()


def test_a_limit_of_nothing_keeps_nothing_but_the_remark(
    tmp_path: Path, clock: Clock
) -> None:
    log = OutputLog(tmp_path / "log", limit=0, clock=clock)
    log.feed(b"hello\n")
    log.close()
    assert content(log) == b"[sweepsite: 6 bytes of output left out]\n"
    assert log.dropped == 6
    log.release()


def test_a_long_line_is_cut_with_a_remark(log: OutputLog) -> None:
    log.feed(b"a" * 20_000 + b"\nnext\n")
    log.close()
    left = 20_000 - MAX_LINE_LENGTH
    remark = b" [sweepsite: 11.8 kB left out]\n"
    assert content(log) == b"a" * MAX_LINE_LENGTH + remark + b"next\n"
    assert log.dropped == left


def test_a_long_line_is_cut_also_when_it_comes_in_pieces(
    log: OutputLog, clock: Clock
) -> None:
    for _ in range(3000):
        clock.now += 0.1
        log.feed(b"a" * 1000)
    log.close()
    assert content(log) == b"a" * MAX_LINE_LENGTH + b" [sweepsite: 3 MB left out]"
    assert log.dropped == 3_000_000 - MAX_LINE_LENGTH


def test_a_progress_bar_is_many_short_lines(log: OutputLog, clock: Clock) -> None:
    for number in range(5000):
        clock.now += 0.1
        log.feed(b"\rprogress %d" % number)
    log.close()
    assert log.dropped == 0
    assert content(log).endswith(b"\rprogress 4999")


def test_a_note_begins_a_line_of_its_own(log: OutputLog) -> None:
    log.feed(b"no end")
    log.note("the runner speaks")
    log.feed(b"more\n")
    log.close()
    assert content(log) == b"no end\n[sweepsite: the runner speaks]\nmore\n"


def test_a_full_disk_costs_output_and_nothing_else(clock: Clock) -> None:
    log = OutputLog(Path("/dev/full"), limit=1_000_000, clock=clock)
    log.feed(b"lost\n")
    log.close()
    assert (log.lost, log.problem) == (5, "No space left on device")
    assert log.dropped == 0
    log.release()


def test_streams_and_seconds_are_marked(log: OutputLog, clock: Clock) -> None:
    log.feed(b"one\n")
    log.feed(b"two \x1e\n")
    log.feed(b"bad\n", Stream.ERR)
    clock.now = 2.5
    log.feed(b"three\n")
    log.note("over")
    log.close()
    assert list(pieces(log.path.read_bytes())) == [
        Piece(b"one\ntwo \x1e\n", Stream.OUT, 1000),
        Piece(b"bad\n", Stream.ERR, 1000),
        Piece(b"three\n", Stream.OUT, 1002),
        Piece(b"[sweepsite: over]\n", Stream.RUNNER, 1002),
    ]


def test_no_output_passes_for_a_mark(log: OutputLog) -> None:
    forged = b"\x1er00000001[sweepsite: forged]\n"
    log.feed(forged)
    log.close()
    assert list(pieces(log.path.read_bytes())) == [Piece(forged, Stream.OUT, 1000)]


def test_a_long_line_of_one_stream_does_not_cut_the_other(log: OutputLog) -> None:
    log.feed(b"a" * 20_000)
    log.feed(b"short\n", Stream.ERR)
    log.feed(b"\n")
    log.close()
    assert content(log).count(b"short\n") == 1
    assert log.dropped == 20_000 - MAX_LINE_LENGTH


def test_the_end_of_a_flood_keeps_its_streams_and_times(
    log: OutputLog, clock: Clock
) -> None:
    log.feed(b"filler\n" * 200_000)
    log.feed(b"Traceback\n", Stream.ERR)
    clock.now = 60.0
    log.close()
    *_, note, filler, last = pieces(log.path.read_bytes())
    assert (note.stream, filler.stream) == (Stream.RUNNER, Stream.OUT)
    assert last == Piece(b"Traceback\n", Stream.ERR, 1000)


def test_pipes_are_read_in_the_order_in_which_they_became_ready() -> None:
    signals = Signals()
    (out, to_out), (err, to_err) = os.pipe(), os.pipe()
    with signals.watching(out, err):
        os.write(to_err, b"first")
        os.write(to_out, b"second")
        assert signals.wait(0) == [err, out]
    for fd in (out, to_out, err, to_err):
        os.close(fd)


def test_what_a_script_prints_arrives_with_its_stream(runners: Any, site: Any) -> None:
    runners.run("sh", "-c", "echo one; echo two >&2")
    parts = {(part.data, part.stream) for part in pieces(site.marked_log)}
    assert parts == {(b"one\n", Stream.OUT), (b"two\n", Stream.ERR)}


@pytest.mark.parametrize("kind", ["lines", "one-line"])
def test_a_real_flood_neither_fills_memory_nor_slows_the_script(
    runners: Any, site: Any, kind: str
) -> None:
    runner = runners.start("train_floods_log", "1", kind, log_limit_bytes=10_000_000)
    peak = 0
    while runner.poll() is None:
        with open(f"/proc/{runner.pid}/statm") as statm:
            fields = statm.read().split()
        peak = max(peak, int(fields[1]) * 4096 if fields else 0)
        with contextlib.suppress(subprocess.TimeoutExpired):
            runner.wait(timeout=0.02)
    assert 0 < peak < 64 << 20
    assert runners.words() == ["START", "END"]
    elapsed = site.finish["elapsed"]
    assert elapsed < 15, "it prints for a second, where nothing holds it up"
    assert site.text().endswith("the last words\n")
    # It prints 8 MB at least, however busy the machine is.
    assert site.finish["log_dropped"] + len(site.log) > 7_500_000
    assert len(site.log) < BURST + (elapsed + 1) * RATE + logs.TAIL + 4096
