"""A sweep document's search space as an Optuna study without trials, in JSON."""

from __future__ import annotations

import json
import math

from experiments.search.formats.export_shared import (
    OURS,
    distributions_of,
    ends_of,
    leave_weights,
    listed_values,
    log_base,
    note_change,
    number,
)
from experiments.search.formats.nodes import Node, json_value
from experiments.search.records import JSONObject, JSONValue

UNSUPPORTED = {
    **OURS,
    "trial": "A study does not hold a command.",
    "inputs": "A study does not hold a command.",
    "sampling_algorithm": "A study does not hold its sampler; create it with one.",
    "early_termination": "A study does not hold its pruner; create it with one.",
    "limits": "Pass limits to study.optimize.",
    "compute": "A study does not say where trials run.",
    "resources": "A study does not say where trials run.",
    "experiment_name": "A study has one name.",
    "description": "A study has no description.",
}


def export_optuna(document: Node) -> str:
    """JSON with the study's name, its direction and its distributions."""
    distributions = distributions_of(document, base=log_base(document))
    objective = document.inner("objective")
    study = {
        "study_name": document.text("display_name") or document.text("experiment_name"),
        "directions": [objective.text("goal").upper()],
        "metric_names": [objective.text("primary_metric")],
        "user_attrs": json_value(document.take("tags") or {}),
        "distributions": {
            name: _distribution(document, name, dist)
            for name, dist in distributions.items()
        },
    }
    objective.leave("target", "Optuna does not stop when it reaches a value.")
    objective.close("an Optuna study")
    for key, why in UNSUPPORTED.items():
        document.leave(key, why)
    document.close("an Optuna study")
    return json.dumps(study, indent=2, ensure_ascii=False) + "\n"


def _distribution(document: Node, name: str, dist: JSONObject) -> JSONObject:
    kind = str(dist["type"])
    if kind == "choice":
        return _choice(document, name, dist)
    if kind in ("quniform", "qloguniform"):
        return _stepped(document, name, dist)
    low, high = ends_of(dist)
    log = "log" in kind or bool(dist.get("log"))
    if kind in ("int", "randint"):
        step = number(dist, "step", 1)
        return _named("Int", low=low, high=high, log=log, step=step)
    if "normal" in kind:
        note_change(
            document,
            name,
            "Optuna has no normal distribution: every value within three standard "
            "deviations is equally likely.",
        )
    step = number(dist, "step")
    return _named("Float", low=low, high=high, log=log, step=step or None)


def _choice(document: Node, name: str, dist: JSONObject) -> JSONObject:
    values = dist.get("values")
    choices: list[JSONValue] = []
    for value in values if isinstance(values, list) else []:
        if isinstance(value, list | dict):
            note_change(document, name, "A list or a mapping becomes its JSON text.")
            value = json.dumps(value, ensure_ascii=False)
        choices.append(value)
    leave_weights(document, name, dist, "Optuna")
    return _named("Categorical", choices=choices)


def _stepped(document: Node, name: str, dist: JSONObject) -> JSONObject:
    if dist["type"] == "qloguniform":
        values = listed_values(document, name, dist)
        if values is not None:
            return _named("Categorical", choices=values)
    message = "The ends become as likely as the values between them."
    note_change(document, name, message)
    step = number(dist, "q", 1)
    low, high = ends_of(dist)
    ends = (math.ceil(low / step), math.floor(high / step))
    low, high = (round(end * step, 12) for end in ends)
    return _named("Float", low=low, high=high, log=False, step=step)


def _named(kind: str, **attributes: JSONValue) -> JSONObject:
    return {"name": f"{kind}Distribution", "attributes": attributes}
