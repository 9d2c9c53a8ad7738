"""What takes the space, from the rows of measurements: trees, growth and a forecast."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

from django.db.models import QuerySet, Sum

from experiments.models import Experiment, SpaceUsage, Sweep, Team
from experiments.models.usage import SpaceKind

WEEKS = 13
WEEK = timedelta(weeks=1)
# With a shorter history, growth says nothing.
MIN_HISTORY = timedelta(days=2)

Column = Literal["team", "experiment", "sweep", "owner", "kind"]


@dataclass
class SpaceAmount:
    """What something takes now: bytes by kind, files and rows."""

    kinds: dict[SpaceKind, int] = field(default_factory=dict)
    files: int = 0
    rows: int = 0

    @property
    def bytes(self) -> int:
        return sum(self.kinds.values())

    def add(self, kind: str, *, size: int, files: int, rows: int) -> None:
        known = SpaceKind(kind)
        self.kinds[known] = self.kinds.get(known, 0) + size
        self.files += files
        self.rows += rows


@dataclass(frozen=True)
class SpaceGrowth:
    """The bytes of some days, the oldest first; the last is the newest measurement."""

    days: Sequence[date] = ()
    bytes: Sequence[int] = ()

    @property
    def per_week(self) -> float | None:
        """By a straight line through the days; None if they are too few."""
        if len(self.days) < 2 or self.days[-1] - self.days[0] < MIN_HISTORY:
            return None
        weeks = [(day - self.days[0]) / WEEK for day in self.days]
        mean_x = sum(weeks) / len(weeks)
        mean_y = sum(self.bytes) / len(weeks)
        pairs = zip(weeks, self.bytes, strict=True)
        slope = sum((x - mean_x) * (y - mean_y) for x, y in pairs)
        return slope / sum((x - mean_x) ** 2 for x in weeks)

    def full_on(self, free: int) -> date | None:
        """When this many more bytes are used at this rate; None if never, or not in a
        century."""
        rate = self.per_week
        if rate is None or rate <= 0 or not self.days:
            return None
        weeks = free / rate
        return self.days[-1] + weeks * WEEK if 0 <= weeks < 5200 else None


class SpaceLine(NamedTuple):
    """One row of a measurement; what was deleted since then is None."""

    day: date
    team: Team | None
    experiment: Experiment | None
    sweep: Sweep | None
    person: str | None
    kind: str
    bytes: int
    files: int
    rows: int


class Measured:
    """The rows of measurements about these teams; of all with those of the site."""

    def __init__(self, teams: Collection[Team], *, with_site: bool = False) -> None:
        rows = SpaceUsage.objects.order_by()
        self._rows = rows if with_site else rows.filter(team__in=teams)
        self.days = self._shown_days()

    def _shown_days(self) -> list[date]:
        """For each of the last weeks the last day that was measured."""
        days = self._rows.values_list("day", flat=True).distinct().order_by("day")
        if not (every := list(days)):
            return []
        ago = ((every[-1] - day).days // 7 for day in every)
        by_week = dict(zip(ago, every, strict=True))
        return [day for weeks, day in by_week.items() if weeks <= WEEKS]

    @property
    def measured_at(self) -> datetime | None:
        newest = self._newest().order_by("-measured_at")
        return newest.values_list("measured_at", flat=True).first()

    def _newest(self, **only: object) -> QuerySet[SpaceUsage]:
        return self._rows.filter(day__in=self.days[-1:], **only)

    def lines(self) -> Iterator[SpaceLine]:
        """The newest rows with their names, the largest first."""
        joined = ("team", "owner", "experiment", "sweep__experiment")
        rows = self._newest().select_related(*joined).order_by("-bytes", "pk")
        for row in rows.iterator():
            yield SpaceLine(
                row.day,
                row.team,
                row.experiment,
                row.sweep,
                row.owner.username if row.owner else None,
                row.kind,
                *(row.bytes, row.files, row.rows),
            )

    def total(self) -> SpaceAmount:
        return self.amounts("team").get_all()

    def amounts(self, column: Column, **only: object) -> SpaceAmounts:
        """What each team, experiment, sweep or owner takes now, by its id."""
        sums = self._newest(**only).values_list(column, "kind")
        found = SpaceAmounts()
        for key, kind, size, files, rows in sums.annotate(
            Sum("bytes"), Sum("files"), Sum("rows")
        ):
            found[key].add(kind, size=int(size), files=int(files), rows=int(rows))
        return found

    def growth(self, column: Column, **only: object) -> Mapping[object, SpaceGrowth]:
        """By the same ids."""
        rows = self._rows.filter(day__in=self.days, **only)
        sums: dict[object, dict[date, int]] = defaultdict(dict)
        for key, day, size in rows.values_list(column, "day").annotate(Sum("bytes")):
            sums[key][day] = int(size)
        return {key: self._growth(sizes) for key, sizes in sums.items()}

    def total_growth(self) -> SpaceGrowth:
        sums = self._rows.filter(day__in=self.days).values_list("day")
        return self._growth(
            {day: int(size) for day, size in sums.annotate(Sum("bytes"))}
        )

    def _growth(self, sizes: Mapping[date, int]) -> SpaceGrowth:
        return SpaceGrowth(self.days, [sizes.get(day, 0) for day in self.days])


class SpaceAmounts(defaultdict[object, SpaceAmount]):
    def __init__(self) -> None:
        super().__init__(SpaceAmount)

    def get_all(self) -> SpaceAmount:
        return summed(self.values())


def summed(amounts: Iterable[SpaceAmount]) -> SpaceAmount:
    whole = SpaceAmount()
    for amount in amounts:
        for kind, size in amount.kinds.items():
            whole.add(kind, size=size, files=0, rows=0)
        whole.files += amount.files
        whole.rows += amount.rows
    return whole


def by_kind() -> list[tuple[str, int]]:
    """What the whole installation has of each kind, the largest first; empty before the
    first measurement."""
    kinds = Measured((), with_site=True).total().kinds
    return sorted(((kind.label, size) for kind, size in kinds.items()), key=_by_size)


def _by_size(pair: tuple[str, int]) -> int:
    return -pair[1]
