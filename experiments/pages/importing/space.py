"""The search space of an import: a picture per parameter, and the first draws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.pages.builder.filling import row_from
from experiments.pages.builder.preview import (
    MAX_COLUMNS,
    MAX_PICTURES,
    DrawTable,
    cell_of,
    draw_table,
)
from experiments.pages.builder.space.parameters import ParameterForm
from experiments.pages.builder.space.pictures import (
    HistogramPicture,
    hint_of,
    pictures_of,
    summary_of,
)
from experiments.pages.builder.space.views import carried_words
from experiments.search.document.definition import SweepDefinition
from experiments.search.fields import shown
from experiments.search.formats import FinishedTrial
from experiments.search.preview import sampled_configurations
from experiments.search.records import JSONValue
from experiments.search.samplers import make_sampler
from experiments.search.space.choice import Choice
from experiments.search.space.conditions import Axis, dump_condition
from experiments.search.space.space import SearchSpace
from experiments.tracking.spaces import axis_values

DRAWS = 3


@dataclass(frozen=True)
class ParameterView:
    """A parameter: its kind, values and condition as text, and a picture of draws."""

    name: str
    kind: str
    values: str
    condition: str
    picture: HistogramPicture | None


def parameter_views(definition: SweepDefinition) -> list[ParameterView]:
    """Every parameter; those inside a nested choice follow it."""
    space = definition.search_space
    base = definition.sampling_algorithm.get("logbase")
    log_base = float(base) if isinstance(base, int | float) else math.e
    pictures = list(pictures_of(space).values())
    pictures[MAX_PICTURES:] = [None] * len(pictures[MAX_PICTURES:])
    return [
        _view(space, axis, log_base, picture)
        for axis, picture in zip(space.axes.values(), pictures, strict=True)
    ]


def _view(
    space: SearchSpace, axis: Axis, base: float, picture: HistogramPicture | None
) -> ParameterView:
    name, law = axis.name, axis.distribution
    document: dict[str, Any] = law.dump()
    condition = space.conditions.get(name)
    if condition is not None:
        words = carried_words(dump_condition(condition))
    else:
        words = _branch_words(space, axis)
    if axis.branches:
        labels = ", ".join(map(_text, axis_values(axis)))
        return ParameterView(name, "choice, nested", labels, words, picture)
    texts = row_from(name, document, base=base, as_logs=False)
    if texts is None:
        return ParameterView(name, law.kind, shown(document), words, picture)
    weights = document.get("probabilities")
    if isinstance(weights, list):
        values = _weighted(document["values"], weights)
        return ParameterView(name, "choice, weighted", values, words, picture)
    row = ParameterForm(texts, log_base=base)
    parts = [summary_of(row), hint_of(row, law)]
    values = "; ".join(filter(None, parts))
    return ParameterView(name, row.spec.name, values, words, picture)


def _branch_words(space: SearchSpace, axis: Axis) -> str:
    """The branches that a nested parameter belongs to: `net = conv or dense`."""
    found = []
    for gate in axis.gates:
        outer = space.axes[gate.axis]
        if isinstance(outer.distribution, Choice):
            keys = map(outer.distribution.key, outer.distribution.distinct)
            pairs = zip(keys, axis_values(outer), strict=True)
            labels = (_text(label) for key, label in pairs if key in gate.keys)
            found.append(f"{outer.name} = {' or '.join(labels)}")
    return " and ".join(found)


def _text(value: JSONValue) -> str:
    return value if isinstance(value, str) else shown(value)


def _weighted(values: Sequence[JSONValue], weights: Sequence[float]) -> str:
    pairs = zip(values, weights, strict=True)
    return ", ".join(f"{_text(value)} {100 * weight:.3g} %" for value, weight in pairs)


def first_draws(definition: SweepDefinition) -> DrawTable:
    space = definition.search_space
    sampler = make_sampler(definition.sampling_algorithm, space)
    return draw_table(space, sampled_configurations(sampler, DRAWS))


def trials_table(
    definition: SweepDefinition, trials: Sequence[FinishedTrial]
) -> DrawTable | None:
    """Trials with their values; None without trials."""
    if not trials:
        return None
    params = [trial.params for trial in trials]
    table = draw_table(definition.search_space, params, columns=MAX_COLUMNS - 1)
    cells = [cell_of(trial.value) for trial in trials]
    rows = [[cell, *row] for cell, row in zip(cells, table.rows, strict=True)]
    names = [definition.objective.primary_metric, *table.names]
    return DrawTable(names, rows, table.more)
