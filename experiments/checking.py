"""What a sweep document would try, before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.search.definition import SweepDefinition, parse_document
from experiments.search.preview import histogram, sampled_configurations
from experiments.search.samplers import make_sampler

MOST_CONFIGURATIONS = 10


@dataclass(frozen=True)
class Checked:
    """A valid definition, and a look at its search space.

    ``combinations`` is None when there are infinitely many.
    """

    definition: SweepDefinition
    combinations: int | None
    histograms: dict[str, dict[str, Any]]
    configurations: list[dict[str, Any]]


def check_document(document: Mapping[str, object]) -> Checked:
    """Read the document and draw from its space. Raises DefinitionError."""
    definition = parse_document(document)
    space = definition.search_space
    sampler = make_sampler(definition.sampling_algorithm, space)
    return Checked(
        definition=definition,
        combinations=space.count(),
        histograms={
            name: dict(histogram(law).dump()) for name, law in space.parameters.items()
        },
        configurations=sampled_configurations(sampler, MOST_CONFIGURATIONS),
    )
