"""Who waits for a slot, for what and why, in the order in which slots will be given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from experiments.models import Pool, Team
from experiments.waiting import Waiting

MOST_ROWS = 50


@dataclass(frozen=True)
class Row:
    """One place in a pool's queue. ``url`` and ``name`` are there for what the viewer
    may see; of another team's work only the team is named."""

    place: int
    name: str
    url: str
    team: Team
    pool: Pool
    since: datetime | None
    bold: str
    rest: str
    help_text: str


@dataclass(frozen=True)
class Queue:
    """``rows`` are the first of those that were asked for; the numbers are of all."""

    rows: Sequence[Row]
    left_out: int
    total: int
    sweeps: int
    causes: Sequence[tuple[str, int]]
    by_pool: Mapping[int, int]
    oldest: datetime | None


def queue_rows(
    waits: Mapping[Pool, Sequence[Waiting]],
    *,
    teams: Collection[int],
    only: int | None,
) -> Queue:
    """``teams``: those whose work has a name; ``only``: the one team that is listed."""
    everything = [(pool, wait) for pool, queue in waits.items() for wait in queue]
    listed = sorted(
        (pair for pair in everything if only in (None, _team(pair[1]).pk)),
        key=lambda pair: (pair[1].place, pair[0].name),
    )
    causes = Counter(wait.cause.rstrip(".") for _, wait in everything)
    return Queue(
        rows=[_row(pool, wait, teams) for pool, wait in listed[:MOST_ROWS]],
        left_out=max(0, len(listed) - MOST_ROWS),
        total=len(everything),
        sweeps=len({wait.sweep.pk for _, wait in everything}),
        causes=causes.most_common(3),
        by_pool={pool.pk: len(queue) for pool, queue in waits.items()},
        oldest=min((w.since for _, w in everything if w.since), default=None),
    )


def _team(wait: Waiting) -> Team:
    team: Team = wait.sweep.experiment.team
    return team


def _row(pool: Pool, wait: Waiting, teams: Collection[int]) -> Row:
    team = _team(wait)
    trial = wait.attempt.trial if wait.attempt else None
    seen = team.pk in teams
    shown = trial or wait.sweep
    return Row(
        place=wait.place,
        name=shown.label
        if seen
        else "another team\N{RIGHT SINGLE QUOTATION MARK}s sweep",
        url=shown.get_absolute_url() if seen else "",
        team=team,
        pool=pool,
        since=wait.since,
        bold=wait.cause,
        rest=wait.detail,
        help_text=wait.help_text,
    )
