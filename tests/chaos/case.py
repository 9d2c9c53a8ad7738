"""One run of a scenario: where, on what, with which seed and of which size."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.installation import Installation, installed
from tests.chaos.oracle import Oracle

TRAIN = "python train_chaos.py"


@dataclass
class Case:
    """``figures`` are what was measured, for people to read."""

    folder: Path
    database: str
    seed: int
    size: int
    figures: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    @contextmanager
    def installed(self, **options: Any) -> Iterator[Installation]:
        place = self.folder / "site"
        with installed(place, database=self.database, **options) as site:
            yield site

    def judged(self, site: Installation, sweep: int, **options: Any) -> list[str]:
        """What the oracle finds, with its figures noted."""
        oracle = Oracle(site, sweep)
        takeovers = oracle.takeovers()
        self.figures["lost"] = dict(oracle.losses())
        if takeovers:
            self.figures["longest takeover"] = round(takeovers[-1], 1)
        return oracle.problems(budget=options.pop("budget", self.size), **options)


@dataclass(frozen=True)
class Scenario:
    """``run`` returns what went wrong; ``size`` is what it is run with by default.

    ``obstacle`` tells why it cannot be run on this machine; "" when it can.
    """

    name: str
    run: Callable[[Case], list[str]]
    size: int
    databases: tuple[str, ...] = ("sqlite", "postgres")
    obstacle: Callable[[], str] = str
