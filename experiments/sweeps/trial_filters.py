"""Filters of a sweep's trials: what they can name, and the trials that match."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from django.utils import timezone
from numpy.typing import ArrayLike

from experiments.formatting import number_text
from experiments.models import Sweep
from experiments.models.trials import Origin, TrialState
from experiments.search.filters.columns import RowMask
from experiments.search.filters.conditions import FilterCondition
from experiments.search.filters.fields import FilterField, Vocabulary
from experiments.search.filters.reader import Filter, parse_filter
from experiments.search.space.distribution import kind_of
from experiments.sweeps.trial_columns import IS, METRIC, PARAMETER, TrialColumns
from experiments.sweeps.trial_data import STATES
from experiments.tracking.axes import ParameterAxis

NUMBER, TEXT = frozenset({"number"}), frozenset({"text"})
DURATION, MOMENT = frozenset({"duration", "number"}), frozenset({"moment"})
MAX_VALUES = 200
ARCHIVED = f"{IS}archived"


def _fact(
    name: str, kinds: frozenset[str], detail: str, values: tuple[str, ...] = ()
) -> FilterField:
    return FilterField(name, name, kinds, "trial", detail, values)


FACTS = (
    FilterField("state", "state", TEXT, "trial", "state", STATES, closed=True),
    *(
        FilterField(f"{IS}{name}", name, frozenset({"boolean"}), "state", detail)
        for name, detail in (
            *((state, f"{state.label}") for state in TrialState),
            ("best", "the best trial"),
            ("archived", "archived"),
            ("repeated", "runs another trial's values again"),
        )
    ),
    _fact("number", NUMBER, "trial number"),
    _fact("rank", NUMBER, "from 1, the best"),
    _fact("value", NUMBER, "the primary metric, as shown"),
    _fact("reports", NUMBER, "number of reports"),
    _fact("took", DURATION, "training time, such as 6m"),
    _fact("queued_for", DURATION, "time in the queue"),
    _fact("age", DURATION, "time since it was created"),
    _fact("started", MOMENT, "when it started"),
    _fact("ended", MOMENT, "when it ended"),
    _fact("created", MOMENT, "when it was created"),
    _fact("attempts", NUMBER, "number of attempts"),
    _fact("host", TEXT, "where it ran last"),
    _fact("slot", NUMBER, "slot of the host"),
    _fact("origin", TEXT, "where its values come from", tuple(Origin.values)),
    _fact("repeats", NUMBER, "the trial that it runs again"),
    _fact("group", NUMBER, "first trial with the same values"),
    _fact("message", TEXT, "why it ended, in words"),
    _fact("note", TEXT, "note"),
)


@dataclass(frozen=True)
class TrialFilters:
    """Filters of one sweep's trials as they are now."""

    columns: TrialColumns

    @classmethod
    def of(cls, sweep: Sweep) -> TrialFilters:
        return cls(TrialColumns(sweep))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return self._vocabulary(())

    def offers(self) -> Vocabulary:
        """The vocabulary with the tags that trials have, to offer them."""
        labels = self.columns.column("tags").labels[:MAX_VALUES]
        return self._vocabulary(tuple(map(str, labels)))

    def _vocabulary(self, tags: tuple[str, ...]) -> Vocabulary:
        data, sweep = self.columns.data, self.columns.sweep
        reasons = tuple(word for word in data.reason_words if word)
        reason = _fact("reason", TEXT, "why it ended", reasons)
        tag = FilterField("tags", "tag", TEXT, "trial", "tag", tags, several=True)
        detail = "metric, as shown"
        value = FilterField("value", sweep.primary_metric, NUMBER, "metric", detail)
        parameters = list(self._parameters())
        metrics = list(self._metrics())
        others = {f"param.{field.name}": field.key for field in parameters}
        others |= {f"metric.{field.name}": field.key for field in metrics}
        others |= {f"metric.{value.name}": "value", "tags": "tags"}
        return Vocabulary.of(
            (*FACTS, reason, tag, *parameters, value, *metrics),
            other_names=others,
            hints=self._hints(),
        )

    def _parameters(self) -> Iterator[FilterField]:
        data = self.columns.data
        for name in dict.fromkeys((*data.axes, *data.labels)):
            axis = data.axes.get(name)
            labels = data.labels.get(name, ())
            kinds = {kind_of(label) for label in labels}
            if axis is None or not axis.choices:
                kinds.add("number")
            values = tuple(label for label in labels if isinstance(label, str))
            yield FilterField(
                *(f"{PARAMETER}{name}", name, frozenset(kinds), "parameter"),
                parameter_detail(axis),
                values[:MAX_VALUES],
            )

    def _metrics(self) -> Iterator[FilterField]:
        """Each metric's last value by its name; others as ``loss.min``."""
        for name in self.columns.metric_names:
            primary = name == self.columns.sweep.primary_metric
            if not primary:
                key = f"{METRIC}{name}.last"
                yield FilterField(key, name, NUMBER, "metric", "metric, last value")
            for part, words in AGGREGATE_WORDS.items():
                if part != "best" or primary:
                    key = f"{METRIC}{name}.{part}"
                    own = f"{name}.{part}"
                    yield FilterField(key, own, NUMBER, "metric", f"metric, {words}")

    def _hints(self) -> dict[str, str]:
        primary = self.columns.sweep.primary_metric
        hints: dict[str, str] = {}
        for name in self.columns.metric_names:
            sentence = (
                f"Only {primary} has a best value, as it has a goal. Use {name}.min or"
                f" {name}.max."
            )
            hints |= {f"{name}.best": sentence, f"metric.{name}.best": sentence}
        return hints

    def parse(self, text: str) -> Filter:
        """Raises FilterError."""
        if not text.strip():
            return Filter("")
        zone = timezone.get_current_timezone()
        return parse_filter(text, self.vocabulary, zone=zone)

    def mask(self, found: Filter) -> RowMask:
        """Which trials match: archived ones only if the filter names them."""
        mask = found.mask(self.columns)
        return mask if found.names(ARCHIVED) else mask & ~self.columns.mask("archived")

    def without_each(self, found: Filter) -> Iterator[tuple[FilterCondition, int]]:
        """Of each condition, how many trials do not meet it."""
        for condition in found.conditions:
            part = self.mask(self.parse(condition.text))
            yield condition, self.columns.size - int(np.count_nonzero(part))


AGGREGATE_WORDS = {
    "last": "last value",
    "best": "best value",
    "min": "least value",
    "max": "greatest value",
}


def parameter_detail(axis: ParameterAxis | None) -> str:
    """Such as ``parameter, 0.1 to 100, log``."""
    if axis is None:
        return "parameter"
    if axis.choices:
        return f"parameter, {len(axis.choices)} values"
    low, high = number_text(axis.low), number_text(axis.high)
    return f"parameter, {low} to {high}{', log' if axis.log else ''}"


def numbers_matching(sweep: Sweep, text: str) -> list[int]:
    """The numbers of the trials that match, in order. Raises FilterError."""
    filters = TrialFilters.of(sweep)
    mask = filters.mask(filters.parse(text))
    found: list[int] = filters.columns.data.numbers[mask].tolist()
    return found


def number_ranges(numbers: ArrayLike) -> str:
    """Ascending numbers in short: ``0-41,43,50-999``."""
    found = np.asarray(numbers, np.int64)
    if not len(found):
        return ""
    breaks = np.flatnonzero(np.diff(found) != 1)
    starts = found[[0, *(breaks + 1)]].tolist()
    ends = found[[*breaks, -1]].tolist()
    return ",".join(
        str(start) if start == end else f"{start}-{end}"
        for start, end in zip(starts, ends, strict=True)
    )
