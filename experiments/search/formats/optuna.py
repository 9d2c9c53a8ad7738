"""An Optuna study: its distributions become the space, its trials finished ones.

The sweep of an Optuna study: its space, its objective and its finished trials.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from experiments.search.fields import is_number, join, shown
from experiments.search.formats import mapping
from experiments.search.formats.imported import FinishedTrial
from experiments.search.formats.mapping import Names
from experiments.search.formats.nodes import Log, Node, compact, json_value
from experiments.search.formats.optuna_search import read_pruner, read_sampler
from experiments.search.formats.optuna_space import (
    Law,
    OptunaStudy,
    StudyTrial,
    conditions_of,
    is_unmistakable,
    law_of,
    merged,
    optuna_field_paths,
    snapped,
    unknown_fields,
)
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
    log.source_map.put("search_space", study.place, name="")
    if not laws:
        log.problem(study.place, "The study has no parameters.")
    names = Names(log)
    called = {name: names.give(name, join(study.place, name)) for name in laws}
    for name, (path, value) in study.origins().items():
        if name in called:
            Node({}, path, log).record_origin(
                f"search_space.{called[name]}", optuna_field_paths(value)
            )
    conditions = conditions_of(study, laws, called, log)
    _add_trials(study, laws, called, log)
    document: dict[str, JSONValue] = {
        "display_name": study.name,
        "tags": study.tags,
        "trial": {
            "command": mapping.no_command(log, "", "A study does not hold a command.")
        },
        "search_space": {
            called[name]: {**law, **_when(conditions.get(name))}
            for name, law in laws.items()
        },
        "sampling_algorithm": study.sampling or read_sampler(Node({}, "", log)),
        "objective": _objective(study, log),
        "early_termination": study.policy,
        "limits": mapping.limits(
            mapping.no_total(log, "", "A study goes on for as long as it is asked."),
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
        metric = mapping.no_metric(log, "", why, METRIC)
    direction = study.directions[0].lower() if study.directions else ""
    if direction not in ("minimize", "maximize"):
        why = "The direction is not known; Optuna's own default is minimize."
        direction = mapping.no_goal(log, "", why, "minimize")
    return {"primary_metric": metric, "goal": direction}


# The numbers that Optuna's own enumerations have.
STATE_NUMBERS = {1: "COMPLETE", 2: "PRUNED", 3: "FAIL", 0: "RUNNING", 4: "WAITING"}
DIRECTION_NUMBERS = {1: "MINIMIZE", 2: "MAXIMIZE"}
TIMES = ("datetime_start", "datetime_complete")


def read_optuna(source: Node, name: str = "") -> dict[str, JSONValue]:
    """The sweep document of a study as JSON, or of distributions alone."""
    if any(is_unmistakable(value) for _, value in source.entries()):
        laws = dict(source.entries())
        return sweep_of(OptunaStudy(distributions=laws, place=source.path), source.log)
    source = Node(dict(source.entries()), source.path, source.log)
    study = OptunaStudy(name=source.text("study_name") or source.text("name"))
    source.take("study_id")
    _, given = source.first("directions", "direction")
    directions = given if isinstance(given, list) else [given]
    study.directions = [_direction(item) for item in directions if item is not None]
    named = source.items("metric_names")
    study.metric = str(named[0]) if named else ""
    source.take("search_space" if source.has("search_space") else "distributions")
    key, space = source.first("distributions", "search_space")
    study.place = source.at(key)
    study.distributions = dict(source.mapping(key, space).entries())
    study.tags = _tags(source.inner("user_attrs"))
    source.leave("system_attrs", "Optuna's own records of the study are not needed.")
    for index, value in enumerate(source.items("trials")):
        study.trials.append(_trial(source.mapping(f"trials.{index}", value)))
    for summary in ("best_trial", "best_trials", "best_params", "best_value"):
        source.leave(summary, "The best trial is found among the trials.")
    if source.has("sampler"):
        study.sampling = read_sampler(source)
    study.policy = read_pruner(source)
    for part in ("datetime_start", "n_trials"):
        source.leave(part, f"{part} has no counterpart in a sweep document.")
    source.close("a sweep here", also=("sampler", "pruner"))
    return sweep_of(study, source.log)


def _trial(item: Node) -> StudyTrial:
    state = item.take("state")
    _, value = item.first("values", "value")
    values = _numbers(value)
    reports = item.inner("intermediate_values")
    if not values:
        values = [
            number for _, report in reports.entries() for number in _numbers(report)
        ]
    trial = StudyTrial(
        _state(state),
        {key: json_value(param) for key, param in item.inner("params").entries()},
        values,
        dict(item.inner("distributions").entries()),
        item.at("distributions"),
    )
    for key in (
        "number",
        "_trial_id",
        "trial_id",
        "datetime_start",
        "datetime_complete",
    ):
        item.take(key)
    for key in ("user_attrs", "system_attrs", "duration"):
        if item.take(key):
            item.leave(key, "What is noted beside a trial is not kept.")
    item.close("a trial here")
    return trial


def _state(value: object) -> str:
    if isinstance(value, int):
        return STATE_NUMBERS.get(value, "")
    return str(value or "COMPLETE").upper().removeprefix("TRIALSTATE.")


def _direction(value: object) -> str:
    if isinstance(value, int):
        return DIRECTION_NUMBERS.get(value, "")
    return str(value).upper().removeprefix("STUDYDIRECTION.")


def _numbers(value: object) -> list[float]:
    values = value if isinstance(value, list) else [value]
    return [number for number in values if is_number(number)]


def _tags(attributes: Node) -> dict[str, JSONValue]:
    tags: dict[str, JSONValue] = {}
    for key, value in attributes.entries():
        if isinstance(value, bool | str) or is_number(value):
            tags[key] = json_value(value)
        else:
            attributes.leave(key, "A tag is one text or number.")
    return tags
