"""Log text from outside: what is shown of it, and what never is."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.pages.log_text import (
    MAX_LINE_LENGTH,
    MAX_LINES,
    MAX_SPANS,
    Span,
    last_lines,
    parse_log,
    shown_lines,
)
from experiments.tracking.log_rows import log_rows

ESC = "\x1b"


def texts(data: str) -> list[str]:
    return [line.text for line in parse_log(data.encode())]


def spans(data: str) -> list[Span]:
    return [span for line in parse_log(data.encode()) for span in line.spans]


def test_plain_lines_stay_as_they_are() -> None:
    assert texts("epoch 1\n\n  loss=0.5\tok\n") == ["epoch 1", "", "  loss=0.5\tok"]


def test_an_empty_log_has_no_lines() -> None:
    assert parse_log(b"") == []


def test_a_color_becomes_a_class_until_it_is_reset() -> None:
    assert spans(f"a {ESC}[1;31mbad{ESC}[0m end") == [
        Span("a "),
        Span("bad", "ansi-red ansi-bold"),
        Span(" end"),
    ]


def test_a_color_goes_on_in_the_next_line() -> None:
    assert spans(f"{ESC}[32mone\ntwo{ESC}[39m") == [
        Span("one", "ansi-green"),
        Span("two", "ansi-green"),
    ]


@pytest.mark.parametrize(
    ("numbers", "classes"),
    [
        ("94", "ansi-blue"),
        ("38;5;9", "ansi-red"),
        ("38;5;200", ""),
        ("38;2;255;0;0", ""),
        ("38;2;255;0;0;1", "ansi-bold"),
        ("48;5;1", ""),
        ("38", ""),
        ("999", ""),
        ("", ""),
    ],
)
def test_only_known_colors_have_a_class(numbers: str, classes: str) -> None:
    assert spans(f"{ESC}[{numbers}mx") == [Span("x", classes)]


@pytest.mark.parametrize(
    "hostile",
    [
        f"{ESC}]0;new title\x07",
        f"{ESC}]8;;http://evil.example{ESC}\\",
        f"{ESC}]52;c;c2VjcmV0\x07",
        f"{ESC}P1$r0m{ESC}\\",
        f"{ESC}[2J",
        f"{ESC}[3;4H",
        f"{ESC}[?25l",
        f"{ESC}c",
        f"{ESC}(B",
        "\x9b2J",
        "\x9d0;title\x9c",
        "\x00",
        "\x07",
        "\x08",
        "\x7f",
        "\u202e",
        "\u2066",
        "\u200f",
        "\u2028",
    ],
)
def test_what_is_no_text_is_left_out(hostile: str) -> None:
    assert texts(f"before{hostile}after") == ["beforeafter"]


def test_an_unfinished_command_to_the_terminal_takes_only_its_own_line() -> None:
    assert texts(f"one{ESC}]0;never ends\ntwo") == ["one", "two"]


def test_of_a_progress_bar_the_last_state_is_kept() -> None:
    assert texts("10 %\r20 %\r30 %\r\ndone\r\n") == ["30 %", "done"]


def test_a_long_line_is_cut_and_says_so() -> None:
    (line,) = parse_log(b"x" * (MAX_LINE_LENGTH + 500))
    assert len(line.text) == MAX_LINE_LENGTH
    assert line.cut == 500


def test_a_line_of_many_colors_has_a_bounded_number_of_spans() -> None:
    (line,) = parse_log("".join(f"{ESC}[3{k % 8}mx" for k in range(1_000)).encode())
    assert len(line.spans) == MAX_SPANS
    assert line.text == "x" * 1_000


def test_only_the_last_lines_are_read() -> None:
    data = "\n".join(str(k) for k in range(MAX_LINES + 50))
    assert texts(data)[0] == "50"


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert texts(b"\xff\xfeabc".decode("latin-1"))[0].endswith("abc")
    assert parse_log(b"\xff ok")[0].text == "\ufffd ok"


def test_remarks_of_the_site_are_told_apart() -> None:
    assert [line.ours for line in parse_log(b"[sweepsite: stop]\nhello")] == [
        True,
        False,
    ]


def test_the_last_lines_that_say_something() -> None:
    lines = parse_log(b"a\n\nb\n \nc\n\n")
    assert [line.text for line in last_lines(lines, 2)] == ["b", "c"]


@given(st.binary(max_size=300))
def test_nothing_unseen_ever_comes_through(data: bytes) -> None:
    for line in parse_log(data):
        assert not any(
            (ord(letter) < 32 and letter != "\t") or 0x7F <= ord(letter) < 0xA0
            for letter in line.text
        )
        assert len(line.text) <= MAX_LINE_LENGTH


def test_beginnings_of_commands_are_read_once_each() -> None:
    began = time.process_time()
    assert texts("\x9d" * 60_000 + f"{ESC}[0mend") == ["end"]
    assert time.process_time() - began < 1


def test_a_picked_line_of_many_colors_is_put_together_once() -> None:
    log = f"{ESC}[31ma{ESC}[32mb".encode() * 300_000
    began = time.process_time()
    (line,) = shown_lines(log_rows(log), picked=0)
    assert len(line.text) == 600_000
    assert time.process_time() - began < 8
