"""An Optuna study: its distributions become the space, its trials finished ones."""

from __future__ import annotations

from experiments.search.fields import is_number
from experiments.search.importers.optuna_laws import is_unmistakable
from experiments.search.importers.optuna_search import read_pruner, read_sampler
from experiments.search.importers.optuna_study import OptunaStudy, StudyTrial
from experiments.search.importers.optuna_sweep import sweep_of
from experiments.search.importers.source import Source, json_value
from experiments.search.records import JSONValue

# The numbers that Optuna's own enumerations have.
STATE_NUMBERS = {1: "COMPLETE", 2: "PRUNED", 3: "FAIL", 0: "RUNNING", 4: "WAITING"}
DIRECTION_NUMBERS = {1: "MINIMIZE", 2: "MAXIMIZE"}
TIMES = ("datetime_start", "datetime_complete")


def read_optuna(source: Source, name: str = "") -> dict[str, JSONValue]:
    """The sweep document of a study as JSON, or of distributions alone."""
    if any(is_unmistakable(value) for _, value in source.entries()):
        laws = dict(source.entries())
        return sweep_of(OptunaStudy(distributions=laws, place=source.path), source.log)
    source = Source(dict(source.entries()), source.path, source.log)
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


def _tags(attributes: Source) -> dict[str, JSONValue]:
    tags: dict[str, JSONValue] = {}
    for key, value in attributes.entries():
        if isinstance(value, bool | str) or is_number(value):
            tags[key] = json_value(value)
        else:
            attributes.leave(key, "A tag is one text or number.")
    return tags
