"""The sweep of an Optuna study: its space, its objective and its finished trials."""

from __future__ import annotations

import math
from collections.abc import Mapping

from experiments.search.importers import missing
from experiments.search.importers.imported import FinishedTrial
from experiments.search.importers.names import Names
from experiments.search.importers.optuna_conditions import conditions_of
from experiments.search.importers.optuna_laws import (
    Law,
    law_of,
    merged,
    places_of,
    snapped,
    unknown_fields,
)
from experiments.search.importers.optuna_search import read_sampler
from experiments.search.importers.optuna_study import OptunaStudy, StudyTrial
from experiments.search.importers.source import Log, Source, compact
from experiments.search.problems import join, shown
from experiments.search.records import JSONValue

STATES = {"COMPLETE": "completed", "PRUNED": "terminated", "FAIL": "failed"}
METRIC = "value"


def sweep_of(study: OptunaStudy, log: Log) -> dict[str, JSONValue]:
    """The sweep document of a study; its trials go to the log."""
    if len(study.directions) > 1:
        log.problem(
            "directions",
            f"The study has {len(study.directions)} objectives; a sweep here has one. "
            "Multi-objective studies cannot be imported.",
        )
    laws = _laws(study, log)
    log.places.put("search_space", study.place, name="")
    if not laws:
        log.problem(study.place, "The study has no parameters.")
    names = Names(log)
    called = {name: names.give(name, join(study.place, name)) for name in laws}
    for name, (path, value) in study.origins().items():
        if name in called:
            Source({}, path, log).stands(
                f"search_space.{called[name]}", places_of(value)
            )
    conditions = conditions_of(study, laws, called, log)
    _add_trials(study, laws, called, log)
    document: dict[str, JSONValue] = {
        "display_name": study.name,
        "tags": study.tags,
        "trial": {
            "command": missing.no_command(log, "", "A study does not hold a command.")
        },
        "search_space": {
            called[name]: {**law, **_when(conditions.get(name))}
            for name, law in laws.items()
        },
        "sampling_algorithm": study.sampling or read_sampler(Source({}, "", log)),
        "objective": _objective(study, log),
        "early_termination": study.policy,
        "limits": missing.limits(
            missing.no_total(log, "", "A study goes on for as long as it is asked."),
            None,
        ),
    }
    return compact(document)


def _when(condition: JSONValue) -> Law:
    return {"when": condition} if condition else {}


def _laws(study: OptunaStudy, log: Log) -> dict[str, Law]:
    """Every parameter's distribution, the widest where it changed on the way."""
    laws: dict[str, Law] = {}
    last: dict[str, object] = {}
    for name, path, value in study.given():
        if name in last and last[name] is value:
            continue
        last[name] = value
        law = law_of(value)
        for key in unknown_fields(value):
            log.left_out(f"{path}.{key}", f"{key} is no part of a distribution.")
        if law is None:
            log.problem(path, f"{shown(value)} is no distribution of Optuna.")
        elif name not in laws:
            laws[name] = law
        elif laws[name] != law:
            wider = merged(laws[name], law)
            log.changed(
                path,
                f"The range of {name} changed on the way; the widest is taken."
                if wider
                else f"{name} had different distributions; the first is taken.",
            )
            laws[name] = wider or laws[name]
    return laws


def _add_trials(
    study: OptunaStudy, laws: Mapping[str, Law], called: Mapping[str, str], log: Log
) -> None:
    for trial in study.trials:
        state = STATES.get(trial.state)
        if state is None:
            log.left_out(
                "trials",
                "Trials that wait or still run are not taken over, nor is one of an "
                "unknown state.",
            )
            continue
        params = {
            called[name]: _value(laws[name], value)
            for name, value in trial.params.items()
            if name in called
        }
        log.trials.append(FinishedTrial(params, _best(study, trial), state))
    _note_strangers(study, called, log)


def _note_strangers(study: OptunaStudy, called: Mapping[str, str], log: Log) -> None:
    """Say so, once a name, when trials have values of a parameter without a law."""
    seen = set(called)
    for trial in study.trials:
        for name in trial.params:
            if name in seen:
                continue
            seen.add(name)
            inside = trial.place.removesuffix("distributions") + "params"
            message = f"{name} has no distribution; its values are left out of trials."
            log.left_out(join(inside, name), message)


def _value(law: Law, value: JSONValue) -> JSONValue:
    return snapped(law, value) if isinstance(value, float) else value


def _best(study: OptunaStudy, trial: StudyTrial) -> float | None:
    finite = [value for value in trial.values if math.isfinite(value)]
    if not finite:
        return None
    return max(finite) if study.directions[:1] == ["MAXIMIZE"] else min(finite)


def _objective(study: OptunaStudy, log: Log) -> dict[str, JSONValue]:
    metric = study.metric
    if not metric:
        why = "A study's value has no name."
        metric = missing.no_metric(log, "", why, METRIC)
    direction = study.directions[0].lower() if study.directions else ""
    if direction not in ("minimize", "maximize"):
        why = "The direction is not known; Optuna's own default is minimize."
        direction = missing.no_goal(log, "", why, "minimize")
    return {"primary_metric": metric, "goal": direction}
