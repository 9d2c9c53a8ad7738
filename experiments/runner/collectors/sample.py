"""What a format finds in some pasted lines.

A regular expression runs in a process of its own: in a thread nothing could stop it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.runner.collectors.lines import (
    LineBuffer,
    LineFormat,
    Parse,
    PatternTooSlow,
)
from experiments.runner.collectors.patterns import MAX_LINE_SECONDS, pattern_line

PROJECT = Path(__file__).resolve().parents[3]
MAX_SECONDS = 3.0


class FoundValue(NamedTuple):
    """A value and the number of its line, from 1."""

    line: int
    name: str
    value: float
    step: int | None


def values_in(text: str, form: LineFormat, primary: str) -> Sequence[FoundValue]:
    """Raises PatternTooSlow."""
    if form.kind != "regex":
        return list(_find(text, form.parser(primary)))
    names = None if form.names is None else sorted(form.names)
    fields = {"text": text, "pattern": form.pattern, "names": names, "primary": primary}
    try:
        shown = subprocess.run(
            [sys.executable, "-m", __spec__.name if __spec__ else __name__],
            input=json.dumps(fields).encode(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=PROJECT,
            env={},
            timeout=MAX_SECONDS,
            check=True,
        ).stdout
    except subprocess.SubprocessError as problem:
        raise PatternTooSlow from problem
    return [FoundValue(*each) for each in json.loads(shown)]


def _find(text: str, parse: Parse) -> Iterator[FoundValue]:
    lines = LineBuffer()
    whole = [*lines.feed(text.encode(errors="replace")), *lines.finish()]
    for number, line in enumerate(whole, 1):
        for reading in parse(line):
            if reading.is_valid:
                yield FoundValue(number, reading.name, reading.value, reading.step)


def main(fields: dict[str, Any]) -> None:
    names = fields["names"]
    # A worker would skip a line that takes too long. Here it is worth a word.
    parse = pattern_line(
        fields["pattern"],
        names and frozenset(names),
        fields["primary"],
        patience=MAX_LINE_SECONDS,
    )
    print(json.dumps(list(_find(fields["text"], parse))))


if __name__ == "__main__":
    main(json.load(sys.stdin))
