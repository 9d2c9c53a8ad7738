"""Which settings make a document Azure's, and which ours."""

from __future__ import annotations

import json

import pytest

from experiments.search.fields import DefinitionError
from experiments.search.formats import definition_of, import_sweep
from experiments.search.formats.azure import recognize_azure
from experiments.search.samplers import SAMPLERS

PLAIN = {
    "trial": {"command": "fit"},
    "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
    "sampling_algorithm": "bayesian",
    "objective": {"primary_metric": "loss", "goal": "minimize"},
    "limits": {"max_total_trials": 9},
}
SCHEMA = "https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json"
AZURE_SETTINGS = [
    {"type": "sweep"},
    {"type": "Sweep"},
    {"$schema": SCHEMA},
    {"compute": "azureml:cpu"},
    {"inputs": {"data": {"type": "uri_file", "path": "azureml:wine:1"}}},
    {"trial": {"command": "fit", "code": "azureml:code:1"}},
    {"trial": {"command": "fit --x {search_space.x}"}},
    {"identity": {"type": "managed"}},
]


def test_a_document_without_azures_settings_is_ours() -> None:
    assert recognize_azure(PLAIN) == []
    assert import_sweep(json.dumps(PLAIN)).format == "sweepsite"


@pytest.mark.parametrize("kind", SAMPLERS)
@pytest.mark.parametrize("mark", AZURE_SETTINGS)
def test_an_azure_document_may_use_every_sampler_here(mark: dict, kind: str) -> None:
    space = {"x": {"type": "choice", "values": [1, 2]}}
    text = json.dumps(
        {**PLAIN, "search_space": space, **mark, "sampling_algorithm": kind}
    )
    imported = import_sweep(text)
    assert imported.format == "azure"
    assert definition_of(imported).sampling_algorithm["type"] == kind


@pytest.mark.parametrize("mark", [{"type": "sweep"}, {"$schema": SCHEMA}])
def test_a_document_marked_as_azures_may_misspell_all_other_keys(mark: dict) -> None:
    with pytest.raises(DefinitionError) as error:
        import_sweep(json.dumps({**mark, "trail": {}, "serch_space": {}}))
    assert {"trail", "serch_space"} <= set(error.value.by_path())


def test_a_problem_of_our_own_document_lists_all_samplers() -> None:
    own = {**PLAIN, "constraints": ["x < 1"], "sampling_algorithm": "zzz"}
    imported = import_sweep(json.dumps(own))
    assert imported.format == "sweepsite" and not imported.notes
    with pytest.raises(DefinitionError) as error:
        definition_of(imported)
    assert all(name in str(error.value) for name in SAMPLERS)
