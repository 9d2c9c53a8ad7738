"""Collects the metrics of one attempt, and passes them on as points."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TypeAlias

from experiments.runner.collectors.growing import Poll
from experiments.runner.collectors.lines import (
    LineBuffer,
    LineFormat,
    PatternTooSlow,
)
from experiments.runner.collectors.readings import Reading
from experiments.runner.collectors.settings import CollectorSettings
from experiments.runner.collectors.sources import (
    MAX_REST_SECONDS,
    EventFiles,
    Found,
    MetricSource,
    TextFile,
)
from experiments.runner.log_marks import Stream
from experiments.runner.spool import SpoolWriter

logger = logging.getLogger(__name__)

PLACES = {Stream.OUT: "standard output", Stream.ERR: "standard error"}
# A script that prints a value may report it itself a moment later, which counts.
HOLD_SECONDS = 2.0
PASS_ON_SECONDS = 0.5
TOO_SLOW = (
    "the pattern of metrics_collector is not used any more: it takes too long on lines"
    " of this output"
)

Point: TypeAlias = dict[str, object]


class Collectors:
    """Everything that is collected of one attempt. Use it from the main thread only:
    elsewhere a slow pattern cannot be interrupted.

    Points go to `spool`. `reported` are the names that the script reports itself;
    `note` takes sentences for the trial's log.
    """

    def __init__(
        self,
        settings: CollectorSettings | None,
        *,
        work: Path,
        spool: SpoolWriter,
        reported: Collection[str] = (),
        note: Callable[[str], None],
    ) -> None:
        self.names: set[str] = set()
        self._primary = settings.primary if settings else ""
        self._spool = spool
        self._reported = reported
        self._note = note
        self._series: dict[str, Series] = {}
        self._found = 0
        self._held: list[Point] = []
        self._pass_on_at = 0.0
        self._poll = Poll()
        self._output: OutputLines | None = None
        self._sources: list[MetricSource] = []
        if settings is not None:
            self._open(settings, work)

    def _open(self, settings: CollectorSettings, work: Path) -> None:
        if settings.output is not None:
            try:
                self._output = OutputLines(settings.output, self._primary)
            except (re.error, ValueError) as problem:
                self._note(f"the pattern of metrics_collector is not usable: {problem}")
        if settings.event_files is not None:
            self._sources.append(EventFiles(settings.event_files, work=work))
        if settings.file is not None:
            name, form = settings.file
            self._sources.append(
                TextFile(
                    name,
                    work=work,
                    parser=lambda: form.parser(self._primary),
                    whole=form.whole(),
                )
            )

    @property
    def lost(self) -> int:
        """Points that found no room."""
        return self._spool.lost

    def feed(self, data: bytes, stream: Stream = Stream.OUT) -> None:
        """Take what the training process has printed."""
        if self._output is None:
            return
        if not self._take(self._output.feed(data, stream)):
            self._output = None

    def next_time(self) -> float:
        """When `poll` has something to do; infinity for never."""
        poll = self._poll.at if self._sources else math.inf
        return min(poll, self._pass_on_at) if self._held else poll

    def poll(self, now: float) -> None:
        """Look at the files, if it is time."""
        if self._sources and now >= self._poll.at:
            started, before = time.monotonic(), self._found
            self._look()
            self._poll.note_look(started=started, is_new=self._found > before)
        if self._held and now >= self._pass_on_at:
            self._pass_on()
            self._pass_on_at = now + PASS_ON_SECONDS

    def finish(self) -> None:
        """After the training's end: read the rest and pass everything on."""
        if self._output is not None:
            self._take(self._output.rest())
        self._look(is_over=True)
        self._pass_on()

    def _look(self, *, is_over: bool = False) -> None:
        until = time.monotonic() + MAX_REST_SECONDS
        for source in list(self._sources):
            if not self._take(source.rest(until) if is_over else source.look()):
                self._sources.remove(source)
            for problem in source.problems:
                self._note(problem)
            source.problems.clear()

    def _take(self, found: Found) -> bool:
        """Note what is found; False if the source is of no use any more."""
        try:
            for place, reading in found:
                self._count_in(place, reading)
        except PatternTooSlow:
            self._note(TOO_SLOW)
            return False
        except Exception:
            # Without what is collected, the training continues.
            logger.exception("metrics could not be collected")
            self._note("metrics are not collected any more, because of an error")
            return False
        return True

    def _count_in(self, place: str, reading: Reading) -> None:
        name = self._name(place, reading.name)
        if not reading.is_valid or name in self._reported:
            return
        series = self._series.setdefault(name, Series(place))
        if series.place != place:
            return
        self.names.add(name)
        self._found += 1
        if not self._pass_on_at:
            self._pass_on_at = time.monotonic() + HOLD_SECONDS
        self._held.append({"name": name, **series.place_of(reading)})

    def _name(self, place: str, name: str) -> str:
        """In a folder of event files, the primary metric's tag is enough, unless
        another folder had it first."""
        if name != f"{place}/{self._primary}":
            return name
        first = self._series.get(self._primary)
        return self._primary if first is None or first.place == place else name

    def _pass_on(self) -> None:
        points = [each for each in self._held if each["name"] not in self._reported]
        self._held.clear()
        if points:
            self._spool.add(points)


class OutputLines:
    """Readings in the lines of standard output, and of standard error, where loggers
    write."""

    def __init__(self, form: LineFormat, primary: str) -> None:
        needles = form.needles(primary)
        self._lines = {stream: LineBuffer(needles) for stream in PLACES}
        self._parse = form.parser(primary)

    def feed(self, data: bytes, stream: Stream) -> Found:
        for line in self._lines[stream].feed(data):
            yield from ((PLACES[stream], reading) for reading in self._parse(line))

    def rest(self) -> Found:
        for stream, lines in self._lines.items():
            for line in lines.finish():
                yield from ((PLACES[stream], reading) for reading in self._parse(line))


class Series:
    """Steps and times of one name, all from one place."""

    def __init__(self, place: str) -> None:
        self.place = place
        self._step = -1
        self._time = 0.0

    def place_of(self, reading: Reading) -> Point:
        """Step, value and time of a point; no two points have the same step and
        time."""
        step = self._step + 1 if reading.step is None else reading.step
        moment = time.time() if reading.time is None else reading.time
        if step == self._step and moment <= self._time:
            moment = self._time + 1e-6
        self._step, self._time = step, moment
        return {"step": step, "value": _as_json(reading.value), "time": moment}


def _as_json(value: float) -> float | str:
    """JSON has no NaN and no infinity."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
