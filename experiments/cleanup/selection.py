"""What is chosen to be removed: conditions that a person or a rule gives."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Q, QuerySet, Value, Window
from django.db.models.functions import Now, RowNumber

from experiments.formatting import bytes_text
from experiments.models import Experiment, Removable, Sweep, Team, Trial
from experiments.models.trials import IS_RANKED, TRIAL_ENDS, TrialState
from experiments.search.document.limits import bytes_of
from experiments.search.fields import DefinitionError, Problem
from experiments.search.filters.columns import RowTable
from experiments.search.filters.fields import FilterField, Vocabulary
from experiments.search.filters.lexer import FilterError
from experiments.search.filters.reader import parse_filter
from experiments.search.space.distribution import kind_of

KINDS = tuple(kind for kind in Removable if kind != Removable.EXPERIMENT)
# Kinds that are of trials, and so have their states, values and parameters.
OF_TRIALS = frozenset(KINDS) - {Removable.SWEEP, Removable.CODE}
STATES = tuple(state for state in TrialState if state in TRIAL_ENDS)
DAYS = re.compile(r"(\d{1,5}(?:\.\d+)?)\s*(?:d|days?)?")
MAX_DAYS, MAX_BEST = 36_500, 100_000
# A filter is read for each trial.
MAX_MATCHED = 20_000
PARAMETER = "p."
FACTS = ("value", "hours", "number", "reports", "state")
LOG_LIMIT, POINTS = 2_000_000, 10


@dataclass(frozen=True)
class Selection:
    """``older_than`` is in days, ``larger_than`` in bytes. ``not_best``: how many best
    trials of each sweep stay, at least one. ``files`` is a pattern of paths with ``*``.
    ``keep``: the bytes of a long log, or one in how many points. ``ended_before`` is
    set by the job that moves what was confirmed then."""

    kind: Removable
    experiment: int | None = None
    sweep: int | None = None
    state: str = ""
    older_than: float = 0
    larger_than: int = 0
    not_best: int = 1
    files: str = ""
    where: str = ""
    keep: int = 0
    ended_before: datetime | None = None

    def document(self) -> dict[str, Any]:
        """As rules store it, without what is not set."""
        return {name: value for name, value in asdict(self).items() if value}

    @property
    def age(self) -> timedelta:
        return timedelta(days=self.older_than)

    @property
    def words(self) -> str:
        """Such as ``artifacts outside the best 10, older than 30 days``."""
        best = f" outside the best {self.not_best}" if self.not_best > 1 else ""
        kind = kind_words(self.kind)
        return ", ".join(filter(None, (kind + best, *self._conditions())))

    def _conditions(self) -> list[str]:
        keep = {
            Removable.LOG_MIDDLES: f"over {bytes_text(self.keep)}",
            Removable.METRICS: f"all but 1 in {self.keep}",
        }
        return [
            keep.get(self.kind, ""),
            f"of {self.state} trials" if self.state else "",
            f"named {self.files}" if self.files else "",
            f"older than {self.older_than:g} days" if self.older_than else "",
            f"larger than {bytes_text(self.larger_than)}" if self.larger_than else "",
            f"where {self.where}" if self.where else "",
        ]


def kind_words(kind: Removable) -> str:
    """Such as ``sweeps``."""
    plural = "s" if kind in (Removable.SWEEP, Removable.RUN) else ""
    return f"{kind.label.lower()}{plural}"


def read_selection(data: Mapping[str, Any], team: Team) -> Selection:
    """From a form, a rule, the API or a command line. Raises DefinitionError."""
    reader = _SelectionReader(data, team)
    found = reader.read()
    if reader.problems:
        raise DefinitionError(reader.problems)
    return found


class _SelectionReader:
    def __init__(self, data: Mapping[str, Any], team: Team) -> None:
        self.data, self.team = data, team
        self.problems: list[Problem] = []

    def read(self) -> Selection:
        kind = self._choice("kind", KINDS) or Removable.ARTIFACTS
        kind = Removable(kind)
        usual = {Removable.LOG_MIDDLES: LOG_LIMIT, Removable.METRICS: POINTS}
        found = Selection(
            kind=kind,
            experiment=self._row(
                "experiment", Experiment.objects.filter(team=self.team)
            ),
            sweep=self._row("sweep", Sweep.objects.filter(experiment__team=self.team)),
            state=self._choice("state", STATES),
            older_than=self._days("older_than"),
            larger_than=self._bytes("larger_than"),
            not_best=max(1, self._whole("not_best", most=MAX_BEST)),
            files=self._text("files"),
            where=self._text("where"),
            keep=self._bytes("keep") or usual.get(kind, 0),
        )
        if kind not in OF_TRIALS:
            for name in ("state", "where", "files"):
                if getattr(found, name):
                    words = f"{kind.label} cannot be chosen by this. Leave it empty."
                    self.problems.append(Problem(name, words))
        return found

    def _text(self, name: str) -> str:
        value = self.data.get(name)
        return "" if value is None else str(value).strip()[:2_000]

    def _refuse(self, name: str, allowed: str) -> None:
        words = f"{self._text(name)[:60]!r} is not {allowed}."
        self.problems.append(Problem(name, words))

    def _choice(self, name: str, known: tuple[Any, ...]) -> str:
        text = self._text(name)
        if text and text not in known:
            self._refuse(name, f"one of {', '.join(known)}")
            return ""
        return text

    def _whole(self, name: str, *, most: int) -> int:
        text = self._text(name)
        if not text:
            return 0
        if not (text.isascii() and text.isdigit() and int(text[:12]) <= most):
            self._refuse(name, f"a whole number of at most {most:,}")
            return 0
        return int(text)

    def _row(self, name: str, rows: QuerySet[Any]) -> int | None:
        number = self._whole(name, most=2**62)
        if number and not rows.filter(pk=number).exists():
            words = f"Team {self.team.name} has no {name} {number}."
            self.problems.append(Problem(name, words))
        return number or None

    def _days(self, name: str) -> float:
        text = self._text(name)
        match = DAYS.fullmatch(text)
        if text and (not match or float(match[1]) > MAX_DAYS):
            self._refuse(name, "a number of days, such as 30")
        return float(match[1]) if match else 0

    def _bytes(self, name: str) -> int:
        text = self._text(name)
        size = bytes_of(text)
        if text and size is None:
            self._refuse(name, "a size, such as 1 MB")
        return size or 0


# --- the trials -------------------------------------------------------------------


def ended_trials(selection: Selection, team: Team) -> QuerySet[Trial]:
    """The ended trials and runs that meet all conditions except those of files."""
    trials = Trial.objects.kept().filter(experiment__team=team, state__in=TRIAL_ENDS)
    if selection.kind == Removable.RUN:
        trials = trials.filter(sweep=None)
    if selection.experiment:
        trials = trials.filter(experiment=selection.experiment)
    if selection.sweep:
        trials = trials.filter(sweep=selection.sweep)
    if selection.state:
        trials = trials.filter(state=selection.state)
    if selection.older_than:
        trials = trials.filter(ended_at__lt=Now() - Value(selection.age))
    if then := selection.ended_before:
        # The files of a sweep that was running then were protected.
        trials = trials.exclude(ended_at__gte=then).exclude(sweep__ended_at__gte=then)
    return _where(trials, selection.where) if selection.where else trials


def path_expression(pattern: str) -> str:
    """The regular expression of a pattern with ``*``. Each part is taken where it comes
    first, which is enough, and never tried elsewhere: Python would take hours for some
    patterns, and PostgreSQL does not need it."""
    first, *others = map(re.escape, re.split(r"\*+", pattern))
    if not others:
        return f"^{first}$"
    group = "(?:" if connection.vendor == "postgresql" else "(?>"
    middle = "".join(f"{group}.*?{part})" for part in others[:-1])
    return f"^{first}{middle}.*{others[-1]}$"


def best_trials(trials: QuerySet[Trial], count: int) -> Q:
    """The best ``count`` of each sweep. All trials compete, not only the chosen."""
    found = Q()
    sweeps = trials.order_by().values("sweep")
    for goal, order in (
        ("maximize", F("value").desc()),
        ("minimize", F("value").asc()),
    ):
        rank = Window(RowNumber(), partition_by="sweep", order_by=(order, "number"))
        ranked = Trial.objects.filter(IS_RANKED, sweep__goal=goal, sweep__in=sweeps)
        best = ranked.order_by().annotate(rank=rank).filter(rank__lte=count)
        found |= Q(pk__in=best.values("pk"))
    return found


def _where(trials: QuerySet[Trial], text: str) -> QuerySet[Trial]:
    """Those that match a filter of parameters and FACTS. A trial without one of the
    values that it compares does not."""
    columns = ("pk", "params", "value", "started_at", "ended_at", "number", "reports")
    pks: list[int] = []
    rows: list[dict[str, Any]] = []
    for pk, params, *facts in trials.order_by().values_list(*columns, "state"):
        pks.append(pk)
        values = {f"{PARAMETER}{name}": value for name, value in params.items()}
        rows.append({**values, **_facts(*facts)})
    try:
        found = parse_filter(text, _vocabulary(rows))
    except FilterError as error:
        raise DefinitionError([Problem("where", str(error))]) from error
    table = RowTable(rows)
    mask = found.mask(table)
    for field in found.fields:
        mask = mask & table.column(field.key).present()
    chosen = [pk for pk, matches in zip(pks, mask.tolist(), strict=True) if matches]
    if len(chosen) > MAX_MATCHED:
        words = (
            f"{len(chosen):,} trials match; a filter may choose {MAX_MATCHED:,} at"
            " once. Choose one experiment or sweep."
        )
        raise DefinitionError([Problem("where", words)])
    return Trial.objects.filter(pk__in=chosen)


def _vocabulary(rows: Iterable[Mapping[str, Any]]) -> Vocabulary:
    kinds: dict[str, set[str]] = {}
    for values in rows:
        for key, value in values.items():
            kinds.setdefault(key, set()).add(kind_of(value))
    number = frozenset({"number"})
    facts = [FilterField(name, name, number) for name in FACTS if name != "state"]
    state = FilterField("state", "state", frozenset({"text"}), "trial", "", STATES)
    parameters = [
        FilterField(
            key, key.removeprefix(PARAMETER), frozenset(kinds[key]), "parameter"
        )
        for key in kinds
        if key.startswith(PARAMETER)
    ]
    others = {f"param.{field.name}": field.key for field in parameters}
    return Vocabulary.of((*facts, state, *parameters), other_names=others)


def _facts(
    value: Any, started: Any, ended: Any, number: int, reports: int, state: str
) -> dict[str, Any]:
    hours = (ended - started).total_seconds() / 3600 if started and ended else None
    found = dict(zip(FACTS, (value, hours, number, reports, state), strict=True))
    return {name: fact for name, fact in found.items() if fact is not None}
