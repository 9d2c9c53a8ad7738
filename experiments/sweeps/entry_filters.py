"""Filters of sweeps and runs: what they can name, and the rows that match."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from experiments.models.sweeps import SweepState
from experiments.models.trials import TrialState
from experiments.search.fields import DefinitionError, Problem
from experiments.search.filters.fields import FilterField, Vocabulary, written_text
from experiments.search.filters.lexer import FilterError
from experiments.search.filters.reader import Filter, parse_filter
from experiments.search.space.distribution import kind_of
from experiments.sweeps.entry_columns import (
    ENTRY_KINDS,
    EntryColumns,
    kinds_of_values,
)
from experiments.sweeps.trial_columns import IS, METRIC, PARAMETER
from experiments.sweeps.trial_filters import ARCHIVED, DURATION, MOMENT, NUMBER, TEXT

# More than this are not chosen by a filter: each is a variable of the database.
MAX_MATCHED = 15_000
MAX_VALUES = 200
ENTRY_STATES = tuple(dict.fromkeys([*map(str, SweepState), *map(str, TrialState)]))
# What only filters have; other words are a text to find.
SIGNS = re.compile(r"[<>=()]|\b(?:and|or|not|in|contains|not_set)\b")


def _fact(
    name: str, kinds: frozenset[str], detail: str, values: tuple[str, ...] = ()
) -> FilterField:
    return FilterField(name, name, kinds, "trial", detail, values, closed=bool(values))


FACTS = (
    _fact("kind", TEXT, "sweep or run", ENTRY_KINDS),
    _fact("state", TEXT, "state", ENTRY_STATES),
    *(
        FilterField(f"{IS}{name}", name, frozenset({"boolean"}), "state", name)
        for name in (*ENTRY_STATES, "archived")
    ),
    _fact("text", TEXT, "name, tags and note"),
    _fact("name", TEXT, "name"),
    _fact("number", NUMBER, "number in the experiment"),
    _fact("value", NUMBER, "best value of a sweep"),
    _fact("trials", NUMBER, "trials of a sweep"),
    _fact("reports", NUMBER, "reports of a run"),
    _fact("took", DURATION, "from start to end, such as 2h"),
    _fact("compute", DURATION, "training time of all trials"),
    _fact("age", DURATION, "time since it was created"),
    _fact("created", MOMENT, "when it was created"),
    _fact("started", MOMENT, "when it started"),
    _fact("ended", MOMENT, "when it ended"),
    _fact("by", TEXT, "user name of the creator"),
    _fact("experiment", TEXT, "short name of the experiment"),
    _fact("team", TEXT, "short name of the team"),
    _fact("metric", TEXT, "primary metric of a sweep"),
    _fact("goal", TEXT, "minimize or maximize", ("minimize", "maximize")),
    _fact("sampler", TEXT, "sampler of a sweep"),
    _fact("policy", TEXT, "early termination of a sweep"),
    _fact("pool", TEXT, "pool of a sweep"),
    _fact("priority", NUMBER, "priority of a sweep"),
    _fact("note", TEXT, "note"),
)


@dataclass(frozen=True)
class EntryFilters:
    """Filters of the rows of one or both kinds."""

    tables: Sequence[EntryColumns]

    @classmethod
    def of(cls, **rows: QuerySet[Any]) -> EntryFilters:
        """By kind: ``sweep=`` and ``run=``."""
        now = timezone.now()
        return cls([EntryColumns(kind, each, now) for kind, each in rows.items()])

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return self._vocabulary(())

    def offers(self) -> Vocabulary:
        """The vocabulary with the tags that rows have, to offer them."""
        labels = (label for t in self.tables for label in t.column("tags").labels)
        return self._vocabulary(tuple(map(str, dict.fromkeys(labels)))[:MAX_VALUES])

    def _vocabulary(self, tags: tuple[str, ...]) -> Vocabulary:
        tag = FilterField("tags", "tag", TEXT, "trial", "tag", tags, several=True)
        parameters = list(self._parameters())
        metrics = [
            FilterField(f"{METRIC}{name}", name, NUMBER, "metric", "metric, as listed")
            for name in sorted(
                {n for table in self.tables for n in table.metric_names()}
            )
        ]
        others = {f"param.{field.name}": field.key for field in parameters}
        others |= {f"metric.{field.name}": field.key for field in metrics}
        fields = (*FACTS, tag, *parameters, *metrics)
        return Vocabulary.of(fields, other_names=others | {"tags": "tags"})

    def _parameters(self) -> Iterator[FilterField]:
        for name, values in kinds_of_values(self.tables).items():
            kinds = frozenset(map(kind_of, values))
            texts = dict.fromkeys(value for value in values if isinstance(value, str))
            known = tuple(texts)[:MAX_VALUES]
            key, detail = f"{PARAMETER}{name}", "parameter, of a sweep's best trial"
            yield FilterField(key, name, kinds, "parameter", detail, known)

    def parse(self, text: str) -> Filter:
        """Raises FilterError."""
        if not text.strip():
            return Filter("")
        zone = timezone.get_current_timezone()
        return parse_filter(text, self.vocabulary, zone=zone)

    def matching(self, found: Filter) -> dict[str, list[int]]:
        """The ids of the rows that match, by kind. Raises FilterError if they are too
        many."""
        ids = {
            table.kind: [
                key
                for key, met in zip(table.keys, found.mask(table).tolist(), strict=True)
                if met
            ]
            for table in self.tables
        }
        count = sum(map(len, ids.values()))
        if count > MAX_MATCHED:
            sentence = (
                f"{count:,} rows match; a filter of this list may choose"
                f" {MAX_MATCHED:,}. Add a condition."
            )
            raise FilterError(sentence, start=0, end=len(found.text))
        return ids


def is_filter(text: str) -> bool:
    """Whether it is a filter, and not a text to find."""
    conditions = {field.name for field in FACTS if field.key.startswith(IS)}
    return bool(SIGNS.search(text)) or text.strip() in conditions


def as_filter(text: str) -> str:
    """A text to find as a filter."""
    text = text.strip()
    if not text or is_filter(text):
        return text
    return f"text contains {written_text(text)}"


def chosen_by(text: str, *, kind: str, rows: QuerySet[Any]) -> QuerySet[Any]:
    """Those that match, archived ones only if the filter names them. Raises
    DefinitionError."""
    if not text.strip():
        return rows
    filters = EntryFilters.of(**{kind: rows})
    try:
        found = filters.parse(as_filter(text))
        ids = filters.matching(found)[kind]
    except FilterError as error:
        raise DefinitionError([Problem("filter", str(error))]) from error
    chosen = rows.filter(pk__in=ids)
    archived = "archived_at" if kind == ENTRY_KINDS[0] else "run__archived_at"
    return chosen if found.names(ARCHIVED) else chosen.filter(**{archived: None})
