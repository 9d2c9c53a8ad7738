"""A sweep document's search space as an Optuna study without trials, in JSON."""

from __future__ import annotations

import json
import math

from experiments.search.formats.export_shared import (
    OURS,
    Law,
    laws_of,
    log_base,
    natural,
    number,
    values_of,
    without_condition,
)
from experiments.search.formats.nodes import Node, json_value
from experiments.search.records import JSONValue

# A normal law's values are within so many deviations, but for one in 370.
SIGMAS = 3
LEFT = {
    "trial": "A study does not hold a command.",
    "inputs": "A study does not hold a command.",
    "sampling_algorithm": "A study does not hold its sampler; create it with one.",
    "early_termination": "A study does not hold its pruner; create it with one.",
    "limits": "Limits are given to study.optimize.",
    "compute": "A study does not say where trials run.",
    "resources": "A study does not say where trials run.",
    "experiment_name": "A study has one name.",
    "description": "A study has no description.",
}


def export_optuna(source: Node) -> str:
    """JSON with the study's name, its direction and its distributions."""
    base = log_base(source)
    laws = {
        name: natural(without_condition(source, name, law), base)
        for name, law in laws_of(source).items()
    }
    objective = source.inner("objective")
    study = {
        "study_name": source.text("display_name") or source.text("experiment_name"),
        "directions": [objective.text("goal").upper()],
        "metric_names": [objective.text("primary_metric")],
        "user_attrs": json_value(source.take("tags") or {}),
        "distributions": {
            name: _distribution(source, name, law) for name, law in laws.items()
        },
    }
    objective.leave("target", "Optuna goes on when a value is reached.")
    objective.close("an Optuna study")
    for key, why in {**OURS, **LEFT}.items():
        source.leave(key, why)
    source.close("an Optuna study")
    return json.dumps(study, indent=2, ensure_ascii=False) + "\n"


def _distribution(source: Node, name: str, law: Law) -> dict[str, JSONValue]:
    kind = str(law["type"])
    if kind == "choice":
        return _choice(source, name, law)
    if kind in ("int", "randint"):
        return _whole(law)
    if kind in ("normal", "lognormal", "qnormal", "qlognormal"):
        return _bell(source, name, law)
    if kind in ("quniform", "qloguniform"):
        return _stepped(source, name, law)
    low, high = _ends(law)
    log = kind == "loguniform" or bool(law.get("log"))
    step = number(law, "step")
    return _named("Float", low=low, high=high, log=log, step=step or None)


def _ends(law: Law) -> tuple[float, float]:
    if law["type"] == "float":
        return number(law, "low"), number(law, "high")
    low, high = number(law, "min_value"), number(law, "max_value")
    return (math.exp(low), math.exp(high)) if "log" in str(law["type"]) else (low, high)


def _choice(source: Node, name: str, law: Law) -> dict[str, JSONValue]:
    values = law.get("values")
    choices: list[JSONValue] = []
    for value in values if isinstance(values, list) else []:
        if isinstance(value, list | dict):
            _changed(source, name, "A list or a mapping becomes its JSON text.")
            value = json.dumps(value, ensure_ascii=False)
        choices.append(value)
    if law.get("probabilities"):
        source.log.left_out(
            source.at(f"search_space.{name}.probabilities"),
            "Optuna has no weights: every value is equally likely.",
        )
    return _named("Categorical", choices=choices)


def _whole(law: Law) -> dict[str, JSONValue]:
    if law["type"] == "randint":
        high = number(law, "upper", 1) - 1
        return _named("Int", low=0, high=high, log=False, step=1)
    return _named(
        "Int",
        low=number(law, "low"),
        high=number(law, "high"),
        log=bool(law.get("log")),
        step=number(law, "step", 1),
    )


def _bell(source: Node, name: str, law: Law) -> dict[str, JSONValue]:
    _changed(
        source,
        name,
        "Optuna has no normal law: every value within three deviations is as likely.",
    )
    mu, reach = number(law, "mu"), SIGMAS * number(law, "sigma")
    log = "log" in str(law["type"])
    low, high = mu - reach, mu + reach
    if log:
        low, high = math.exp(low), math.exp(high)
    return _named("Float", low=low, high=high, log=log, step=None)


def _stepped(source: Node, name: str, law: Law) -> dict[str, JSONValue]:
    values = values_of(law)
    if values is not None and law["type"] == "qloguniform":
        _changed(source, name, f"The range becomes a list of its {len(values)} values.")
        return _named("Categorical", choices=values)
    _changed(source, name, "The ends are as likely as the values between them.")
    step = number(law, "q", 1)
    ends = [math.ceil(_ends(law)[0] / step), math.floor(_ends(law)[1] / step)]
    low, high = (round(end * step, 12) for end in ends)
    return _named("Float", low=low, high=high, log=False, step=step)


def _named(kind: str, **attributes: JSONValue) -> dict[str, JSONValue]:
    return {"name": f"{kind}Distribution", "attributes": attributes}


def _changed(source: Node, name: str, message: str) -> None:
    source.log.changed(source.at(f"search_space.{name}"), message)
