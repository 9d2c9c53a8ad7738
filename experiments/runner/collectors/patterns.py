"""A sweep's own regular expression, which must not stall the runner."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from collections.abc import Collection, Iterator
from types import FrameType

from experiments.runner.collectors.lines import Parse, PatternTooSlow
from experiments.runner.collectors.readings import (
    STEP_NAMES,
    TIME_NAMES,
    Reading,
    moment_from,
    number_from,
    split_timestamp,
    whole_from,
)

# A pattern sees only so much of a line, and a line may take only so long.
MAX_MATCHED_LENGTH = 4_000
MAX_LINE_SECONDS = 0.1
# Then the pattern is given up: seconds in lines that took too long.
MAX_WASTED_SECONDS = 1.0
MAX_MATCHES = 100


def pattern_line(
    text: str,
    names: Collection[str] | None,
    primary: str,
    *,
    patience: float = MAX_WASTED_SECONDS,
) -> Parse:
    """Named groups: `name` and `value`, or a group with the metric's own name; also
    `step` and `timestamp`. Without named groups: the first is the name, the second the
    value, and a single one the value of the primary metric.

    Parsing raises PatternTooSlow once `patience` seconds were wasted on lines. Raises
    re.error, and ValueError without a group.
    """
    pattern = re.compile(text)
    if not pattern.groups:
        raise ValueError("the pattern has no group for the value")
    wasted = 0.0

    def parse(line: str) -> Iterator[Reading]:
        nonlocal wasted
        moment, _ = split_timestamp(line)
        matches: list[re.Match[str]] = []
        with contextlib.suppress(TimeoutError), _time_limit(MAX_LINE_SECONDS) as limit:
            for match in pattern.finditer(line[:MAX_MATCHED_LENGTH]):
                matches.append(match)
                if len(matches) == MAX_MATCHES:
                    break
        wasted += limit.wasted
        if wasted >= patience:
            raise PatternTooSlow
        for match in matches:
            for reading in _readings(match, primary, moment):
                if names is None or reading.name in names:
                    yield reading

    return parse


def _readings(
    match: re.Match[str], primary: str, moment: float | None
) -> Iterator[Reading]:
    fields = match.groupdict()
    steps = (whole_from(fields.get(name)) for name in STEP_NAMES)
    step = next((each for each in steps if each is not None), None)
    times = (moment_from(fields.get(name)) for name in TIME_NAMES)
    moment = next((each for each in times if each is not None), moment)
    for name, text in _values(match, fields, primary):
        value = number_from(text)
        if name and value is not None:
            yield Reading(name, value, step, moment)


def _values(
    match: re.Match[str], fields: dict[str, str | None], primary: str
) -> Iterator[tuple[str | None, str | None]]:
    """Names and their texts."""
    if not fields:
        # Of alternatives, the groups of one have matched.
        groups = [group for group in match.groups() if group is not None]
        if len(groups) > 1:
            yield groups[0], groups[1]
        elif groups:
            yield primary, groups[0]
    elif "value" in fields:
        yield fields.get("name", primary), fields["value"]
    else:
        for name, text in fields.items():
            if name not in (*STEP_NAMES, *TIME_NAMES):
                yield name, text


class _Limit:
    """How many seconds were wasted."""

    wasted = 0.0


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[_Limit]:
    """Raises TimeoutError in the main thread: `re` looks for signals while it matches.

    In another thread nothing limits it.
    """
    limit = _Limit()
    if threading.current_thread() is not threading.main_thread():
        yield limit
        return
    before = signal.signal(signal.SIGALRM, _time_out)
    started = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield limit
    except TimeoutError:
        limit.wasted = time.monotonic() - started
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _time_out(_number: int, _frame: FrameType | None) -> None:
    raise TimeoutError
