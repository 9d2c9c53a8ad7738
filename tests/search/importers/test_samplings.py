"""Foreign samplers before and after this site has them."""

from __future__ import annotations

import pytest

from experiments.search.definition import parse_document
from experiments.search.importers import import_sweep
from experiments.search.importers.azure_marks import azure_marks
from experiments.search.importers.samplings import (
    FOREIGN,
    available,
    has_rule,
    model_based,
    sampled_here,
)
from experiments.search.importers.source import Log
from experiments.search.problems import DefinitionError
from experiments.search.samplers import SAMPLERS

TODAY = ("random", "grid")
PLAIN = {
    "trial": {"command": "fit"},
    "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
    "sampling_algorithm": "bayesian",
    "objective": {"primary_metric": "loss", "goal": "minimize"},
    "limits": {"max_total_trials": 9},
}
OURS = [
    {"constraints": ["x < 0.5"]},
    {"retries": {"max_attempts": 2}},
    {"resources": {"gpus": 1}},
    {"search_space": {"x": {"type": "float", "low": 0, "high": 1}}},
    {"search_space": {"x": "uniform(0, 1)"}},
    {"search_space": "{'x': uniform(0, 1)}"},
    {"search_space": {"x": {"type": "choice", "values": [1], "probabilities": [1]}}},
    {"objective": {"primary_metric": "loss", "goal": "minimize", "target": 0}},
    {"limits": {"max_total_trials": 9, "max_failed_trials": 3}},
    {"trial": {"command": "fit", "code": {"files": {"fit.py": "1"}}}},
    {"early_termination": {"type": "asha"}},
    {"sampling_algorithm": "tpe"},
]


@pytest.mark.parametrize("kind", FOREIGN)
def test_random_search_stands_in_for_a_sampler_that_is_not_here(kind: str):
    log = Log({"method": 3})
    given = {"type": kind, "seed": 4}
    here = sampled_here(given, log, "method", known=TODAY)
    assert here == {"type": "random", "seed": 4}
    (note,) = log.in_order()
    assert (note.kind, note.path, note.line) == ("changed", "method", 3)
    assert note.message.endswith("here yet; the sweep draws at random.")
    assert note.alternative == "Try the grid when every value is a choice."


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_sampler_that_has_come_is_carried_over_unchanged(kind: str):
    log = Log()
    given = {"type": kind, "seed": 4, "own": 1}
    assert sampled_here(given, log, "method", known=(*TODAY, kind)) == given
    assert not log.notes
    assert available(kind, known=(*TODAY, kind)) == kind
    assert available(kind, known=TODAY) == "random"


def test_settings_that_random_search_does_not_have_are_left_out_with_a_note():
    log = Log()
    given = {"type": "tpe", "startup": 9, "seed": 1}
    here = sampled_here(given, log, "s.type", inside="s", known=TODAY)
    assert here == {"type": "random", "seed": 1}
    paths = [(note.kind, note.path) for note in log.in_order()]
    assert paths == [("changed", "s.type"), ("left out", "s.startup")]


@pytest.mark.parametrize("name", ["anneal", "Random", "grid", None, 3])
def test_a_name_that_no_system_has_is_for_the_parser_to_refuse(name: object):
    log = Log()
    assert sampled_here({"type": name}, log, "s", known=TODAY) == {"type": name}
    assert not log.notes


def test_the_rule_is_asked_of_random_search_itself():
    assert has_rule("random") and not has_rule("halton")
    log = Log()
    given = {"type": "random", "rule": "sobol", "seed": 1, "logbase": 10}
    here = sampled_here(given, log, "s.type", inside="s")
    if has_rule("sobol"):
        assert here == given and not log.notes
    else:
        assert here == {"type": "random", "seed": 1, "logbase": 10}
        assert [note.path for note in log.notes] == ["s.rule"]


def test_advice_names_only_samplers_that_are_here():
    assert "grid" in model_based(known=TODAY)
    assert "such as tpe" in model_based(known=(*TODAY, "tpe"))


def test_a_plain_document_with_sampling_of_azure_alone_is_azures():
    assert azure_marks(PLAIN, known=TODAY) == ["sampling_algorithm: bayesian"]
    assert azure_marks(PLAIN, known=(*TODAY, "bayesian")) == []
    assert azure_marks({**PLAIN, "sampling_algorithm": "random"}, known=TODAY) == []


@pytest.mark.parametrize("addition", OURS)
def test_a_document_with_an_addition_of_ours_is_not_azures(addition: dict):
    assert azure_marks({**PLAIN, **addition}, known=TODAY) == []


def test_our_own_document_is_told_which_samplers_there_are():
    own = {**PLAIN, **OURS[0], "sampling_algorithm": "zzz"}
    imported = import_sweep(str(own))
    assert imported.format == "sweepsite" and not imported.notes
    with pytest.raises(DefinitionError) as error:
        parse_document(imported.document)
    assert all(name in str(error.value) for name in SAMPLERS)


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize(
    "mark",
    [
        {"type": "sweep"},
        {"$schema": "https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json"},
        {"compute": "azureml:cpu"},
        {"inputs": {"data": {"type": "uri_file", "path": "azureml:wine:1"}}},
        {"trial": {"command": "fit", "code": "azureml:code:1"}},
    ],
)
def test_a_document_that_is_azures_by_a_mark_is_valid_here(mark: dict, kind: str):
    imported = import_sweep(str({**PLAIN, **mark, "sampling_algorithm": kind}))
    assert imported.format == "azure"
    definition = parse_document(imported.document)
    assert definition.sampling_algorithm["type"] == available(kind)
