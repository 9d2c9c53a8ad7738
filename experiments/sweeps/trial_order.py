"""The order of a sweep's trials by several columns, and groups of trials with the same
values. Pure, on the columns of trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import scipy
from numpy.typing import NDArray

from experiments.models.trials import TrialState
from experiments.search.filters.columns import FilterColumn, Numbers, RowMask
from experiments.sweeps.trial_columns import PARAMETER, TrialColumns
from experiments.sweeps.trial_data import STATES, state_counts

Places: TypeAlias = NDArray[np.intp]

MAX_SORTS = 5
# The order of states wherever they are listed.
STATE_ORDER = (
    TrialState.RUNNING,
    TrialState.COMPLETED,
    TrialState.TERMINATED,
    TrialState.FAILED,
    TrialState.CANCELLED,
    TrialState.QUEUED,
)
# Parameters that make repeats of one configuration differ.
SEEDS = frozenset({"seed", "random_seed", "random_state"})
CONFIDENCE = 0.95


@dataclass(frozen=True)
class TrialSort:
    """A column to sort by."""

    key: str
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.key}" if self.descending else self.key


def read_sorts(text: str, names: Mapping[str, str]) -> list[TrialSort]:
    """From ``-value,took``. ``names``: keys by name. Raises KeyError with an unknown
    name."""
    found: dict[str, TrialSort] = {}
    for part in filter(None, text.split(",")[:MAX_SORTS]):
        key = names[part.removeprefix("-")]
        found.setdefault(key, TrialSort(key, part.startswith("-")))
    return list(found.values())


def sort_values(columns: TrialColumns, key: str) -> Numbers:
    """Numbers in the order of a column; NaN, which comes last, for none.

    The value of a failed trial counts as none.
    """
    if key == "state":
        order = np.array([STATE_ORDER.index(TrialState(s)) for s in STATES])
        return order[columns.data.states].astype(np.float64)
    if key == "value":
        failed = columns.data.states == STATES.index(TrialState.FAILED)
        return np.where(failed, np.nan, columns.data.value)
    column = columns.column(key)
    if not isinstance(column, FilterColumn):
        counts = np.bincount(column.rows, minlength=column.size).astype(np.float64)
        return np.where(counts == 0, np.nan, -counts)
    return _numbers_then_texts(column)


def _numbers_then_texts(column: FilterColumn) -> Numbers:
    if column.codes is None:
        return column.numbers if column.numbers is not None else np.empty(0)
    words = [str(label) for label in column.labels]
    places = np.argsort(np.argsort(np.array([*words, ""]), kind="stable")).astype(float)
    texts = np.where(column.codes < 0, np.nan, places[column.codes])
    if column.numbers is None:
        return texts
    numbers = column.numbers
    above = np.nanmax(numbers, initial=0.0) + 1
    return np.where(np.isnan(numbers), texts + above, numbers)


def in_order(
    values: Sequence[tuple[Numbers, bool]], numbers: NDArray[np.int64]
) -> Places:
    """Places sorted by columns, each descending or not; then by number."""
    keys: list[NDArray[Any]] = [numbers]
    for column, descending in reversed(values):
        keys += [-column if descending else column, np.isnan(column)]
    return np.lexsort(keys)


def sorted_places(
    columns: TrialColumns, mask: RowMask, sorts: Iterable[TrialSort]
) -> Places:
    """The places of the trials in the mask, in order."""
    places = np.flatnonzero(mask)
    values = [
        (sort_values(columns, each.key)[places], each.descending) for each in sorts
    ]
    found: Places = places[in_order(values, columns.data.numbers[places])]
    return found


# --- groups ---------------------------------------------------------------------------


@dataclass(frozen=True)
class TrialGroups:
    """Trials with equal values, seeds aside. ``of`` has the group of each place."""

    columns: TrialColumns
    places: Places
    of: NDArray[np.intp]
    size: int

    @classmethod
    def among(cls, columns: TrialColumns, mask: RowMask) -> TrialGroups:
        places = np.flatnonzero(mask)
        _, first, of = np.unique(
            group_keys(columns)[places], return_index=True, return_inverse=True
        )
        return cls(columns, places, of.reshape(-1), len(first))

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        return np.bincount(self.of, minlength=self.size)

    @cached_property
    def first(self) -> Places:
        """The place of each group's first trial."""
        found = np.full(self.size, np.iinfo(np.intp).max)
        np.minimum.at(found, self.of, self.places)
        return found

    @cached_property
    def _valued(self) -> tuple[NDArray[np.intp], Numbers]:
        """The groups and values of the trials whose value counts.

        Of trials with the same configuration, seed included, and the same value only
        one: an exact repeat is no evidence about noise.
        """
        counted = np.flatnonzero(self.columns.ranked[self.places])
        values = self.columns.data.value[self.places[counted]]
        same = self.columns.data.groups[self.places[counted]]
        order = np.lexsort((values, same))
        again = (np.diff(same[order]) == 0) & (values[order][1:] == values[order][:-1])
        kept = np.sort(np.delete(order, np.flatnonzero(again) + 1))
        return self.of[counted[kept]], values[kept]

    @cached_property
    def mean(self) -> Numbers:
        """Of the values that count; NaN if there is none."""
        return self._mean(*self._valued)

    def _mean(self, of: NDArray[np.intp], values: Numbers) -> Numbers:
        counts = np.bincount(of, minlength=self.size)
        sums = np.bincount(of, weights=values, minlength=self.size)
        with np.errstate(invalid="ignore"):
            found: Numbers = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
        return found

    @cached_property
    def interval(self) -> Numbers:
        """Half the width of the mean's 95 % confidence interval (Student's t); NaN
        for fewer than two values."""
        of, values = self._valued
        counts = np.bincount(of, minlength=self.size)
        away = (values - self.mean[of]) ** 2
        free = np.maximum(counts - 1, 1)
        scatter = np.sqrt(np.bincount(of, weights=away, minlength=self.size) / free)
        quantile = scipy.special.stdtrit(free, (1 + CONFIDENCE) / 2)
        found = quantile * scatter / np.sqrt(np.maximum(counts, 1))
        return np.where(counts > 1, found, np.nan)

    @cached_property
    def ranks(self) -> Numbers:
        """From 1, the best mean; NaN without one."""
        maximizes = self.columns.sweep.goal == "maximize"
        order = np.argsort(-self.mean if maximizes else self.mean, kind="stable")
        found = np.full(self.size, np.nan)
        found[order] = np.arange(1, self.size + 1)
        return np.where(np.isnan(self.mean), np.nan, found)

    @cached_property
    def scale(self) -> tuple[float, float]:
        """The values between which most intervals are."""
        half = np.nan_to_num(self.interval)
        ends = np.concatenate([self.mean - half, self.mean + half])
        ends = ends[~np.isnan(ends)]
        if not len(ends):
            return 0.0, 1.0
        low, high = np.percentile(ends, [5, 95]).tolist()
        return low, high

    @cached_property
    def took(self) -> Numbers:
        """Seconds of all trials of a group."""
        seconds = np.nan_to_num(self.columns.data.took[self.places])
        found = np.bincount(self.of, weights=seconds, minlength=self.size)
        return found.astype(np.float64)

    def states(self, group: int) -> dict[str, int]:
        """How many trials are in each state."""
        found = state_counts(self.columns.data.states[self.members(group)])
        return {str(s): found[s] for s in STATE_ORDER if found[s]}

    @cached_property
    def _by_group(self) -> Places:
        """The places, group by group, in order of number."""
        return self.places[np.argsort(self.of, kind="stable")]

    @cached_property
    def _ends(self) -> NDArray[np.intp]:
        return np.cumsum(self.counts)

    def members(self, group: int) -> Places:
        """The places of a group's trials, in order of number."""
        end = int(self._ends[group])
        return self._by_group[end - int(self.counts[group]) : end]

    def ordered(self, sorts: Iterable[TrialSort]) -> Places:
        """The groups in order."""
        values = [(self._sort_values(each.key), each.descending) for each in sorts]
        return in_order(values, self.columns.data.numbers[self.first])

    def _sort_values(self, key: str) -> Numbers:
        match key:
            case "value":
                return self.mean
            case "interval":
                return self.interval
            case "took":
                return self.took
        if key in ("number", "state") or key.startswith(PARAMETER):
            return sort_values(self.columns, key)[self.first]
        return self.ranks if key == "rank" else self.means(key)

    def means(self, key: str) -> Numbers:
        """The mean of a column in each group."""
        values = sort_values(self.columns, key)
        known = ~np.isnan(values[self.places])
        return self._mean(self.of[known], values[self.places[known]])


def group_keys(columns: TrialColumns) -> NDArray[np.int64]:
    """Equal for trials of one configuration."""
    data = columns.data
    if not SEEDS & set(data.labels):
        return data.groups
    found: NDArray[np.int64] | None = data.extra.get("group keys")
    if found is None:
        kept = [k for k, name in enumerate(data.labels) if name not in SEEDS]
        cells = np.nan_to_num(data.cells[:, kept], nan=-np.inf)
        table = np.concatenate([cells, data.codes[:, kept]], axis=1)
        _, first, of = np.unique(table, axis=0, return_index=True, return_inverse=True)
        found = data.numbers[first][of.reshape(-1)]
        data.extra["group keys"] = found
    return found
