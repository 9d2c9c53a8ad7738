"""The signature of a failure: its error with ‹blanks› for what varies. Pure.

It is one line from a process's end and its log. Failures with equal lines and, for
Python, the same place in the script count as one. Logs may be hostile: lines are cut
before a pattern reads them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.runner.stopping import describe_exit

MAX_BYTES = 32 << 10
MAX_LINES = 400
MAX_LINE_LENGTH = 600
MAX_TEXT_LENGTH = 500
# An error further from the end of the log than this is not why the process ended.
LINES_AFTER = 40
SIGKILL = 9
# What the runner says about a path outside the walls of a trial.
CLOSED = re.compile(r"outside the folders that a trial may \w+|hidden from trials")
UNSAID = "It ended without reporting the primary metric"
OUT_OF_MEMORY = "Killed by signal 9, possibly out of memory"


UNSEEN = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[ -~]|[\x00-\x08\x0a-\x1f\x7f-\x9f]"
    "|[\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]"
)
RANK = re.compile(r"^\[?rank ?\d{1,4}\]?: ?")
OURS = ("[sweepsite:", "sweepsite:")
TRACEBACK = "Traceback (most recent call last)"
FRAME = re.compile(r'^\s+File "([^"]{1,400})", line (\d{1,7})(?:, in (.{1,100}))?')
RAISED = re.compile(r"^[A-Za-z_][\w.]{0,120}(?::|$)")
# Files that are not the script's own.
FOREIGN = ("site-packages", "dist-packages", "/lib/python", "<frozen ", "<string>")
ERROR_LIKE = re.compile(
    r"error|exception|fatal|panic|abort|cannot|can't|could not|unable|failed|not found"
    r"|no such|denied|killed|segmentation|core dumped|undefined|unrecognized|unknown"
    r"|invalid|refused|out of memory|bad_alloc|no space left",
    re.IGNORECASE,
)
MEMORY = re.compile(
    r"out of ?memory|MemoryError\b|Cannot allocate memory|bad_alloc|\bOOM\b", re.I
)
# The order counts: earlier patterns replace text before later ones see it.
BLANKS: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"\b[a-z][a-z0-9+]{1,9}://[^\s'\"<>]+"), "‹url›"),
    (
        re.compile(
            r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?"
            r"(?:Z|[+-]\d\d:?\d\d)?\b|\b\d\d?:\d\d:\d\d(?:[.,]\d+)?\b"
        ),
        "‹time›",
    ),
    (
        re.compile(
            r"\b0x[0-9a-fA-F]+\b"
            r"|\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"
            r"|\b(?=[a-f]{0,40}\d)(?=\d{0,40}[a-f])[0-9a-f]{8,}\b"
        ),
        "‹hex›",
    ),
    (re.compile(r"(?<=')/[^'\n]+(?=')|(?<=\")/[^\"\n]+(?=\")"), "‹path›"),
    (re.compile(r"(?<![\w.)/])(?:~|\.{1,2})?(?:/[\w.@%+=,-]+){2,}/?"), "‹path›"),
    (
        re.compile(r"(?<![\w.])\d+(?:\.\d+)? ?(?:[kKMGT]i?B|B|bytes)\b"),
        "‹size›",
    ),
    (
        re.compile(
            r"(?<!Errno )(?<!code )(?<!status )(?<!HTTP Error )(?<!signal )"
            r"(?<![A-Za-z\d.])[-+]?\d+(?:[.,]\d+)*(?:[eE][-+]?\d+)?(?![A-Za-z_\d])"
        ),
        "‹n›",
    ),
)


@dataclass(frozen=True)
class Signature:
    """``text``: the error with its blanks; ``place``: where the script raised it."""

    text: str
    place: str = ""

    @property
    def digest(self) -> str:
        """16 characters that equal failures share."""
        both = f"{self.text}\n{self.place}".encode("utf-8", "replace")
        return hashlib.sha256(both).hexdigest()[:16]


@dataclass(frozen=True)
class ProcessExit:
    """How a process ended. ``started``: there was one; ``message``: the runner's words;
    ``reported``: it had reported the primary metric; ``over_limit``: it was killed
    because it took more memory than the trial's own limit."""

    exit_code: int | None = None
    signal: int | None = None
    message: str = ""
    over_limit: bool = False
    started: bool = True
    reported: bool = False

    @property
    def is_failure(self) -> bool:
        ran_well = self.started and self.signal is None and self.exit_code in (0, None)
        return not ran_well or not self.reported


def signature_of(
    end: ProcessExit, log: bytes, params: Mapping[str, Any] | None = None
) -> Signature | None:
    """The signature of a failure; None: it was none. ``log``: the end of what the
    process printed; ``params``: values whose mention tells nothing."""
    if not end.is_failure:
        return None
    if not end.started:
        return _signature(end.message or "did not start", params or {})
    if end.signal is None and not end.exit_code:
        return Signature(UNSAID)
    if end.signal == SIGKILL:
        if end.over_limit:
            return _signature(end.message, {})
        return Signature(OUT_OF_MEMORY)
    error, place = error_of(log_lines(log))
    if not error:
        return _signature(end.message or describe_exit(end.exit_code, end.signal), {})
    if MEMORY.search(error):
        # Where memory ran out is chance.
        place = ""
    if closed := CLOSED.search(end.message):
        error = f"{error}, {closed[0]}"
    return _signature(error, params or {}, place)


def _signature(error: str, params: Mapping[str, Any], place: str = "") -> Signature:
    return Signature(with_blanks(error, params)[:MAX_TEXT_LENGTH], place[:200])


# --- the line that names the error --------------------------------------------------


def log_lines(log: bytes) -> list[str]:
    """The last lines of a log, without ours and without control characters."""
    text = log[-MAX_BYTES:].decode("utf-8", "replace").replace("\r\n", "\n")
    rows = text.split("\n")[-MAX_LINES:]
    return [line for row in rows if not (line := _plain(row)).startswith(OURS)]


def _plain(row: str) -> str:
    shown = next((part for part in reversed(row.split("\r")) if part.strip()), "")
    return RANK.sub("", UNSEEN.sub("", shown[: MAX_LINE_LENGTH * 2])[:MAX_LINE_LENGTH])


def error_of(lines: Sequence[str]) -> tuple[str, str]:
    """The error and the place in the script's own files; both may be empty."""
    return _python_error(lines) or (_last_error_line(lines), "")


def _python_error(lines: Sequence[str]) -> tuple[str, str] | None:
    starts = [n for n, line in enumerate(lines) if line.startswith(TRACEBACK)]
    if not starts:
        return None
    start = starts[-1] + 1
    ends = (n for n in range(start, len(lines)) if RAISED.match(lines[n]))
    end = next(ends, None)
    if end is None or _said(lines[end + 1 :]) > LINES_AFTER:
        return None
    error = lines[end].rstrip()
    if error.endswith(":") and end + 1 < len(lines):
        error = f"{error} {lines[end + 1].strip()}"
    return error, _own_place(lines[start:end])


def _said(lines: Sequence[str]) -> int:
    return sum(bool(line.strip()) for line in lines)


def _own_place(lines: Sequence[str]) -> str:
    """The innermost frame in the script's own files: ``train.py:61 in loss``."""
    own = [frame for frame in _frames(lines) if not _is_foreign(frame[1])]
    if not own:
        return ""
    _, path, line, name = (own[-1][0], *own[-1].groups(default=""))
    where = f"{path.rsplit('/', 1)[-1]}:{line}"
    return f"{where} in {name}" if name and name != "<module>" else where


def _frames(lines: Sequence[str]) -> Iterator[re.Match[str]]:
    return (found for line in lines if (found := FRAME.match(line)))


def _is_foreign(path: str) -> bool:
    return any(part in path for part in FOREIGN)


def _last_error_line(lines: Sequence[str]) -> str:
    """The last line that looks like an error, else the last one without indent."""
    said = [line.rstrip() for line in lines if line.strip()][-LINES_AFTER:]
    like = [line for line in said if ERROR_LIKE.search(line)]
    plain = [line for line in said if not line[:1].isspace()]
    return next(iter((like or plain or said)[-1:]), "").strip()


# --- blanks -------------------------------------------------------------------------


def with_blanks(error: str, params: Mapping[str, Any]) -> str:
    """The error without what varies between trials: values, sizes, paths, times."""
    text = _without_values(error[:MAX_LINE_LENGTH], params)
    for pattern, blank in BLANKS:
        text = pattern.sub(blank, text)
    return text.strip()


def _without_values(text: str, params: Mapping[str, Any]) -> str:
    """Replaces texts among the parameters' values that are in quotes or follow ``=`` or
    an option. Numbers become blanks anyway."""
    for value in params.values():
        if isinstance(value, dict):
            text = _without_values(text, value)
        elif isinstance(value, str) and value:
            word = re.escape(value)
            text = re.sub(
                rf"(['\"]){word}\1|(?<==){word}(?!\w)|(--[\w.-]+[ =]){word}(?!\w)",
                lambda m: f"{m[1] or ''}{m[2] or ''}‹value›{m[1] or ''}",
                text,
            )
    return text
