"""What is new to a page that shows everything until some time."""

from __future__ import annotations

OVERLAP, LONG_OVERLAP = 2.0, 30.0
PERIOD = 15.0


def start_of_news(seen: float, now: float, *, ended: bool) -> float:
    """Rows that changed since this time may be new. Times are seconds since 1970;
    ``ended``: the sweep has, so that the page will not ask for much longer.

    A transaction commits later than the time on its rows, and many seconds later where
    a disk is busy. So once in a PERIOD, and at the end, the page looks back further.
    """
    far = ended or seen // PERIOD != now // PERIOD
    return seen - (LONG_OVERLAP if far else OVERLAP)
