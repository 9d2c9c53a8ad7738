"""By what a sweep job of Azure's is known, since our own documents extend its schema.

A document is Azure's when it says so (`$schema`, `type: sweep`), or when it has what
only Azure reads: references (`azureml:…`), environments, identities, old placeholders.
One without any such mark is valid at both, and is read as ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

Document: TypeAlias = Mapping[str, object]
LEGACY = re.compile(r"(?<![{$])\{(?:search_space|inputs)\.\w+\}")
CLOUD = ("identity", "queue_settings", "properties", "services")
REFERENCE = "azureml:"


def azure_marks(document: Document) -> list[str]:
    """The settings by which a sweep job of Azure's is known; none if it is another."""
    kind = str(document.get("type", "")).lower()
    schema = str(document.get("$schema", "")).lower()
    marks = ["$schema"] if "$schema" in document else []
    if kind in ("sweep", "sweep_job"):
        marks.append(f"type: {kind}")
    elif "search_space" not in document and "trial" not in document:
        return marks if "sweepjob" in schema else []
    marks += [key for key in (*CLOUD, "algorithm") if document.get(key) is not None]
    marks += _marks_of_trial(document.get("trial"))
    return marks + _references(document)


def _marks_of_trial(trial: object) -> list[str]:
    if not isinstance(trial, Mapping):
        return ["trial"] if isinstance(trial, str) else []
    keys = ("environment", "distribution")
    marks = [f"trial.{key}" for key in keys if trial.get(key) is not None]
    command = trial.get("command")
    if isinstance(command, str) and LEGACY.search(command):
        marks.append("{search_space.…} in the command")
    return marks


def _references(document: Document) -> list[str]:
    values = {
        "compute": document.get("compute"),
        "trial.code": _part(document, "trial").get("code"),
    }
    for name, value in _part(document, "inputs").items():
        path = value.get("path") if isinstance(value, Mapping) else value
        values[f"inputs.{name[:40]}"] = path
    return [
        f"{place}: {REFERENCE}…"
        for place, value in values.items()
        if isinstance(value, str) and value.startswith(REFERENCE)
    ]


def _part(document: Document, key: str) -> Document:
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}
