"""Failures that have one cause get one signature; what varies is left blank."""

from __future__ import annotations

import pytest

from experiments.failures.known_errors import known_error
from experiments.failures.signatures import (
    OUT_OF_MEMORY,
    UNSAID,
    ProcessExit,
    Signature,
    signature_of,
    with_blanks,
)
from tests.in_time import in_time

CLOSED = "/data/x is outside the folders that a trial may write; write to $TMPDIR"
CRASH = ProcessExit(exit_code=1, message="exit code 1")
TRACEBACK = """epoch 1
Traceback (most recent call last):
  File "/home/u/.sweepsite/attempts/{n}/code/train.py", line 118, in <module>
    main()
  File "/home/u/.sweepsite/attempts/{n}/code/model.py", line 61, in forward
    return self.head(x)
  File "/opt/lib/python3.11/site-packages/torch/nn/linear.py", line 9, in forward
    return F.linear(x)
{error}
[sweepsite: exit code 1]
"""


def signed(error: str, n: int = 1, **params: object) -> Signature:
    log = TRACEBACK.format(n=n, error=error).encode()
    found = signature_of(CRASH, log, params)
    assert found is not None
    return found


def test_a_traceback_gives_its_last_line_and_the_innermost_place_of_the_script() -> (
    None
):
    found = signed("ValueError: shapes (64, 3) and (4,) do not fit")
    assert found.text == "ValueError: shapes (‹n›, ‹n›) and (‹n›,) do not fit"
    assert found.place == "model.py:61 in forward"


def test_what_varies_between_trials_makes_no_difference() -> None:
    one = signed(
        "ValueError: no file '/tmp/a/trial-3.pt' at 0x7fe0 with 'sgd'", 3, o="sgd"
    )
    other = signed(
        "ValueError: no file '/tmp/b/trial-14.pt' at 0x8aa1 with 'adam'", 14, o="adam"
    )
    assert one == other
    assert one.digest == other.digest
    assert one.text == "ValueError: no file '‹path›' at ‹hex› with '‹value›'"


def test_different_errors_and_different_places_are_told_apart() -> None:
    log = TRACEBACK.format(n=1, error="AssertionError").encode()
    elsewhere = log.replace(b"line 61", b"line 62")
    first, second = signature_of(CRASH, log), signature_of(CRASH, elsewhere)
    assert first and second and first.digest != second.digest
    assert first.digest != signed("KeyError: 'x'").digest


def test_where_memory_ran_out_is_chance() -> None:
    text = (
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {} GiB. GPU {}"
        " has a total capacity of 15.73 GiB"
    )
    one, other = signed(text.format(1.5, 0)), signed(text.format("3.00", 1))
    assert one == other
    assert one.place == ""
    assert "Tried to allocate ‹size›. GPU ‹n› has" in one.text


@pytest.mark.parametrize(
    "text, blank",
    [
        ("cuda:0 failed", "cuda:‹n› failed"),
        ("conv2d float32 layer3", "conv2d float32 layer3"),
        ("[Errno 28] No space left on device", "[Errno 28] No space left on device"),
        ("HTTP Error 404: Not Found", "HTTP Error 404: Not Found"),
        ("at 2026-11-24 10:00:01.5 in https://h/x?y=1", "at ‹time› in ‹url›"),
        ("took 12.5e-3 s, lost 1,000 rows", "took ‹n› s, lost ‹n› rows"),
        ("can't open file '/a b/c/train.py'", "can't open file '‹path›'"),
        ("id 7f3a9c02d1 wrong", "id ‹hex› wrong"),
        ("effaced facade added", "effaced facade added"),
        ("ratio 3/4 and 1/2", "ratio ‹n›/‹n› and ‹n›/‹n›"),
    ],
)
def test_blanks(text: str, blank: str) -> None:
    assert with_blanks(text, {}) == blank


def test_arguments_keep_their_names_and_lose_their_values() -> None:
    log = b"usage: train.py\ntrain.py: error: unrecognized arguments: --opt sgd --b 3\n"
    found = signature_of(ProcessExit(exit_code=2), log, {"opt": "sgd"})
    assert found is not None
    assert found.text == (
        "train.py: error: unrecognized arguments: --opt ‹value› --b ‹n›"
    )


def test_other_languages_by_the_last_line_that_sounds_like_an_error() -> None:
    log = b"step 1\nfatal: model file is missing\n  at main.rs\nbye\n"
    found = signature_of(ProcessExit(exit_code=3), log)
    assert found is not None and found.text == "fatal: model file is missing"


def test_a_traceback_that_was_caught_long_before_is_not_the_end() -> None:
    log = (
        TRACEBACK.format(n=1, error="KeyError: 'old'") + "step\n" * 60 + "Error: new\n"
    )
    found = signature_of(CRASH, log.encode())
    assert found is not None and found.text == "Error: new"


def test_ends_that_need_no_log() -> None:
    assert signature_of(ProcessExit(exit_code=0, reported=True), b"Error: x") is None
    assert signature_of(ProcessExit(exit_code=0), b"Error: x") == Signature(UNSAID)
    assert signature_of(ProcessExit(signal=9), b"Error: x") == Signature(OUT_OF_MEMORY)
    limited = ProcessExit(
        signal=9, over_limit=True, message="needed more than 2 GB of memory"
    )
    over = signature_of(limited, b"Error: x")
    assert over is not None and over.text == "needed more than ‹size› of memory"
    missing = ProcessExit(started=False, message="the command 'nosuch' was not found")
    found = signature_of(missing, b"")
    assert found is not None and "nosuch" in found.text
    silent = signature_of(ProcessExit(exit_code=7, message="exit code 7"), b"")
    assert silent is not None and silent.text == "exit code 7"


def test_ranks_of_distributed_training_and_colors_do_not_hide_it() -> None:
    log = (
        b"[rank0]: Traceback (most recent call last):\n"
        b'[rank0]:   File "train.py", line 2, in <module>\n'
        b"[rank0]: \x1b[31mRuntimeError\x1b[0m: boom\n"
    )
    found = signature_of(CRASH, log)
    assert found == Signature("RuntimeError: boom", "train.py:2")


@pytest.mark.parametrize(
    "piece",
    [b"a/" * 40_000, b"-1" * 40_000, b"0" * 80_000, b"\xff\x00\x1b]8;;" * 9_000],
)
def test_hostile_logs_are_read_quickly(piece: bytes) -> None:
    found = in_time(1, lambda: signature_of(CRASH, piece + b"\nError: " + piece))
    assert found is not None and len(found.text) <= 500
    assert "\0" not in found.text


def test_a_path_that_the_walls_close_is_a_known_error() -> None:
    end = ProcessExit(exit_code=1, message=f"exit code 1; {CLOSED}")
    log = b"Traceback (most recent call last):\nPermissionError: [Errno 13] '/data/x'\n"
    found = signature_of(end, log)
    assert found is not None
    known = known_error(found.text)
    assert known is not None and known.kind == "walls"
    assert "may not write" in known.cause and "SWEEPSITE_TRIAL_WRITE" in known.advice
