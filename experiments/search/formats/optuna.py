"""An Optuna study: its space, its objective and its finished trials."""

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
    OptunaStudy,
    StudyTrial,
    conditions_of,
    distribution_of,
    is_unmistakable,
    merged,
    optuna_field_paths,
    snapped,
    unknown_fields,
)
from experiments.search.records import JSONObject, JSONValue
from experiments.search.wording import counted

STATES = {"COMPLETE": "completed", "PRUNED": "terminated", "FAIL": "failed"}
METRIC = "value"
# The values of Optuna's enumerations.
STATE_NUMBERS = {1: "COMPLETE", 2: "PRUNED", 3: "FAIL", 0: "RUNNING", 4: "WAITING"}
RECORDS = ("number", "_trial_id", "trial_id", "datetime_start", "datetime_complete")
DIRECTION_NUMBERS = {1: "MINIMIZE", 2: "MAXIMIZE"}


def sweep_of(study: OptunaStudy, log: Log) -> JSONObject:
    """The sweep document of a study; the log gets its finished trials."""
    if len(study.directions) > 1:
        log.problem(
            "directions",
            f"The study has {len(study.directions)} objectives. Only studies with one "
            "objective can be imported.",
        )
    distributions = _distributions(study, log)
    log.source_map.put("search_space", study.place, name="")
    if not distributions:
        log.problem(study.place, "The study has no parameters.")
    names = Names(log)
    called = {name: names.give(name, join(study.place, name)) for name in distributions}
    for name, (path, value) in study.origins().items():
        if name in called:
            Node({}, path, log).record_origin(
                f"search_space.{called[name]}", optuna_field_paths(value)
            )
    conditions = conditions_of(study, distributions, called, log)
    _add_trials(study, distributions, called, log)
    document: JSONObject = {
        "display_name": study.name,
        "tags": study.tags,
        "trial": {
            "command": mapping.default_command(log, "", "A study has no command.")
        },
        "search_space": {
            called[name]: {**dist, **_when(conditions.get(name))}
            for name, dist in distributions.items()
        },
        "sampling_algorithm": study.sampling or read_sampler(Node({}, "", log)),
        "objective": _objective(study, log),
        "early_termination": study.policy,
        "limits": mapping.limits_of(
            mapping.default_total(log, "", "A study has no limit."),
            None,
        ),
    }
    return compact(document)


def _when(condition: JSONValue) -> JSONObject:
    return {"when": condition} if condition else {}


def _distributions(study: OptunaStudy, log: Log) -> dict[str, JSONObject]:
    """Every parameter's distribution; the widest range, if it changed."""
    distributions: dict[str, JSONObject] = {}
    last: dict[str, object] = {}
    for name, path, value in study.all_distributions():
        if name in last and last[name] is value:
            continue
        last[name] = value
        dist = distribution_of(value)
        for key in unknown_fields(value):
            log.left_out(f"{path}.{key}", f"{key} is not a field of a distribution.")
        if dist is None:
            log.problem(path, f"{shown(value)} is not an Optuna distribution.")
        elif name not in distributions:
            distributions[name] = dist
        elif distributions[name] != dist:
            wider = merged(distributions[name], dist)
            log.changed(
                path,
                f"The range of {name} changed during the study; the widest is used."
                if wider
                else f"{name} has several distributions; the first is used.",
            )
            distributions[name] = wider or distributions[name]
    return distributions


def _add_trials(
    study: OptunaStudy,
    distributions: Mapping[str, JSONObject],
    called: Mapping[str, str],
    log: Log,
) -> None:
    for trial in study.trials:
        state = STATES.get(trial.state)
        if state is None:
            log.left_out(
                "trials",
                "Only finished trials are imported, not those that wait or run.",
            )
            continue
        params = {
            called[name]: _value(distributions[name], value)
            for name, value in trial.params.items()
            if name in called
        }
        best = _best(study, trial) if trial.is_feasible else None
        log.trials.append(FinishedTrial(params, best, state))
    _note_unknown_parameters(study, called, log)
    _note_constraints(study, log)


def _note_constraints(study: OptunaStudy, log: Log) -> None:
    """Optuna never calls a trial best that does not meet the study's constraints."""
    if not any(trial.constraints for trial in study.trials):
        return
    wrong = sum(not trial.is_feasible for trial in study.trials)
    do = counted(wrong, "trial does", "trials do")
    log.changed(
        "trials",
        f"The study has constraints on results; {do} not meet them. Such trials are "
        "imported without a value.",
        "Let the script fail, or report no value, when a constraint is not met.",
    )


def _note_unknown_parameters(
    study: OptunaStudy, called: Mapping[str, str], log: Log
) -> None:
    """Note each parameter without a distribution that trials have values of."""
    seen = set(called)
    for trial in study.trials:
        for name in trial.params:
            if name in seen:
                continue
            seen.add(name)
            inside = trial.place.removesuffix("distributions") + "params"
            message = f"{name} has no distribution; its values are left out of trials."
            log.left_out(join(inside, name), message)


def _value(dist: JSONObject, value: JSONValue) -> JSONValue:
    return snapped(dist, value) if isinstance(value, float) else value


def _best(study: OptunaStudy, trial: StudyTrial) -> float | None:
    finite = [value for value in trial.values if math.isfinite(value)]
    if not finite:
        return None
    return max(finite) if study.directions[:1] == ["MAXIMIZE"] else min(finite)


def _objective(study: OptunaStudy, log: Log) -> JSONObject:
    metric = study.metric
    if not metric:
        why = "A study's value has no name."
        metric = mapping.default_metric(log, "", why, METRIC)
    direction = study.directions[0].lower() if study.directions else ""
    if direction not in ("minimize", "maximize"):
        why = "The direction is missing; Optuna's default is minimize."
        direction = mapping.default_goal(log, "", why, "minimize")
    return {"primary_metric": metric, "goal": direction}


def read_optuna(source: Node, name: str = "") -> JSONObject:
    """The sweep document of a study as JSON, or of distributions alone."""
    if any(is_unmistakable(value) for _, value in source.entries()):
        distributions = dict(source.entries())
        return sweep_of(
            OptunaStudy(distributions=distributions, place=source.path), source.log
        )
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
    source.leave("system_attrs", "Optuna's internal records are not needed.")
    for index, value in enumerate(source.items("trials")):
        study.trials.append(_trial(source.mapping(f"trials.{index}", value)))
    for summary in ("best_trial", "best_trials", "best_params", "best_value"):
        source.leave(summary, "The trials contain the best one.")
    if source.has("sampler"):
        study.sampling = read_sampler(source)
    study.policy = read_pruner(source)
    for part in ("datetime_start", "n_trials"):
        source.leave(part, f"{part} has no equivalent in a sweep document.")
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
    item.skip(RECORDS)
    attributes = item.take("system_attrs")
    if isinstance(attributes, Mapping):
        trial.constraints = _numbers(attributes.get("constraints", []))
    for key in ("user_attrs", "system_attrs", "duration"):
        if item.take(key):
            item.leave(key, "Attributes of a trial are not imported.")
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


def _tags(attributes: Node) -> JSONObject:
    tags: JSONObject = {}
    for key, value in attributes.entries():
        if isinstance(value, bool | str) or is_number(value):
            tags[key] = json_value(value)
        else:
            attributes.leave(key, "A tag is a text or a number.")
    return tags
