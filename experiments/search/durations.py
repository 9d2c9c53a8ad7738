"""Durations: a number of seconds, `10 m`, `1 h 30 m`, or ISO 8601 such as `PT1M`."""

from __future__ import annotations

import re

from experiments.search.fields import Fields, is_number
from experiments.search.problems import shown

MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800
LONGEST = 3650 * DAY

UNITS = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), MINUTE),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), HOUR),
    **dict.fromkeys(("d", "day", "days"), DAY),
    **dict.fromkeys(("w", "week", "weeks"), WEEK),
}
NUMBER = r"\d{1,12}(?:\.\d{1,9})?"
PIECE = re.compile(rf"({NUMBER})\s*([a-z]*)\s*", re.IGNORECASE)
ISO = re.compile(
    rf"P(?:({NUMBER})W)?(?:({NUMBER})D)?"
    rf"(?:T(?:({NUMBER})H)?(?:({NUMBER})M)?(?:({NUMBER})S)?)?",
    re.IGNORECASE,
)


def seconds_of(text: str) -> float | None:
    """The seconds that a text means; None when it means no duration."""
    text = text.strip()[:100]
    iso = ISO.fullmatch(text)
    if iso:
        amounts = zip(iso.groups(), (WEEK, DAY, HOUR, MINUTE, 1), strict=True)
        given = [float(amount) * unit for amount, unit in amounts if amount]
        return sum(given) if given else None
    total, place = 0.0, 0
    while place < len(text):
        piece = PIECE.match(text, place)
        unit = UNITS.get(piece[2].lower()) if piece else None
        if piece is None or unit is None:
            return None
        total += float(piece[1]) * unit
        place = piece.end()
    return total if text else None


def read_seconds(document: Fields, key: str) -> float | None:
    """A field that is a duration, in seconds; None when left out or 0 (no limit)."""
    value = document.raw(key)
    if value is None:
        return None
    seconds = seconds_of(value) if isinstance(value, str) else value
    if not is_number(seconds) or not 0 <= seconds <= LONGEST:
        document.error(
            key,
            f"{key} must be a number of seconds or a duration such as 10 m, 1 h or "
            f"PT1M, up to 3,650 days, not {shown(value)}.",
        )
        return None
    if seconds == 0:
        return None
    return int(seconds) if float(seconds).is_integer() else float(seconds)
