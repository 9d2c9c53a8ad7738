"""A log on a page: its end, the lines around one line, or around what was found.

What the reader chose is in the URL: ``find`` and ``match``, ``line``, ``stream``,
``times`` and ``wrap``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from experiments import storage
from experiments.formatting import bytes_text, relative_text
from experiments.models import Attempt, Trial
from experiments.pages.frame import whole_number
from experiments.pages.log_text import (
    MAX_BYTES,
    MAX_LINES,
    LogLine,
    row_text,
    shown_lines,
)
from experiments.runner.log_marks import Stream
from experiments.tracking.log_rows import log_rows

# What is read of a log to find something: half a second's work.
MAX_READ = 16 << 20
MAX_FIND = 200
# Lines before a found one.
LINES_BEFORE = 20
STREAMS = {"out": Stream.OUT, "err": Stream.ERR}
PLACES = ("line", "back", "match", "since")


@dataclass(frozen=True)
class LogChoice:
    """What the reader chose. ``match``: which found line, from 1; 0 for the last.
    ``line``: the first line to show, from 1; ``back``: how many lines to go back from
    the end; 0 for neither."""

    find: str = ""
    match: int = 0
    line: int = 0
    back: int = 0
    stream: str = ""
    times: bool = False
    wrap: bool = False
    # Of the page's URL, what links within the log keep.
    query: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, query: QueryDict) -> LogChoice:
        places = {name: whole_number(query.get(name, "")) or 0 for name in PLACES[:3]}
        stream = query.get("stream", "")
        return cls(
            find=query.get("find", "").strip()[:MAX_FIND],
            stream=stream if stream in STREAMS else "",
            times=query.get("times") == "1",
            wrap=query.get("wrap") == "1",
            query={k: str(v) for k, v in query.items() if v and k not in PLACES},
            **places,
        )

    @property
    def is_end(self) -> bool:
        """Whether the log's end alone answers it."""
        return not (self.find or self.line or self.back or self.stream)

    @property
    def pattern(self) -> re.Pattern[str] | None:
        """Finds the words as they are, in any case; "epoch 3" does not find
        "epoch 30"."""
        if not self.find:
            return None
        before = r"(?<!\d)" if self.find[0].isdigit() else ""
        after = r"(?!\d)" if self.find[-1].isdigit() else ""
        return re.compile(before + re.escape(self.find) + after, re.IGNORECASE)

    @property
    def others(self) -> Sequence[tuple[str, str]]:
        """Of the page's URL, what the log's form does not have."""
        own = ("find", "stream", "times", "wrap")
        return [pair for pair in self.query.items() if pair[0] not in own]

    def url(self, **place: int) -> str:
        return f"?{urlencode({**self.query, **place})}#log"


@dataclass(frozen=True)
class LogView:
    """Lines from number ``first`` on, of ``total``; total is 0 where only the end was
    read. ``matches``: how many lines were found; ``match``: which of them is picked.
    ``unread``: bytes before those that were read."""

    choice: LogChoice
    lines: Sequence[LogLine] = ()
    first: int = 1
    total: int = 0
    matches: int = 0
    match: int = 0
    unread: int = 0

    @property
    def last(self) -> int:
        return self.first + len(self.lines) - 1

    @property
    def has_errors(self) -> bool:
        return any(line.is_error for line in self.lines)

    @property
    def time_format(self) -> str:
        """For Django's date filter; with the date if the lines are of several days."""
        days = {line.time.date() for line in self.lines if line.time}
        return "j M H:i:s" if len(days) > 1 else "H:i:s"

    @property
    def words(self) -> str:
        """Which lines are shown."""
        unread = f"; only the last {bytes_text(MAX_READ)} of the log are searched"
        tail = unread if self.unread else ""
        if self.matches:
            plural = "s" if self.matches > 1 else ""
            return f"{self.match:,} of {self.matches:,} line{plural} found{tail}"
        if self.choice.find:
            return f"No line has \u201c{self.choice.find}\u201d{tail}"
        if not self.total:
            return f"The last {len(self.lines)} lines" if self.lines else ""
        return f"Lines {self.first:,} to {self.last:,} of {self.total:,}{tail}"

    @property
    def is_at_end(self) -> bool:
        return not self.total or self.last == self.total

    @property
    def earlier_url(self) -> str:
        if not self.total:
            return self.choice.url(back=len(self.lines)) if self.lines else ""
        before = max(1, self.first - MAX_LINES)
        return self.choice.url(line=before) if self.first > 1 else ""

    @property
    def later_url(self) -> str:
        return "" if self.is_at_end else self.choice.url(line=self.last + 1)

    @property
    def end_url(self) -> str:
        return self.choice.url()

    @property
    def previous_url(self) -> str:
        return self.choice.url(match=self.match - 1 or self.matches)

    @property
    def next_url(self) -> str:
        return self.choice.url(match=self.match % self.matches + 1)


def log_context(
    trial: Trial, attempt: Attempt | None, query: QueryDict
) -> dict[str, Any]:
    """What experiments/log/card.html needs, for a trial or run and one attempt."""
    view = log_view(trial, attempt, query)
    url = reverse("trial_log", args=[trial.pk])
    context = {
        "log_view": view,
        "log_notes": list(_notes(trial, attempt, view)),
        "log_bytes": attempt.log_bytes if attempt else 0,
        "log_urls": {
            "download": f"{url}?attempt={attempt.n}" if attempt else url,
            "part": reverse("trial_log_part", args=[trial.pk]),
        },
    }
    html = render_to_string("experiments/log/lines.html", context)
    return {**context, "log_html": html}


def _notes(trial: Trial, attempt: Attempt | None, view: LogView) -> Iterator[str]:
    """Sentences before the lines."""
    current, removed = trial.current_attempt, attempt and attempt.log_removed_at
    if removed:
        when = relative_text(removed, timezone.now())
        yield f"The log was removed {when} to free space."
        return
    if not view.lines and not view.choice.stream:
        yield "It printed no output." if trial.has_ended else "No output yet."
    elif attempt and current and attempt.pk != current.pk:
        yield f"Attempt {current.n} has not begun. Attempt {attempt.n} printed:"
    if attempt and attempt.log_dropped:
        size = bytes_text(attempt.log_dropped)
        yield f"The worker dropped {size} of output: a log may not be larger."


def log_view(trial: Trial, attempt: Attempt | None, query: QueryDict) -> LogView:
    """The part of an attempt's log that the query asks for."""
    choice = LogChoice.of(query)
    most = MAX_BYTES if choice.is_end else MAX_READ
    log = storage.visible_log(attempt, last=most)
    size = storage.log_size(attempt.pk) if attempt and log else 0
    return view_of(log, choice, unread=max(0, size - most))


def view_of(log: bytes, choice: LogChoice, *, unread: int = 0) -> LogView:
    """``unread``: how many bytes of the log are before these."""
    # The first line of an end is a part of one.
    rows = log_rows(log)[1 if unread else 0 :]
    if choice.stream:
        kept = (STREAMS[choice.stream], Stream.RUNNER)
        rows = [row for row in rows if row.stream in kept]
    pattern = choice.pattern
    found = [
        n for n, row in enumerate(rows) if pattern and pattern.search(row_text(row))
    ]
    match = min(choice.match or len(found), len(found))
    picked = found[match - 1] if found else None
    first = _first(choice, len(rows), picked)
    lines = shown_lines(
        rows[first : first + MAX_LINES],
        pattern=pattern,
        picked=None if picked is None else picked - first,
    )
    is_whole = not (choice.is_end and unread)
    return LogView(
        choice=choice,
        lines=lines,
        first=first + 1,
        total=len(rows) if is_whole else 0,
        matches=len(found),
        match=match,
        unread=0 if choice.is_end else unread,
    )


def _first(choice: LogChoice, total: int, picked: int | None) -> int:
    """The index of the first row to show."""
    end = max(0, total - MAX_LINES)
    if choice.line:
        wanted = choice.line - 1
    elif picked is not None:
        wanted = picked - LINES_BEFORE
    else:
        wanted = end - choice.back
    return min(max(0, wanted), max(0, total - 1) if choice.line else end)
