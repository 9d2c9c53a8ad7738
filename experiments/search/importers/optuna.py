"""An Optuna study: its distributions become the space, its trials finished ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from experiments.search.fields import is_number
from experiments.search.figures import counted
from experiments.search.importers import missing
from experiments.search.importers.imported import FinishedTrial
from experiments.search.importers.names import Names
from experiments.search.importers.optuna_laws import (
    Law,
    is_unmistakable,
    law_of,
    merged,
    snapped,
    unknown_fields,
)
from experiments.search.importers.source import Log, Source, compact, json_value
from experiments.search.problems import shown
from experiments.search.records import JSONValue
from experiments.search.samplers import SAMPLERS

STATES = {"COMPLETE": "completed", "PRUNED": "terminated", "FAIL": "failed"}
# The numbers that Optuna's own enumerations have.
STATE_NUMBERS = {1: "COMPLETE", 2: "PRUNED", 3: "FAIL", 0: "RUNNING", 4: "WAITING"}
DIRECTION_NUMBERS = {1: "MINIMIZE", 2: "MAXIMIZE"}
METRIC = "value"
TIMES = ("datetime_start", "datetime_complete")


@dataclass
class StudyTrial:
    """One trial as Optuna has it: its state in capitals, its values by name."""

    state: str
    params: dict[str, JSONValue]
    values: list[float] = field(default_factory=list)
    distributions: dict[str, object] = field(default_factory=dict)


@dataclass
class OptunaStudy:
    """A study without the storage that it came from."""

    name: str = ""
    directions: list[str] = field(default_factory=list)
    metric: str = ""
    trials: list[StudyTrial] = field(default_factory=list)
    distributions: dict[str, object] = field(default_factory=dict)
    tags: dict[str, JSONValue] = field(default_factory=dict)


def sweep_of(study: OptunaStudy, log: Log) -> dict[str, JSONValue]:
    """The sweep document of a study; its trials go to the log."""
    if len(study.directions) > 1:
        log.problem(
            "directions",
            f"The study has {len(study.directions)} objectives; a sweep here has one. "
            "Multi-objective studies cannot be imported.",
        )
    laws = _laws(study, log)
    if not laws:
        log.problem("distributions", "The study has no parameters.")
    names = Names(log)
    called = {name: names.give(name, f"distributions.{name}") for name in laws}
    _note_conditions(study, called, log)
    _add_trials(study, laws, called, log)
    document: dict[str, JSONValue] = {
        "display_name": study.name,
        "tags": study.tags,
        "trial": {
            "command": missing.no_command(log, "", "A study does not hold a command.")
        },
        "search_space": {called[name]: json_value(law) for name, law in laws.items()},
        "objective": _objective(study, log),
        "limits": missing.limits(
            missing.no_total(log, "", "A study goes on for as long as it is asked."),
            None,
        ),
    }
    log.changed(
        "",
        "Which sampler and pruner a study uses is not stored: this is a random search "
        "without early termination.",
        _like_optuna(),
    )
    return compact(document)


def _like_optuna() -> str:
    """What comes near to what a study does by default."""
    if "tpe" in SAMPLERS:
        return "Choose the sampler tpe and median stopping for Optuna's own defaults."
    return "Choose median stopping, which is Optuna's default, too."


def read_optuna(source: Source, name: str = "") -> dict[str, JSONValue]:
    """The sweep document of a study as JSON, or of distributions alone."""
    if any(is_unmistakable(value) for _, value in source.entries()):
        return sweep_of(OptunaStudy(distributions=dict(source.entries())), source.log)
    source = Source(dict(source.entries()), source.path, source.log)
    study = OptunaStudy(name=source.text("study_name") or source.text("name"))
    source.take("study_id")
    _, given = source.first("directions", "direction")
    directions = given if isinstance(given, list) else [given]
    study.directions = [_direction(item) for item in directions if item is not None]
    named = source.items("metric_names")
    study.metric = str(named[0]) if named else ""
    source.take("search_space" if source.has("search_space") else "distributions")
    _, space = source.first("distributions", "search_space")
    if isinstance(space, Mapping):
        study.distributions = dict(space)
    study.tags = _tags(source.inner("user_attrs"))
    source.leave("system_attrs", "Optuna's own records of the study are not needed.")
    for index, value in enumerate(source.items("trials")):
        study.trials.append(_trial(source.mapping(f"trials.{index}", value)))
    for summary in ("best_trial", "best_trials", "best_params", "best_value"):
        source.leave(summary, "The best trial is found among the trials.")
    for part in ("sampler", "pruner", "datetime_start", "n_trials"):
        source.leave(part, f"{part} has no counterpart in a sweep document.")
    source.close("a sweep here")
    return sweep_of(study, source.log)


def _trial(item: Source) -> StudyTrial:
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


def _tags(attributes: Source) -> dict[str, JSONValue]:
    tags: dict[str, JSONValue] = {}
    for key, value in attributes.entries():
        if isinstance(value, bool | str) or is_number(value):
            tags[key] = json_value(value)
        else:
            attributes.leave(key, "A tag is one text or number.")
    return tags


def _laws(study: OptunaStudy, log: Log) -> dict[str, Law]:
    """Every parameter's distribution, the widest where it changed on the way."""
    laws: dict[str, Law] = {}
    last: dict[str, object] = {}
    every = [study.distributions, *(trial.distributions for trial in study.trials)]
    for distributions in every:
        for name, value in distributions.items():
            if name in last and last[name] is value:
                continue
            last[name] = value
            path = f"distributions.{name}"
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


def _note_conditions(study: OptunaStudy, called: Mapping[str, str], log: Log) -> None:
    ended = [trial for trial in study.trials if trial.state in ("COMPLETE", "PRUNED")]
    for name in called:
        having = sum(name in trial.params for trial in ended)
        if 0 < having < len(ended):
            log.changed(
                f"distributions.{name}",
                f"{name} has a value in {having} of {counted(len(ended), 'trial')}: "
                "the study's code decides when. Here it always has one.",
                f"Say when in search_space.{called[name]}.when.",
            )


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
