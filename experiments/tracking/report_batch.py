"""A request's points on their way into the database, and the reply to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from experiments.models.missing import RefusedName, RefusedPoint
from experiments.tracking.arriving import Sent
from experiments.tracking.memory import JudgedSweep


class AttemptNotRunning(Exception):
    """The attempt has ended, or another one has taken over."""


def not_running(attempt_id: int) -> AttemptNotRunning:
    return AttemptNotRunning(
        f"Attempt {attempt_id} has ended, or another one has taken over."
    )


@dataclass(frozen=True)
class Reply:
    """Whether the training process has to stop, and why; and what was not stored.

    ``reported`` are the names of collected points that were not stored, as the script
    reports these metrics itself.
    """

    stop: bool
    reason: str = ""
    refused: Sequence[RefusedName] = ()
    reported: Sequence[str] = ()


@dataclass(slots=True, eq=False)
class ReportBatch:
    """A request with points, and the reply once it is written.

    `refused` are points that are not valid. `digest` is of the token that it came with,
    if that is still to be checked. `cold` is a sweep whose reports have to be read
    before.
    """

    attempt: int
    points: Sequence[Sent]
    refused: Sequence[RefusedPoint] = ()
    is_heartbeat: bool = False
    key: str = ""
    collected: bool = False
    digest: str = ""
    dropped: list[RefusedPoint] = field(default_factory=list)
    reported: set[str] = field(default_factory=set)
    cold: JudgedSweep | None = None
    reply: Reply | None = None
    by_name: Mapping[str, Sequence[Sent]] = field(init=False)

    def __post_init__(self) -> None:
        by_name: dict[str, list[Sent]] = {}
        for point in self.points:
            by_name.setdefault(point.name, []).append(point)
        self.by_name = by_name

    def __str__(self) -> str:
        """For logs: without the points themselves."""
        return f"{len(self.points)} points of attempt {self.attempt}"

    def begin(self) -> None:
        """Forget what came of it in a transaction that failed."""
        self.dropped.clear()
        self.reported.clear()
        self.reply = None
