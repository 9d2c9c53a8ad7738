"""What early termination saved a team, month by month."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from experiments import ledger
from experiments.ledger import Saving
from experiments.models import Sweep, Team

MOST_MONTHS = 12


@dataclass(frozen=True)
class MonthRow:
    """``seconds`` of ``most``, both whole, are drawn as a bar."""

    name: str
    saving: Saving
    seconds: int
    most: int


@dataclass(frozen=True)
class Savings:
    """The latest months first, and the sum of all there are."""

    rows: Sequence[MonthRow]
    total: Saving
    earlier: int

    @property
    def has_gpus(self) -> bool:
        return self.total.gpu_seconds > 0

    @property
    def has_money(self) -> bool:
        return self.total.money is not None


def savings_of(team: Team) -> Savings:
    lines = ledger.lines_of(Sweep.objects.filter(experiment__team=team))
    months = ledger.by_month(lines)
    latest = list(reversed(months.items()))[:MOST_MONTHS]
    most = max((round(saving.seconds) for _, saving in latest), default=0)
    rows = [
        MonthRow(_name(month), saving, round(saving.seconds), max(most, 1))
        for month, saving in latest
    ]
    total = ledger.total(months.values())
    return Savings(rows, total, len(months) - len(rows))


def _name(month: str) -> str:
    """``Nov 2026`` for ``2026-11``."""
    return f"{datetime.strptime(month, '%Y-%m'):%b %Y}"
