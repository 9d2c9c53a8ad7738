"""The space that an import will search: a picture a parameter, and the first draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.pages.builder.preview import MOST_COLUMNS, MOST_PICTURES, NOT_SET
from experiments.pages.builder.space_pictures import (
    Picture,
    hint_of,
    picture_of,
    summary_of,
)
from experiments.pages.builder.space_rows import row_from
from experiments.pages.builder.space_views import carried_words
from experiments.search.definition import SweepDefinition
from experiments.search.distributions import Distribution
from experiments.search.importers import FinishedTrial
from experiments.search.preview import sampled_configurations
from experiments.search.problems import shown
from experiments.search.records import JSONValue
from experiments.search.samplers import make_sampler

DRAWS = 3


@dataclass(frozen=True)
class ParameterView:
    """A parameter: its kind and values in words, its condition, and real draws."""

    name: str
    kind: str
    values: str
    condition: str
    picture: Picture | None


@dataclass(frozen=True)
class Draws:
    """The first configurations; `more` parameters have no column."""

    names: Sequence[str]
    rows: Sequence[Sequence[JSONValue]]
    more: int = 0


def parameter_views(definition: SweepDefinition) -> list[ParameterView]:
    space = definition.search_space
    base = definition.sampling_algorithm.get("logbase")
    log_base = float(base) if isinstance(base, int | float) else math.e
    dumped: dict[str, Any] = space.dump()
    return [
        _view(name, dumped[name], law, log_base, drawn=place < MOST_PICTURES)
        for place, (name, law) in enumerate(space.parameters.items())
    ]


def _view(
    name: str, document: dict[str, Any], law: Distribution, base: float, *, drawn: bool
) -> ParameterView:
    picture = picture_of(law) if drawn else None
    condition = carried_words(document.pop("when")) if "when" in document else ""
    row = row_from(name, document, base=base, as_logs=False)
    if row is None:
        return ParameterView(name, law.kind, shown(document), condition, picture)
    weights = document.get("probabilities")
    if isinstance(weights, list):
        values = _weighted(document["values"], weights)
        return ParameterView(name, "choice, weighted", values, condition, picture)
    words = [summary_of(row), hint_of(row, law, base)]
    values = "; ".join(filter(None, words))
    return ParameterView(name, row.law.name, values, condition, picture)


def _weighted(values: Sequence[JSONValue], weights: Sequence[float]) -> str:
    pairs = zip(values, weights, strict=True)
    return ", ".join(
        f"{value if isinstance(value, str) else shown(value)} {100 * weight:.3g} %"
        for value, weight in pairs
    )


def first_draws(definition: SweepDefinition) -> Draws:
    space = definition.search_space
    sampler = make_sampler(definition.sampling_algorithm, space)
    names = list(space.parameters)[:MOST_COLUMNS]
    found = sampled_configurations(sampler, DRAWS)
    rows = [[params.get(name, NOT_SET) for name in names] for params in found]
    return Draws(names, rows, len(space) - len(names))


def trials_table(
    definition: SweepDefinition, trials: Sequence[FinishedTrial]
) -> Draws | None:
    """Trials with their values; None for none."""
    names = list(definition.search_space.parameters)[: MOST_COLUMNS - 1]
    rows = [
        [trial.value, *(trial.params.get(name, NOT_SET) for name in names)]
        for trial in trials
    ]
    more = len(definition.search_space) - len(names)
    metric = definition.objective.primary_metric
    return Draws([metric, *names], rows, more) if rows else None
