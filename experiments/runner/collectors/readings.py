"""One value that a collector has found, and the texts that it comes from."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime

MAX_NAME_LENGTH = 250
MAX_STEP = 2**63 - 1
STEP_NAMES = ("step", "global_step", "epoch", "iteration")
TIME_NAMES = ("timestamp", "time")
# RFC 3339, as Kubernetes and many loggers write it in front of a line.
TIMESTAMP = re.compile(
    r"\[?(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:[.,]\d{1,12})?)"
    r"([Zz]|[+-]\d\d:?\d\d)?\]?[\s:,]*"
)


@dataclass(frozen=True)
class Reading:
    """One value of a metric. `time` is in seconds since 1970; without a step, the order
    of appearance counts."""

    name: str
    value: float
    step: int | None = None
    time: float | None = None

    @property
    def is_valid(self) -> bool:
        """Whether the site can store it; JSON may have half of a surrogate pair."""
        fits = self.step is None or abs(self.step) <= MAX_STEP
        length = len(self.name.encode(errors="ignore").decode().replace("\0", ""))
        return length == len(self.name) and 0 < length <= MAX_NAME_LENGTH and fits


def number_from(value: object) -> float | None:
    """A float from a number or its text, such as "0.9", "nan" or "91%"; else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = value.strip().removesuffix("%") if isinstance(value, str) else value
    try:
        return float(text)
    except ValueError:
        return None
    except OverflowError:
        return math.inf if str(text)[0] != "-" else -math.inf


def whole_from(value: object) -> int | None:
    """A whole number from a number or its text; else None."""
    number = number_from(value)
    if number is None or not math.isfinite(number) or number != int(number):
        return None
    return int(number)


def moment_from(value: object) -> float | None:
    """Seconds since 1970, from such a number or an RFC 3339 text; else None."""
    if isinstance(value, str) and (found := TIMESTAMP.fullmatch(value)):
        return _moment(found)
    return number_from(value)


def split_timestamp(line: str) -> tuple[float | None, str]:
    """The time in front of a line, and the line without it."""
    found = TIMESTAMP.match(line)
    return (_moment(found), line[found.end() :]) if found else (None, line)


def _moment(found: re.Match[str]) -> float | None:
    """None without a zone: it could be any."""
    day, zone = found.group(1).replace(",", "."), found.group(2)
    if zone is None:
        return None
    try:
        return datetime.fromisoformat(day + zone.upper()).timestamp()
    except (ValueError, OverflowError):
        return None
