"""The format of a document, and the sweeps to choose from when it holds several."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from experiments.search.document.loading import load_document
from experiments.search.fields import DefinitionError
from experiments.search.formats.azure import read_azure, recognize_azure
from experiments.search.formats.azure_scripts import azure_script, sweeps_of
from experiments.search.formats.azure_wire import (
    is_sweep_step,
    read_pipeline,
    read_wire,
    recognize_wire,
)
from experiments.search.formats.katib import read_katib
from experiments.search.formats.nni import read_nni, read_nni_space
from experiments.search.formats.nodes import Document, Node, inner_mapping, json_value
from experiments.search.formats.optuna import read_optuna
from experiments.search.formats.optuna_space import is_distribution, is_unmistakable
from experiments.search.formats.optuna_storage import MAGIC, MAX_BYTES, opened
from experiments.search.formats.wandb import read_wandb
from experiments.search.records import JSONObject

FORMATS: Mapping[str, str] = {
    "sweepsite": "a sweep document of this site",
    "azure": "an Azure ML sweep",
    "wandb": "a Weights & Biases sweep",
    "katib": "a Katib experiment",
    "nni": "an NNI experiment",
    "optuna": "an Optuna study",
}
MAX_PARTS = 200
# Only from a table: a view could run any query.
STUDIES = (
    "SELECT substr(study_name, 1, 500) FROM studies WHERE EXISTS (SELECT 1 FROM"
    " sqlite_master WHERE type = 'table' AND name = 'studies') LIMIT ?"
)


@dataclass(frozen=True)
class FormatReader:
    """How documents of one shape are recognized and read.

    `recognize` returns the settings that identify the document, none if it is another.
    `read` takes the document, and the name of a step where it has several.
    """

    format: str
    recognize: Callable[[Document], list[str]]
    read: Callable[[Node, str], JSONObject]


def _keys_present(document: Document, *keys: str) -> list[str]:
    return [key for key in keys if document.get(key) is not None]


def _recognize_katib(document: Document) -> list[str]:
    version = str(document.get("apiVersion", ""))
    if version.startswith("kubeflow.org/") and document.get("kind") == "Experiment":
        return [f"apiVersion: {version[:40]}", "kind: Experiment"]
    if document.get("kind") == "Experiment" and "spec" in document:
        return ["kind: Experiment", "spec"]
    return []


def _recognize_pipeline(document: Document) -> list[str]:
    if document.get("type") == "pipeline":
        return ["type: pipeline"]
    steps = inner_mapping(document, "jobs").values()
    if any(isinstance(step, Mapping) and "search_space" in step for step in steps):
        return ["jobs"]
    return []


def _recognize_own(document: Document) -> list[str]:
    found = _keys_present(document, "trial", "search_space", "objective")
    enough = len(found) > 1 or "search_space" in found
    return found if enough and "parameters" not in document else []


def _recognize_wandb(document: Document) -> list[str]:
    methods = ("grid", "random", "bayes", "custom")
    found = []
    if document.get("method") in methods:
        found.append(f"method: {document['method']}")
    found += _keys_present(
        document, "parameters", "program", "early_terminate", "run_cap"
    )
    enough = "parameters" in found or "program" in found
    return found if (enough and "method" in document) or len(found) > 1 else []


def _recognize_nni(document: Document) -> list[str]:
    found = _keys_present(
        document,
        "searchSpace",
        "searchSpaceFile",
        "searchSpacePath",
        "trialCommand",
        "trialConcurrency",
        "maxTrialNumber",
        "maxTrialNum",
    )
    return found if len(found) > 1 or "searchSpace" in found else []


def _recognize_nni_space(document: Document) -> list[str]:
    values = list(document.values())
    if values and all(isinstance(item, Mapping) and "_type" in item for item in values):
        return ["_type", "_value"]
    return []


def _recognize_optuna(document: Document) -> list[str]:
    values = list(document.values())
    if any(map(is_unmistakable, values)):
        return ["Optuna's distributions"]
    for key, known in (
        ("distributions", is_distribution),
        ("search_space", is_unmistakable),
    ):
        inner = inner_mapping(document, key).values()
        if any(map(known, inner)):
            return [key]
    trials = document.get("trials")
    if isinstance(trials, list) and _keys_present(document, "study_name", "directions"):
        return [*_keys_present(document, "study_name", "directions"), "trials"]
    if isinstance(trials, list) and "direction" in document:
        return ["direction", "trials"]
    return []


def _read_own(source: Node, name: str) -> JSONObject:
    return {key: json_value(value) for key, value in source.entries()}


# The first one that recognizes a document reads it.
FORMAT_READERS = (
    FormatReader("katib", _recognize_katib, read_katib),
    FormatReader("azure", _recognize_pipeline, read_pipeline),
    FormatReader("azure", recognize_wire, read_wire),
    FormatReader("optuna", _recognize_optuna, read_optuna),
    FormatReader("nni", _recognize_nni, read_nni),
    FormatReader("nni", _recognize_nni_space, read_nni_space),
    FormatReader("azure", recognize_azure, read_azure),
    FormatReader("sweepsite", _recognize_own, _read_own),
    FormatReader("wandb", _recognize_wandb, read_wandb),
)


def parts_of(content: str | bytes) -> list[str]:
    """The names of a storage's studies, or of the sweeps of a pipeline or script.

    Empty for a file with one sweep or none.
    """
    if isinstance(content, bytes):
        return _studies(content) if content.startswith(MAGIC) else []
    if (script := azure_script(content)) is not None:
        return list(sweeps_of(script))[:MAX_PARTS]
    try:
        jobs = load_document(content).get("jobs")
    except DefinitionError:
        return []
    steps = jobs.items() if isinstance(jobs, Mapping) else ()
    return [name for name, step in steps if is_sweep_step(step)][:MAX_PARTS]


def _studies(content: bytes) -> list[str]:
    if len(content) > MAX_BYTES:
        return []
    try:
        with opened(content) as database:
            rows = database.execute(STUDIES, (MAX_PARTS,)).fetchall()
    except (sqlite3.Error, OverflowError, UnicodeError):
        return []
    return [str(row[0]) for row in rows]
