"""By what a document is Azure's, and by what it is ours."""

from __future__ import annotations

import json

import pytest

from experiments.search.fields import DefinitionError
from experiments.search.formats import definition_of, import_sweep
from experiments.search.formats.azure import recognise_azure
from experiments.search.samplers import SAMPLERS

PLAIN = {
    "trial": {"command": "fit"},
    "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
    "sampling_algorithm": "bayesian",
    "objective": {"primary_metric": "loss", "goal": "minimize"},
    "limits": {"max_total_trials": 9},
}
SCHEMA = "https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json"
MARKS = [
    {"type": "sweep"},
    {"type": "Sweep"},
    {"$schema": SCHEMA},
    {"compute": "azureml:cpu"},
    {"inputs": {"data": {"type": "uri_file", "path": "azureml:wine:1"}}},
    {"trial": {"command": "fit", "code": "azureml:code:1"}},
    {"trial": {"command": "fit --x {search_space.x}"}},
    {"identity": {"type": "managed"}},
]


def test_a_document_without_a_mark_is_ours() -> None:
    assert recognise_azure(PLAIN) == []
    assert import_sweep(json.dumps(PLAIN)).format == "sweepsite"


@pytest.mark.parametrize("kind", SAMPLERS)
@pytest.mark.parametrize("mark", MARKS)
def test_a_document_of_azures_may_name_every_sampler_here(
    mark: dict, kind: str
) -> None:
    space = {"x": {"type": "choice", "values": [1, 2]}}
    text = json.dumps(
        {**PLAIN, "search_space": space, **mark, "sampling_algorithm": kind}
    )
    imported = import_sweep(text)
    assert imported.format == "azure"
    assert definition_of(imported).sampling_algorithm["type"] == kind


@pytest.mark.parametrize("mark", [{"type": "sweep"}, {"$schema": SCHEMA}])
def test_a_document_that_says_it_is_azures_may_misspell_all_else(mark: dict) -> None:
    with pytest.raises(DefinitionError) as error:
        import_sweep(json.dumps({**mark, "trail": {}, "serch_space": {}}))
    assert {"trail", "serch_space"} <= set(error.value.by_path())


def test_our_own_document_is_told_which_samplers_there_are() -> None:
    own = {**PLAIN, "constraints": ["x < 1"], "sampling_algorithm": "zzz"}
    imported = import_sweep(json.dumps(own))
    assert imported.format == "sweepsite" and not imported.notes
    with pytest.raises(DefinitionError) as error:
        definition_of(imported)
    assert all(name in str(error.value) for name in SAMPLERS)
