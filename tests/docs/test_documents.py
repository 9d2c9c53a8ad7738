"""Documents in the documentation are read by our own readers."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from experiments.search.document.definition import SweepDefinition
from experiments.search.document.entry import read_entry
from experiments.search.document.loading import load_document
from experiments.search.formats import definition_of, import_sweep
from tests.docs.blocks import Block, blocks, every_block

CHECKED = {"sh", "bash", "python", "yaml", "json", "text"}
# What a fragment of a document leaves out.
WHOLE: dict[str, Any] = {
    "experiment_name": "digits",
    "trial": {"command": "python train.py"},
    "search_space": {
        "lr": {"type": "uniform", "min_value": 0, "max_value": 1},
        "layers": {"type": "int", "low": 1, "high": 4},
        "batch_size": {"type": "choice", "values": [16, 32]},
        "optimizer": {"type": "choice", "values": ["sgd", "adam"]},
        "momentum": {"type": "uniform", "min_value": 0.5, "max_value": 0.9},
    },
    "objective": {"primary_metric": "accuracy", "goal": "maximize"},
    "limits": {"max_total_trials": 20},
}
FIELDS = set(SweepDefinition.__dataclass_fields__) | set(WHOLE) | {"constraints"}


def test_every_block_has_a_language_that_a_test_checks() -> None:
    assert [str(b) for b in every_block() if b.language not in CHECKED] == []


@pytest.mark.parametrize("block", blocks("yaml"), ids=str)
def test_yaml_is_a_sweep_or_a_part_of_one(block: Block) -> None:
    if "scrape_configs" in block.code:
        assert yaml.safe_load(block.code)
        return
    document = dict(load_document(block.code))
    if set(document) < FIELDS and not {"search_space", "objective"} <= set(document):
        read_entry({**WHOLE, **document})
        return
    definition_of(import_sweep(block.code))


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    document = json.loads(block.code)
    if "distributions" in document or "searchSpace" in document:
        definition_of(import_sweep(block.code))
