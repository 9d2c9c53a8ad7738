"""Lines of a log that look like metrics, for a trial that never reported its own."""

from __future__ import annotations

import difflib
from pathlib import Path

from experiments.runner.collectors.lines import LineBuffer, name_value
from experiments.runner.log_marks import plain

MAX_READ = 8 * 1024
MAX_LINES, MAX_LENGTH = 3, 100
OURS = "[sweepsite:"


def printed_metrics(log: Path, primary: str) -> tuple[str, ...]:
    """Up to three different pieces such as "val_acc=0.91", likely ones first."""
    found: dict[str, str] = {}
    parse = name_value(None)
    lines = LineBuffer()
    for line in [*lines.feed(_ends(log)), *lines.finish()]:
        if not line.startswith(OURS):
            for reading in parse(line):
                found[reading.name] = f"{reading.name}={reading.value:g}"
    found.pop(primary, None)
    wanted = primary.lower()

    def unlike(name: str) -> int:
        matcher = difflib.SequenceMatcher(None, wanted, name.lower())
        return -matcher.find_longest_match().size

    likely = sorted(found, key=unlike)
    return tuple(found[name][:MAX_LENGTH] for name in likely[:MAX_LINES])


def _ends(log: Path) -> bytes:
    """The first and the last part of a log."""
    try:
        with log.open("rb") as file:
            first = file.read(MAX_READ)
            size = file.seek(0, 2)
            file.seek(max(len(first), size - MAX_READ))
            last = file.read(MAX_READ)
    except OSError:
        return b""
    return plain(first) + b"\n" * bool(last) + plain(last)
