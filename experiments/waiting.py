"""Why trials wait, and what every slot does: for pages that ask whether work moves."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from experiments.models import Attempt, Pool, Sweep, Worker

SlotState = Literal["running", "free", "draining", "silent"]


@dataclass(frozen=True)
class Wait:
    """Why something waits: the cause (bold), what there is to say of it, what helps.

    `help_text` is a sentence that may end with a command; `since` is when the wait
    began.
    """

    bold: str
    rest: str
    help_text: str = ""
    since: datetime | None = None


@dataclass(frozen=True)
class Waiting:
    """One place in a pool's queue: a queued attempt, or a sweep that would place more.

    `place` counts from 1 in the order in which free slots are given away.
    """

    sweep: Sweep
    attempt: Attempt | None
    place: int
    wait: Wait

    @property
    def cause(self) -> str:
        return self.wait.bold

    @property
    def detail(self) -> str:
        return self.wait.rest

    @property
    def help_text(self) -> str:
        return self.wait.help_text

    @property
    def since(self) -> datetime | None:
        return self.wait.since


@dataclass(frozen=True)
class SlotView:
    """What stands at one place of a host's row.

    A trial that takes several slots is one view whose `span` is their number. `devices`
    are the indexes of the GPUs there.
    """

    index: int
    span: int
    state: SlotState
    attempt: Attempt | None
    devices: Sequence[int] = ()


@dataclass(frozen=True)
class HostRow:
    """One worker and its slots from left to right.

    Whether it gives signs of life and whether it drains is said by its slots' states
    and by the worker's own columns.
    """

    worker: Worker
    slots: Sequence[SlotView]


def queue_of(pool: Pool, *, teams: Collection[int] = ()) -> list[Waiting]:
    """What waits for slots of the pool, in the order in which it will get them.

    Takes a fixed number of queries. `teams` are the ids of those whose sweeps may be
    named in the texts; of others only the team is named. Which of the places somebody
    may see at all is for the caller to say.
    """
    return []


def wait_of(attempt: Attempt, *, teams: Collection[int] = ()) -> Wait | None:
    """Why a queued attempt waits; None when it does not wait."""
    return None


def occupancy(pools: Iterable[Pool]) -> list[HostRow]:
    """The hosts of these pools by pool and name, without those that have signed off.

    Takes a fixed number of queries. The attempts come with their trial, sweep,
    experiment and team.
    """
    return []
