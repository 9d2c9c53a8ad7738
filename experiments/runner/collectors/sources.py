"""Where readings come from: standard output, event files, and one file of the script.

A source yields pairs of its place, such as a folder, and a reading.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Protocol, TypeAlias

from experiments.runner.collectors.growing import GrowingFile, files_below
from experiments.runner.collectors.lines import LineBuffer, Parse
from experiments.runner.collectors.readings import Reading

Found: TypeAlias = "Iterator[tuple[str, Reading]]"

MARK = "tfevents"
MAX_WHOLE = 4 << 20
# After the training's end, as its slot is taken for as long.
MAX_REST_SECONDS = 120.0


class MetricSource(Protocol):
    """A place that is looked at from time to time."""

    # What could not be read, in sentences.
    problems: list[str]

    def look(self) -> Found:
        """What is new, at most some hundred kB of it."""

    def rest(self, until: float = math.inf) -> Found:
        """What is left once nothing is written any more, as far as it is read by a time
        of the monotonic clock."""


def _cut_off(name: Path | str, file: GrowingFile) -> str:
    return (
        f"the last {file.unread:,} bytes of {name} are not read: after the training's"
        f" end, reading may take {MAX_REST_SECONDS:g} s"
    )


class EventFiles:
    """TensorBoard's event files in a folder below `work`."""

    def __init__(self, folder: str, *, work: Path) -> None:
        self.problems: list[str] = []
        self._work = work
        self._top = work / folder
        self._files: dict[Path, GrowingFile] = {}
        self._corrupt: set[Path] = set()

    def look(self) -> Found:
        for path in files_below(self._top, MARK):
            if path not in self._files:
                self._files[path] = GrowingFile(path, top=self._work)
        for path, file in self._files.items():
            if path not in self._corrupt and file.refill():
                yield from self._read(path, file)

    def rest(self, until: float = math.inf) -> Found:
        yield from self.look()
        for path, file in self._files.items():
            while path not in self._corrupt and file.refill():
                yield from self._read(path, file)
                if time.monotonic() > until and file.unread:
                    self.problems.append(_cut_off(path.relative_to(self._work), file))
                    break

    def _read(self, path: Path, file: GrowingFile) -> Found:
        # Few trials have such files.
        from experiments.runner.collectors.tensorboard import (
            CorruptEvents,
            read_events,
        )

        folder = path.parent.relative_to(self._top).as_posix()
        prefix = "" if folder == "." else f"{folder}/"
        try:
            for reading in read_events(file, prefix):
                yield folder, reading
        except CorruptEvents as problem:
            self._corrupt.add(path)
            name = path.relative_to(self._work)
            self.problems.append(f"{name} cannot be read any further: {problem}")


class TextFile:
    """A growing file with a metric or a row of a table in each line.

    `whole` reads all of it at the end if its lines have no metrics.
    """

    def __init__(
        self,
        name: str,
        *,
        work: Path,
        parser: Callable[[], Parse],
        whole: Callable[[str], Iterable[Reading]] | None = None,
    ) -> None:
        self.problems: list[str] = []
        self._name = name
        self._whole = whole
        self._found = False
        self._top = work
        self._file = GrowingFile(work / name, top=work)
        self._parser = parser
        self._done = 0
        self._start()

    def look(self) -> Found:
        restarts = self._file.restarts
        if not self._file.refill():
            return
        if self._file.restarts != restarts:
            self._start()
        for line in self._lines.feed(self._file.take()):
            yield from self._read(line)

    def rest(self, until: float = math.inf) -> Found:
        before = -1
        while self._file.offset != before:
            before = self._file.offset
            yield from self.look()
            if time.monotonic() > until and self._file.unread:
                self.problems.append(_cut_off(self._name, self._file))
                break
        for line in self._lines.finish():
            yield from self._read(line)
        if self._whole is not None and not self._found:
            file = GrowingFile(self._file.path, top=self._top)
            file.refill(MAX_WHOLE)
            text = file.take().decode(errors="replace")
            yield from ((self._name, reading) for reading in self._whole(text))

    def _start(self) -> None:
        self._lines, self._line = LineBuffer(), 0
        self._parse = self._parser()

    def _read(self, line: str) -> Found:
        """Those of a line, unless it was read before the file was written anew."""
        self._line += 1
        readings = list(self._parse(line))
        if self._line > self._done:
            self._done = self._line
            self._found = self._found or bool(readings)
            yield from ((self._name, reading) for reading in readings)
