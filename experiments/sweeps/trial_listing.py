"""Trials of a sweep that match a filter, in an order by any columns, for programs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from experiments.models import Sweep
from experiments.search.fields import DefinitionError, Problem, unknown_name
from experiments.search.filters.columns import RowMask
from experiments.search.filters.lexer import FilterError
from experiments.sweeps.trial_columns import IS
from experiments.sweeps.trial_data import STATES
from experiments.sweeps.trial_filters import TrialFilters
from experiments.sweeps.trial_order import (
    MAX_SORTS,
    Places,
    TrialSort,
    read_sorts,
    sorted_places,
)


@dataclass(frozen=True)
class TrialListing:
    """The numbers of trials in order. Raises DefinitionError for what cannot be read.

    Archived trials are left out if there is a filter, unless it names them.
    """

    sweep: Sweep
    filter: str = ""
    sort: str = ""
    states: Collection[str] = ()

    @cached_property
    def filters(self) -> TrialFilters:
        return TrialFilters.of(self.sweep)

    @cached_property
    def mask(self) -> RowMask:
        data = self.filters.columns.data
        chosen = data.are_in(self.states or STATES)
        if not self.filter.strip():
            return chosen
        try:
            return chosen & self.filters.mask(self.filters.parse(self.filter))
        except FilterError as error:
            raise DefinitionError([Problem("filter", str(error))]) from error

    @cached_property
    def sorts(self) -> Sequence[TrialSort]:
        names = self._sort_names
        words = [word.removeprefix("-") for word in self.sort.split(",") if word]
        if len(words) > MAX_SORTS:
            sentence = f"At most {MAX_SORTS} columns, not {len(words)}."
            raise DefinitionError([Problem("sort", sentence)])
        for word in words:
            if word not in names:
                sentence = unknown_name(word[:100], names, kind="column")
                hint = "A minus sorts the greatest first, such as -value,took."
                raise DefinitionError([Problem("sort", f"{sentence} {hint}")])
        return read_sorts(self.sort, names)

    @property
    def _sort_names(self) -> Mapping[str, str]:
        fields = self.filters.vocabulary.by_name.items()
        return {name: f.key for name, f in fields if not f.key.startswith(IS)}

    @cached_property
    def places(self) -> Places:
        return sorted_places(self.filters.columns, self.mask, self.sorts)

    def numbers_after(self, place: int, number: int, count: int) -> Sequence[int]:
        """The next numbers after the one that was at this place: it may have moved."""
        numbers = self.filters.columns.data.numbers[self.places]
        found = np.flatnonzero(numbers == number)
        start = int(found[0]) + 1 if len(found) else max(0, place)
        after: list[int] = numbers[start : start + count].tolist()
        return after

    def start_of(self, number: int) -> int:
        """The place of a number."""
        numbers = self.filters.columns.data.numbers[self.places]
        return int(np.flatnonzero(numbers == number)[0])
