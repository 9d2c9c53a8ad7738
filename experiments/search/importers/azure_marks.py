"""By what a sweep job of Azure's is known, since our own documents extend its schema.

A document is Azure's when it says so (`$schema`, `type: sweep`), or when it has what
only Azure reads: references (`azureml:…`), environments, identities, old placeholders.
One without any such mark is valid at both, and is read as ours. The exception is one
that asks for sampling that Azure has and this site has not, such as `bayesian`: where
it has none of our additions (constraints, conditions, `int`, `float` and so on) it must
have been written for Azure, and is read as such, so that random search can stand in.
With an addition it is ours, and the sampler is an error.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TypeAlias

from experiments.search.importers.samplings import has_rule
from experiments.search.samplers import SAMPLERS

Document: TypeAlias = Mapping[str, object]
LEGACY = re.compile(r"(?<![{$])\{(?:search_space|inputs)\.\w+\}")
CLOUD = ("identity", "queue_settings", "properties", "services")
REFERENCE = "azureml:"
# What our documents have and Azure's have not, by where it stands.
ADDITIONS = ("constraints", "retries", "resources")
INNER_ADDITIONS = {"objective": "target", "limits": "max_failed_trials"}
LAW_ADDITIONS = ("when", "probabilities")
OUR_LAWS = ("int", "float")
AZURE_POLICIES = ("bandit", "median_stopping", "truncation_selection")


def azure_marks(document: Document, *, known: Collection[str] = SAMPLERS) -> list[str]:
    """The settings by which a sweep job of Azure's is known; none if it is another.

    `known` names the samplers that this site has.
    """
    kind = str(document.get("type", "")).lower()
    schema = str(document.get("$schema", "")).lower()
    marks = ["$schema"] if "$schema" in document else []
    if kind in ("sweep", "sweep_job"):
        marks.append(f"type: {kind}")
    elif "search_space" not in document and "trial" not in document:
        return marks if "sweepjob" in schema else []
    marks += [key for key in (*CLOUD, "algorithm") if document.get(key) is not None]
    marks += _marks_of_trial(document.get("trial"))
    marks += _references(document)
    return marks or _foreign_sampling(document, known)


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


def _foreign_sampling(document: Document, known: Collection[str]) -> list[str]:
    """The sampling, if Azure has it, this site has not, and nothing else is ours."""
    sampling = document.get("sampling_algorithm")
    settings = sampling if isinstance(sampling, Mapping) else {"type": sampling}
    kind = str(settings.get("type") or "random").lower()
    rule = str(settings.get("rule", "")).lower()
    mark = ""
    if kind == "bayesian" and kind not in known:
        mark = "sampling_algorithm: bayesian"
    elif kind == "random" and rule == "sobol" and not has_rule(rule):
        mark = "sampling_algorithm.rule: sobol"
    return [mark] if mark and not _has_additions(document) else []


def _has_additions(document: Document) -> bool:
    space = document.get("search_space")
    policy = _part(document, "early_termination").get("type")
    return (
        any(document.get(key) is not None for key in ADDITIONS)
        or any(key in _part(document, part) for part, key in INNER_ADDITIONS.items())
        or isinstance(_part(document, "trial").get("code"), Mapping)
        or not (policy is None or str(policy).lower() in AZURE_POLICIES)
        or not isinstance(space, Mapping)
        or any(map(_is_our_law, space.values()))
    )


def _is_our_law(law: object) -> bool:
    """Whether a parameter is written as only this site reads it."""
    if not isinstance(law, Mapping):
        return True
    return law.get("type") in OUR_LAWS or any(key in law for key in LAW_ADDITIONS)


def _part(document: Document, key: str) -> Document:
    value = document.get(key)
    return value if isinstance(value, Mapping) else {}
