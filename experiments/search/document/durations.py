"""Durations: seconds, `10 m`, `1 h 30 m`, or ISO 8601 such as `PT1M`."""

from __future__ import annotations

import re

from experiments.search.fields import Fields, is_number, shown

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800
MAX_SECONDS = 3650 * DAY
MAX_TEXT_LENGTH = 100
# Decimals of a second: finer than our clocks, and exact in floats up to MAX_SECONDS.
DECIMALS = 6
MIN_SECONDS = 10.0**-DECIMALS

UNITS = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), MINUTE),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), HOUR),
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("w", "week", "weeks"), WEEK),
}
# All the digits of a number, never only some of them.
NUMBER = r"\d{1,12}(?:\.\d+)?(?![\d.])"
PIECE = re.compile(rf"({NUMBER})\s*([a-z]*)\s*", re.IGNORECASE)
ISO = re.compile(
    rf"P(?:({NUMBER})W)?(?:({NUMBER})D)?"
    rf"(?:T(?:({NUMBER})H)?(?:({NUMBER})M)?(?:({NUMBER})S)?)?",
    re.IGNORECASE,
)


def seconds_of(text: str) -> float | None:
    """The seconds of a duration, rounded by `exact`; None if the text is not one.

    A number without a unit, and nothing else, means seconds.
    """
    text = text.strip()
    if not text or len(text) > MAX_TEXT_LENGTH:
        return None
    iso = ISO.fullmatch(text)
    amounts = _iso_amounts(iso) if iso else _amounts(text)
    return exact(sum(amounts)) if amounts else None


def exact(seconds: float) -> float:
    """Seconds with six decimals, so that they survive being written and read.

    A positive number stays positive, because 0 would mean no limit.
    """
    return max(round(float(seconds), DECIMALS), MIN_SECONDS if seconds > 0 else 0.0)


def _iso_amounts(iso: re.Match[str]) -> list[float]:
    amounts = zip(iso.groups(), (WEEK, DAY, HOUR, MINUTE, 1), strict=True)
    return [float(amount) * unit for amount, unit in amounts if amount]


def _amounts(text: str) -> list[float]:
    """The seconds of each number with its unit; empty if there is anything else."""
    found, place = [], 0
    while place < len(text):
        piece = PIECE.match(text, place)
        unit = UNITS.get(piece[2].lower()) if piece else None
        alone = piece is not None and piece.span() == (0, len(text))
        if piece is None or unit is None or not (piece[2] or alone):
            return []
        found.append(float(piece[1]) * unit)
        place = piece.end()
    return found


def read_seconds(document: Fields, key: str) -> float | None:
    """A duration in seconds; None if left out or 0 (no limit)."""
    value = document.raw(key)
    if value is None:
        return None
    seconds = seconds_of(value) if isinstance(value, str) else value
    if not is_number(seconds) or not 0 <= seconds <= MAX_SECONDS:
        document.error(
            key,
            f"{key} must be a duration of up to 3,650 days, not {shown(value)}. Use a "
            "number with a unit, such as 2h or 90m; without one it means seconds.",
        )
        return None
    if seconds == 0:
        return None
    return as_written(exact(seconds))


def as_written(seconds: float | None) -> float | None:
    """As a person writes it: 120 and not 120.0."""
    return int(seconds) if seconds and float(seconds).is_integer() else seconds
