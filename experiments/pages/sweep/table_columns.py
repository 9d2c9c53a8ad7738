"""The columns that the table of trials can show, and how one is chosen and sorted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

from experiments.models.sweeps import Sweep
from experiments.search.filters.fields import FilterField
from experiments.sweeps.trial_columns import METRIC, PARAMETER
from experiments.sweeps.trial_filters import TrialFilters
from experiments.sweeps.trial_order import TrialSort

MAX_SHOWN = 60
PARAMETERS, METRICS = "Parameters", "Metrics"
TAGS, PLACE = "Tags and notes", "Timing and place"
# In what unit numbers of a column are.
DURATIONS = frozenset({"took", "queued_for"})
MOMENTS = frozenset({"started", "ended", "created"})
# How the first click on a column sorts, where the greatest comes first.
FALLING = frozenset({"number", "reports", "took", "attempts", *MOMENTS})
UNSORTED = frozenset({"curve", "status", "note"})
USUAL_FIRST = ("state", "number", "value", "curve")
USUAL_LAST = ("reports", "took", "status")


@dataclass(frozen=True)
class TrialTableColumn:
    """A column: its key, title, the group in the list of columns, and what it shows."""

    key: str
    title: str
    group: str = PLACE
    detail: str = ""
    numeric: bool = False

    @property
    def sorts(self) -> bool:
        return self.key not in UNSORTED


class ColumnChoice(TypedDict):
    key: str
    title: str
    group: str
    detail: str
    shown: bool
    sort: str


def all_columns(sweep: Sweep, filters: TrialFilters) -> dict[str, TrialTableColumn]:
    """By key, in the order of the list."""
    metric = sweep.primary_metric
    fixed = [
        TrialTableColumn("state", "state", PLACE, "state"),
        TrialTableColumn("number", "trial", PLACE, "trial number", numeric=True),
        TrialTableColumn("rank", "rank", PLACE, "from 1, the best", numeric=True),
        TrialTableColumn("value", metric, METRICS, "metric, as shown", numeric=True),
        TrialTableColumn("interval", "95 % interval", METRICS, "of a group's mean"),
        TrialTableColumn("curve", "curve", METRICS, "metric"),
    ]
    named = [_named(field) for field in filters.vocabulary.fields if _is_shown(field)]
    last = [
        TrialTableColumn("tags", "tags", TAGS, "tags"),
        TrialTableColumn("note", "note", TAGS, "note"),
        TrialTableColumn("reports", "reports", PLACE, "number", numeric=True),
        TrialTableColumn("took", "took", PLACE, "training time", numeric=True),
        TrialTableColumn("queued_for", "queued for", PLACE, "time", numeric=True),
        TrialTableColumn("started", "started", PLACE, "time"),
        TrialTableColumn("ended", "ended", PLACE, "time"),
        TrialTableColumn("created", "created", PLACE, "time"),
        TrialTableColumn("host", "host", PLACE, "where it ran last"),
        TrialTableColumn("slot", "slot", PLACE, "slot of the host", numeric=True),
        TrialTableColumn("attempts", "attempts", PLACE, "number", numeric=True),
        TrialTableColumn("origin", "origin", PLACE, "where its values come from"),
        TrialTableColumn("reason", "reason", PLACE, "why it ended"),
        TrialTableColumn("status", "status", PLACE, "in words"),
    ]
    return {column.key: column for column in (*fixed, *named, *last)}


def _is_shown(field: FilterField) -> bool:
    return field.key.startswith((PARAMETER, METRIC))


def _named(field: FilterField) -> TrialTableColumn:
    group = PARAMETERS if field.is_parameter else METRICS
    numeric = field.kinds == {"number"}
    detail = field.detail.partition(", ")[2] or field.detail
    return TrialTableColumn(field.key, field.name, group, detail, numeric)


def shown_columns(
    text: str, known: dict[str, TrialTableColumn], *, grouped: bool
) -> list[TrialTableColumn]:
    """What ``?cols=`` names; else the usual ones."""
    keys = [key for key in text.split(",") if key in known][:MAX_SHOWN]
    if not keys:
        parameters = [key for key in known if key.startswith(PARAMETER)]
        interval = ("interval",) if grouped else ()
        first = ("rank", *USUAL_FIRST) if grouped else USUAL_FIRST
        keys = [*first[:-1], *interval, first[-1], *parameters, *USUAL_LAST]
    return [known[key] for key in dict.fromkeys(keys)]


def column_choices(
    known: Iterable[TrialTableColumn], shown: Sequence[TrialTableColumn], *, goal: str
) -> Iterator[ColumnChoice]:
    """For the panel of columns: the shown ones first, in their order."""
    keys = {column.key for column in shown}
    for column in (*shown, *(each for each in known if each.key not in keys)):
        is_shown = column.key in keys
        yield ColumnChoice(
            key=column.key,
            title=column.title,
            group="Shown" if is_shown else column.group,
            detail=column.detail,
            shown=is_shown,
            sort=str(first_sort(column, goal)) if column.sorts else "",
        )


def first_sort(column: TrialTableColumn, goal: str) -> TrialSort:
    """How a first click on the column sorts."""
    falls = goal == "maximize" if column.key == "value" else column.key in FALLING
    return TrialSort(column.key, falls)
