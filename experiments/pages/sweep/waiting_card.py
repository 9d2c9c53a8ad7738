"""Trials that somebody asked for and that wait to run, with a way to take them back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.models import Sweep
from experiments.pages.origins import origin_words
from experiments.pages.sweep.trial_cells import summaries
from experiments.spaces import flat_configurations, search_space
from experiments.wishes import waiting_wishes

# More are counted and not listed.
MOST_LISTED = 20


@dataclass(frozen=True)
class WaitingRow:
    pk: int
    origin: str
    values: str
    by: str


@dataclass(frozen=True)
class WaitingCard:
    """`more` wait beyond those that are listed."""

    rows: Sequence[WaitingRow]
    more: int

    @property
    def count(self) -> int:
        return len(self.rows) + self.more


def waiting_card(sweep: Sweep) -> WaitingCard | None:
    """None where nothing waits; one query, or two where very many do."""
    waiting = waiting_wishes(sweep)
    found = list(waiting.select_related("asked_by")[: MOST_LISTED + 1])
    if not found:
        return None
    more = waiting.count() - MOST_LISTED if len(found) > MOST_LISTED else 0
    space = search_space(sweep)
    listed = found[:MOST_LISTED]
    values = summaries(flat_configurations(space, [wish.params for wish in listed]))
    rows = [
        WaitingRow(
            pk=wish.pk,
            origin=origin_words(wish),
            values=text,
            by=wish.asked_by.display_name if wish.asked_by else "",
        )
        for wish, text in zip(listed, values, strict=True)
    ]
    return WaitingCard(rows, more)
