"""What goes into a log cannot forge another line of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from sweepsite import logs
from sweepsite.logs import MAX_MESSAGE_LENGTH, LineFormatter
from sweepsite.settings import LOGGING


def line(message: str, *, error: Any = None) -> str:
    record = logging.LogRecord("web", 30, "x.py", 1, "%s", (message,), error)
    record.created, record.msecs = 0.25, 250.0
    formatter = LineFormatter(LOGGING["formatters"]["line"]["format"])
    return formatter.format(record)


def test_a_line_has_its_time_in_utc() -> None:
    assert line("hello") == "1970-01-01T00:00:00.250Z WARNING web: hello"


@pytest.mark.parametrize(
    "bad", ["\n", "\r", "\x1b[2J", "\x85", "\u2028", "\u202e", "\x00"]
)
def test_control_characters_are_escaped(bad: str) -> None:
    text = line(f"user ada{bad}2026 ERROR forged")
    assert bad[0] not in text and "\\" in text


def test_a_long_message_is_cut_and_says_so() -> None:
    text = line("x" * 10_000)
    assert text.endswith("… (8000 more characters)")
    assert len(text) < MAX_MESSAGE_LENGTH + 100


def test_a_traceback_follows() -> None:
    error = ValueError("wrong")
    assert line("a mistake", error=(ValueError, error, None)).endswith(
        "web: a mistake\n    ValueError: wrong"
    )


def test_a_traceback_forges_no_line() -> None:
    error = ValueError("name\n2026-01-01 ERROR forged\r\x1b[2J\n" + "x" * 10_000)
    _, *more = line("a mistake", error=(ValueError, error, None)).split("\n")
    assert [text[:4] for text in more] == ["    "] * 3
    assert more[1].endswith("forged\\r\\x1b[2J")
    assert len(more[2]) < MAX_MESSAGE_LENGTH + 100


def test_a_flood_of_bad_requests_writes_a_few_lines(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([5.0] * 40 + [6.5] * 2)
    monkeypatch.setattr(logs.time, "monotonic", lambda: next(now))
    flood = logs.FloodFilter()

    def passes(name: str, text: str) -> str | None:
        record = logging.LogRecord(name, logging.WARNING, "", 0, "%s", (text,), None)
        return record.getMessage() if flood.filter(record) else None

    said = [passes("django.request", f"/{number}") for number in range(40)]
    assert said == [*(f"/{number}" for number in range(10)), *[None] * 30]
    assert passes("experiments.scheduling", "a round") == "a round"
    assert passes("django.request", "/41") == "/41 (30 more were not logged)"
    assert passes("django.request", "/42") == "/42"


def test_a_flood_of_bad_requests_hides_no_error_of_the_site() -> None:
    flood = logs.FloodFilter()

    def passes(status: int | None, error: Any = None) -> bool:
        record = logging.LogRecord("django.request", 30, "", 0, "x", (), error)
        if status:
            record.status_code = status
        return flood.filter(record)

    # Anybody can send what is refused with a 400 and a traceback.
    wrong = (ValueError, ValueError("wrong"), None)
    assert not all(passes(400, wrong) for _ in range(40))
    assert passes(500) and passes(None, wrong)
    assert not all(passes(500) for _ in range(40))


def test_an_unknown_host_is_one_line() -> None:
    logger = LOGGING["loggers"]["django.security.DisallowedHost"]
    assert logger["filters"] == ["no_traceback"]
    error = (ValueError, ValueError("odd"), None)
    record = logging.LogRecord("web", 40, "x.py", 1, "odd host", (), error)
    assert logs.NoTraceback().filter(record)
    assert "\n" not in LineFormatter().format(record)


@pytest.mark.parametrize(
    "path", ["/join/", "/shared/", "/login/password/Mg/", "/login/email/"]
)
def test_a_link_that_opens_something_is_not_in_the_log(path: str) -> None:
    text = f"Not Found: {path}q1w2e3/"
    record = logging.LogRecord("web", 30, "x.py", 1, text, (), None)
    line = LineFormatter().format(record)
    assert line.endswith(f"Not Found: {path}(hidden)/")
