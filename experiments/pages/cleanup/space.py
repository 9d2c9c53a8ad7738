"""The card "What takes space": a tree of teams, experiments and sweeps, or a list of
kinds or people, with bars by kind and growth.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Max
from django.urls import reverse

from experiments.cleanup.protection import KEEP, TAGGED_KEEP, protected_sweeps
from experiments.cleanup.usage import Measured, SpaceAmount, SpaceGrowth, summed
from experiments.models import Experiment, Sweep, Team, Trial, User
from experiments.models.usage import SpaceKind

# Of more experiments or sweeps than this, the others are one row.
MAX_ROWS = 50
# Of more teams than this none is open at first.
MAX_OPEN = 3
VIEWS = (("tree", "Team, experiment, sweep"), ("kind", "Kind"), ("person", "Person"))
# The tint of each kind in bars; see css/pages/cleanup.css.
KINDS = tuple(SpaceKind)
BAR_WIDTH, SPARK_WIDTH, SPARK_HEIGHT = 1000, 92, 18


@dataclass(frozen=True)
class KindShare:
    """One kind's part of a bar."""

    kind: SpaceKind
    mark: str
    bytes: int
    x: float
    width: float


@dataclass(frozen=True)
class SpaceRow:
    """``toggle``: the URL that opens or closes it; empty if nothing is below it."""

    name: str
    amount: SpaceAmount
    shares: Sequence[KindShare]
    growth: SpaceGrowth
    level: int = 0
    url: str = ""
    toggle: str = ""
    is_open: bool = False
    trials: int | None = None
    changed: datetime | None = None
    note: str = ""
    # Why it must stay; empty if it need not.
    protected: str = ""

    @property
    def protected_glyph(self) -> str:
        return "tag" if self.protected == TAGGED_KEEP else "lock"

    @property
    def spark(self) -> str:
        """The SVG path of its growth; empty without one."""
        sizes = self.growth.bytes
        most = max(sizes, default=0)
        if len(sizes) < 2 or not most:
            return ""
        step = SPARK_WIDTH / (len(sizes) - 1)
        points = (
            f"{2 + index * step:.1f} {22 - SPARK_HEIGHT * size / most:.1f}"
            for index, size in enumerate(sizes)
        )
        return "M" + "L".join(points)


def shares_of(amount: SpaceAmount, *, whole: int) -> list[KindShare]:
    """The parts of its bar, of which ``whole`` bytes fill the width."""
    shares, x = [], 0.0
    for number, kind in enumerate(KINDS, start=1):
        if size := amount.kinds.get(kind, 0):
            width = BAR_WIDTH * size / whole if whole else 0.0
            shares.append(KindShare(kind, f"kind-{number}", size, x, width))
            x += width
    return shares


@dataclass(frozen=True)
class SpaceQuery:
    """What the URL asks for: ``opened`` are marks such as t1 of team 1, e2 of
    experiment 2; None: as usual."""

    view: str = "tree"
    opened: frozenset[str] | None = None

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> SpaceQuery:
        view = str(data.get("by", ""))
        known = {name for name, _ in VIEWS}
        given = data.get("open")
        opened = None if given is None else frozenset(str(given).split(",")) - {""}
        return cls(view if view in known else "tree", opened)

    def ids(self, kind: str) -> set[int]:
        marks = (mark for mark in self.opened or () if mark.startswith(kind))
        return {int(mark[1:]) for mark in marks if mark[1:].isdecimal()}

    def toggled(self, mark: str) -> str:
        opened = (self.opened or frozenset()) ^ {mark}
        return f"?{urlencode({'open': ','.join(sorted(opened))}, safe=',')}#space"


class SpaceTree:
    """The rows of the tree. It takes the same number of queries however many there
    are."""

    def __init__(
        self, measured: Measured, teams: Sequence[Team], query: SpaceQuery
    ) -> None:
        self._measured, self._teams = measured, teams
        if query.opened is None:
            few = teams if len(teams) <= MAX_OPEN else ()
            query = SpaceQuery(query.view, frozenset(f"t{team.pk}" for team in few))
        self._query = query
        self._open_teams = query.ids("t")
        self._open_experiments = query.ids("e")
        self._by_team = measured.amounts("team")
        self._most = max((each.bytes for each in self._by_team.values()), default=0)

    def rows(self) -> Iterator[SpaceRow]:
        growth = self._measured.growth("team")
        below = self._experiment_rows()
        for team in sorted(self._teams, key=lambda team: -self._size(team)):
            inner = below.get(team.pk, [])
            known = [row.trials or 0 for row in inner]
            yield self._row(
                team.name,
                self._by_team[team.pk],
                growth.get(team.pk),
                mark=f"t{team.pk}",
                url=reverse("team_detail", args=(team.slug,)),
                trials=sum(known) if inner else None,
            )
            yield from inner
        if None in self._by_team:
            name = "not of a team"
            yield self._row(name, self._by_team[None], growth.get(None))

    def _size(self, team: Team) -> int:
        return self._by_team[team.pk].bytes

    def _row(
        self,
        name: str,
        amount: SpaceAmount,
        growth: SpaceGrowth | None,
        *,
        mark: str = "",
        **more: Any,
    ) -> SpaceRow:
        return SpaceRow(
            name,
            amount,
            shares_of(amount, whole=self._most),
            growth or SpaceGrowth(),
            toggle=self._query.toggled(mark) if mark else "",
            is_open=mark in (self._query.opened or ()),
            **more,
        )

    def _experiment_rows(self) -> dict[int, list[SpaceRow]]:
        """By open team: its experiments, each with its sweeps if it is open."""
        only = {"team__in": self._open_teams}
        amounts = self._measured.amounts("experiment", **only)
        growth = self._measured.growth("experiment", **only)
        unused = self._measured.amounts("team", experiment=None, **only)
        trials = _counts(Trial.objects.filter(experiment__in=list(amounts)))
        below = self._sweep_rows()
        found: dict[int, list[SpaceRow]] = {pk: [] for pk in self._open_teams}
        experiments = Experiment.objects.filter(pk__in=list(amounts))
        changes = experiments.annotate(changed=Max("sweeps__updated_at"))
        for experiment in sorted(changes, key=lambda each: -amounts[each.pk].bytes):
            rows = found.setdefault(experiment.team_id, [])
            rows.append(
                self._row(
                    experiment.name,
                    amounts[experiment.pk],
                    growth.get(experiment.pk),
                    mark=f"e{experiment.pk}",
                    level=1,
                    url=experiment.get_absolute_url(),
                    trials=trials.get(experiment.pk, 0),
                    changed=experiment.changed,
                    protected=TAGGED_KEEP if KEEP in experiment.tags else "",
                )
            )
            rows += below.get(experiment.pk, [])
        for team in self._open_teams & set(unused):
            text = "code that no sweep uses"
            found[team].append(self._row(text, unused[team], None, level=1))
        return {team: self._shortened(rows, 1) for team, rows in found.items()}

    def _sweep_rows(self) -> dict[int, list[SpaceRow]]:
        """By open experiment."""
        only = {"experiment__in": self._open_experiments}
        amounts = self._measured.amounts("sweep", **only)
        growth = self._measured.growth("sweep", **only)
        runs = self._measured.amounts("experiment", sweep=None, **only)
        sweeps = Sweep.all_objects.filter(pk__in=[pk for pk in amounts if pk])
        counted = sweeps.select_related("experiment").annotate(count=Count("trials"))
        protected = protected_sweeps(sweeps, self._teams) if amounts else {}
        found: dict[int, list[SpaceRow]] = {pk: [] for pk in self._open_experiments}
        for sweep in sorted(counted, key=lambda each: -amounts[each.pk].bytes):
            row = self._sweep_row(sweep, amounts[sweep.pk], growth.get(sweep.pk))
            row = replace(row, protected=protected.get(sweep.pk, ""))
            found[sweep.experiment_id].append(row)
        for experiment in self._open_experiments & set(runs):
            found[experiment].append(
                self._row("single runs", runs[experiment], None, level=2)
            )
        return {pk: self._shortened(rows, 2) for pk, rows in found.items()}

    def _sweep_row(
        self, sweep: Any, amount: SpaceAmount, growth: SpaceGrowth | None
    ) -> SpaceRow:
        in_trash = sweep.deletion_requested_at is not None
        return self._row(
            sweep.label,
            amount,
            growth,
            level=2,
            url="" if in_trash else sweep.get_absolute_url(),
            trials=sweep.count,
            changed=sweep.updated_at,
            note="in the trash" if in_trash else "",
        )

    def _shortened(self, rows: list[SpaceRow], level: int) -> list[SpaceRow]:
        """The largest of this level, with what is below them, and the rest as one."""
        own = [index for index, row in enumerate(rows) if row.level == level]
        if len(own) <= MAX_ROWS:
            return rows
        rest = [row for row in rows[own[MAX_ROWS] :] if row.level == level]
        amount = summed(row.amount for row in rest)
        return [
            *rows[: own[MAX_ROWS]],
            self._row(f"and {len(rest):,} more", amount, None, level=level),
        ]


def _counts(trials: Any) -> dict[int, int]:
    return dict(trials.order_by().values_list("experiment").annotate(Count("pk")))


def kind_rows(measured: Measured) -> list[SpaceRow]:
    amounts, growth = measured.amounts("kind"), measured.growth("kind")
    names = {key: SpaceKind(str(key)).label for key in amounts}
    return _sorted_rows(names, amounts, growth)


def person_rows(measured: Measured) -> list[SpaceRow]:
    amounts, growth = measured.amounts("owner"), measured.growth("owner")
    people = User.objects.in_bulk([pk for pk in amounts if isinstance(pk, int)])
    names = {
        pk: people[pk].display_name if pk in people else "nobody in particular"
        for pk in amounts
    }
    return _sorted_rows(names, amounts, growth)


def _sorted_rows(
    names: Mapping[Any, str],
    amounts: Mapping[object, SpaceAmount],
    growth: Mapping[object, SpaceGrowth],
) -> list[SpaceRow]:
    most = max((amount.bytes for amount in amounts.values()), default=0)
    rows = (
        SpaceRow(
            names[key],
            amount,
            shares_of(amount, whole=most),
            growth.get(key, SpaceGrowth()),
        )
        for key, amount in amounts.items()
    )
    return sorted(rows, key=lambda row: -row.amount.bytes)


def space_rows(
    measured: Measured, teams: Sequence[Team], query: SpaceQuery
) -> Iterable[SpaceRow]:
    if query.view == "kind":
        return kind_rows(measured)
    if query.view == "person":
        return person_rows(measured)
    return list(SpaceTree(measured, teams, query).rows())
