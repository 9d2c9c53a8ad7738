"""What is new to a page that shows everything until some time."""

from __future__ import annotations

from itertools import pairwise

from experiments.sweeps.news import LONG_OVERLAP, OVERLAP, PERIOD, start_of_news


def test_what_commits_late_is_found_within_a_period() -> None:
    now = 1_000 * PERIOD
    usual = start_of_news(now + 1, now + 2, ended=False)
    assert usual == now + 1 - OVERLAP
    polls = [now + 1.5 * number for number in range(int(PERIOD))]
    times = pairwise(polls)
    starts = [start_of_news(seen, asked, ended=False) for seen, asked in times]
    assert sum(start < now - OVERLAP for start in starts) == 1
    # No page asks less often than each 30 s.
    assert LONG_OVERLAP >= PERIOD + OVERLAP


def test_the_end_looks_back_further() -> None:
    assert start_of_news(100.0, 101.0, ended=True) == 100.0 - LONG_OVERLAP
