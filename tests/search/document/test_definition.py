from __future__ import annotations

import copy
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.document.definition import SweepDefinition, parse_document
from experiments.search.document.limits import Limits
from experiments.search.document.loading import load_document
from experiments.search.fields import DefinitionError
from tests.search.strategies import SPACES

TEXT = """
$schema: https://azuremlschemas.azureedge.net/latest/sweepJob.schema.json
type: sweep
experiment_name: digits
display_name: first look
description: |
  Two lines
  of text.
tags: {owner: mina, round: 3}
trial:
  command: >-
    python train.py
    --lr ${{search_space.learning_rate}}
    --epochs ${{inputs.epochs}} ${{search_space.lr2}} ${{search_space.layers}}
    ${{search_space.batch_size}} ${{search_space.optimizer}}
  code: ./src
  environment_variables: {OMP_NUM_THREADS: "1"}
inputs: {epochs: 30}
search_space:
  learning_rate: {type: loguniform, min_value: -9.2, max_value: -2.3}
  lr2: {type: float, low: 1e-4, high: 0.1, log: true}
  layers: {type: int, low: 1, high: 4, step: 1, log: false}
  batch_size: {type: choice, values: [16, 32, 64, 128]}
  optimizer: choice("sgd", "adam")
sampling_algorithm: {type: random, seed: 7, rule: random}
objective: {primary_metric: accuracy, goal: maximize, target: 0.99}
early_termination: {type: median_stopping, evaluation_interval: 1, delay_evaluation: 5}
limits: {max_total_trials: 40, max_concurrent_trials: 4, timeout: 3600, trial_timeout: 10 m}
compute: azureml:default
resources: {gpus: 0}
priority: -3
retries: {max_attempts: 2}
"""  # noqa: E501

SMALL = {
    "trial": {"command": "python train.py"},
    "search_space": {"lr": {"type": "uniform", "min_value": 0, "max_value": 1}},
    "objective": {"primary_metric": "loss", "goal": "minimize"},
    "limits": {"max_total_trials": 10},
}
Change = Callable[[dict[str, object]], object]


def changed(path: str, value: object) -> dict[str, object]:
    """The small document with one field put in the place of another."""
    document: dict[str, object] = copy.deepcopy(SMALL)
    *outer, last = path.split(".")
    place = document
    for name in outer:
        place = place.setdefault(name, {})  # type: ignore[assignment]
    place[last] = value
    return document


def problems_of(document: object) -> dict[str, list[str]]:
    with pytest.raises(DefinitionError) as caught:
        parse_document(document)  # type: ignore[arg-type]
    return caught.value.by_path()


def round_trip(definition: SweepDefinition) -> SweepDefinition:
    return parse_document(json.loads(json.dumps(definition.dump(), allow_nan=False)))


def test_a_whole_document_is_read() -> None:
    definition = parse_document(load_document(TEXT))
    assert definition.experiment_name == "digits"
    assert definition.description == "Two lines\nof text.\n"
    assert definition.tags == {"owner": "mina", "round": "3"}
    assert definition.inputs == {"epochs": 30}
    assert definition.trial.code == "./src"
    assert list(definition.search_space.parameters) == [
        *("learning_rate", "lr2", "layers", "batch_size", "optimizer")
    ]
    assert definition.objective.target == 0.99
    assert definition.limits == Limits(40, 4, 3600, 600)
    assert definition.compute == "default"
    assert (definition.resources.gpus, definition.priority) == (0, -3)
    assert definition.retries.max_attempts == 2
    assert definition.early_termination == {
        "type": "median_stopping",
        "evaluation_interval": 1,
        "delay_evaluation": 5,
        "min_rivals": 1,
        "on_missing": "worst",
    }
    assert definition.warnings == ()


def test_a_whole_document_comes_back_from_its_dump() -> None:
    definition = parse_document(load_document(TEXT))
    again = round_trip(definition)
    assert again == definition
    assert json.dumps(again.dump()) == json.dumps(definition.dump())


@given(space=SPACES)
def test_any_space_comes_back_from_a_dump(space: object) -> None:
    document = changed("search_space", space.dump())  # type: ignore[attr-defined]
    definition = parse_document(document)
    assert round_trip(definition) == definition
    assert definition.search_space == space


def test_the_least_document_gets_every_default() -> None:
    definition = parse_document(SMALL, new_seed=lambda: 11)
    assert definition.experiment_name == "default"
    assert definition.sampling_algorithm == {
        "type": "random",
        "seed": 11,
        "rule": "random",
    }
    assert definition.early_termination is None
    assert definition.limits == Limits(10, 10)
    assert definition.compute == "default"
    assert definition.retries.max_attempts == 2
    assert round_trip(definition) == definition


def test_a_missing_seed_is_filled_in_and_then_stays() -> None:
    seeds = {parse_document(SMALL).sampling_algorithm["seed"] for _ in range(8)}
    assert len(seeds) > 1
    definition = parse_document(SMALL)
    assert definition.dump()["sampling_algorithm"] == {
        "type": "random",
        "seed": definition.sampling_algorithm["seed"],
        "rule": "random",
    }


@pytest.mark.parametrize("empty", [None, "none", "None"])
def test_no_policy_may_be_said(empty: object) -> None:
    assert parse_document(changed("early_termination", empty)).early_termination is None


@pytest.mark.parametrize("auto", ["auto", {"type": "auto"}])
@pytest.mark.parametrize(
    ("sampler", "timeout", "kind"),
    [
        ("auto", None, "predictive"),
        ("random", None, "predictive"),
        ("auto", "2h", "predictive_halving"),
        ("tpe", 3600, "predictive_halving"),
        ("random", "2h", "asha"),
    ],
)
def test_an_automatic_policy_goes_with_the_sampler_and_with_what_is_fixed(
    auto: object, sampler: str, timeout: object, kind: str
) -> None:
    document = {
        **changed("early_termination", auto),
        "sampling_algorithm": sampler,
        "limits": {"max_total_trials": 40, "timeout": timeout},
    }
    definition = parse_document(document)
    assert definition.early_termination is not None
    assert definition.early_termination["type"] == kind
    assert parse_document(definition.dump()) == definition


def test_null_counts_as_left_out() -> None:
    nulls = {**SMALL, "tags": None, "compute": None, "inputs": None, "retries": None}
    definition = parse_document(nulls, new_seed=lambda: 1)
    assert definition == parse_document(SMALL, new_seed=lambda: 1)


GRID = {
    **SMALL,
    "search_space": {"a": "choice(1, 2, 3)", "b": "choice(16, 32)"},
    "sampling_algorithm": "grid",
}


def test_a_grid_needs_no_limits() -> None:
    document = {name: value for name, value in GRID.items() if name != "limits"}
    assert parse_document(document).limits == Limits(6, 6)
    document["limits"] = {"max_concurrent_trials": 2}
    assert parse_document(document).limits == Limits(6, 2)


def test_a_grid_larger_than_any_sweep_needs_a_total() -> None:
    document = {
        **{name: value for name, value in GRID.items() if name != "limits"},
        "search_space": {"a": "randint(1000)", "b": "randint(1000)"},
    }
    assert list(problems_of(document)) == ["limits"]
    document["limits"] = {"max_concurrent_trials": 2}
    assert list(problems_of(document)) == ["limits.max_total_trials"]


def test_a_space_smaller_than_the_total_is_a_warning() -> None:
    definition = parse_document(GRID)
    assert [warning.path for warning in definition.warnings] == [
        "limits.max_total_trials"
    ]
    assert "6 configurations" in definition.warnings[0].message


def test_a_space_as_the_article_prints_it_is_a_whole_definition() -> None:
    text = """param_sampling = GridParameterSampling( {
        "num_hidden_layers": choice(1, 2, 3),
        "batch_size": choice(16, 32)
    }
)"""
    definition = parse_document(changed("search_space", text))
    assert definition.sampling_algorithm["type"] == "grid"
    assert definition.search_space.count() == 6


def test_a_dashed_name_is_converted_and_said_so() -> None:
    document = changed("search_space", {"--learning-rate": "uniform(0, 1)"})
    definition = parse_document(document)
    assert list(definition.search_space.parameters) == ["learning_rate"]
    (warning,) = definition.warnings
    assert "is called learning_rate here" in warning.message


PROBLEMS = [
    ("experiment_name", 3, "experiment_name", "must be text"),
    ("experiment_name", "", "experiment_name", "1 to 200"),
    ("display_name", [], "display_name", "must be text"),
    ("description", 1, "description", "must be text"),
    ("tags", ["a"], "tags", "mapping"),
    ("tags", {"a": []}, "tags.a", "must be text"),
    ("tags", {f"t{i}": "" for i in range(101)}, "tags", "100 tags"),
    ("trial", None, "trial", "Add the field trial"),
    ("trial", "file:./train.yml", "trial", "mapping"),
    ("trial.command", "run ${{search_space.x}}", "trial.command", "no parameter"),
    ("inputs", {"a": [1]}, "inputs.a", "must be a number"),
    ("search_space", None, "search_space", "at least one parameter"),
    ("search_space.lr.min_value", 2, "search_space.lr.max_value", "above"),
    (
        "search_space.lr.when",
        {"a": [1]},
        "search_space.lr.when.a",
        "no other parameter",
    ),
    ("search_space.x", {"type": "choice"}, "search_space.x.values", "required"),
    ("constraints", ["a < b"], "constraints.0", 'no parameter "a"'),
    ("constraints", 3, "constraints", "list of texts"),
    ("constraints", [3], "constraints.0", "A constraint is text"),
    ("constraints", ["lr <"], "constraints.0", "Line 1, column"),
    ("constraints", ["lr > 2"], "constraints", "none met the constraints"),
    ("constraints", ["lr < 2"] * 201, "constraints", "200 constraints, not 201"),
    ("objective.target", "high", "objective.target", "finite number"),
    ("objective.target", float("inf"), "objective.target", "finite number"),
    ("sampling_algorithm", "annealing", "sampling_algorithm.type", "auto, bayesian"),
    ("sampling_algorithm", 3, "sampling_algorithm", "mapping"),
    ("sampling_algorithm.rule", "halton", "sampling_algorithm.rule", "random or sobol"),
    ("sampling_algorithm.seed", -1, "sampling_algorithm.seed", "whole number"),
    ("sampling_algorithm.logbase", 1, "sampling_algorithm.logbase", "above 1"),
    ("sampling_algorithm.sed", 1, "sampling_algorithm.sed", "did you mean seed?"),
    ("sampling_algorithm", "grid", "search_space.lr", "lr is uniform"),
    ("objective", None, "objective", "Add the field objective"),
    ("objective.goal", "best", "objective.goal", "minimize or maximize"),
    ("early_termination", "hopeful", "early_termination.type", "bandit"),
    ("early_termination", {}, "early_termination.type", "Add the field type"),
    (
        "early_termination",
        {"type": "bandit"},
        "early_termination.slack_factor",
        "Exactly one",
    ),
    ("limits", None, "limits", "Add the field limits"),
    ("limits.max_total_trials", None, "limits.max_total_trials", "such as 40"),
    ("limits.max_total_trials", 10**6, "limits.max_total_trials", "100,000"),
    ("limits.timeout", "soon", "limits.timeout", "2h or 90m"),
    ("compute", "a/b", "compute", "worker pool"),
    ("compute", 3, "compute", "must be text"),
    ("resources.gpus", 65, "resources.gpus", "from 0 to 64"),
    ("priority", 101, "priority", "from -100 to 100"),
    ("priority", "high", "priority", "whole number"),
    ("retries.max_attempts", 0, "retries.max_attempts", "from 1 to 10"),
    ("type", "command", "type", "must be sweep"),
    ("objectiv", {}, "objectiv", "did you mean objective?"),
]


@pytest.mark.parametrize(
    ("field", "value", "path", "words"),
    PROBLEMS,
    ids=[f"{case[0]}={case[1]!r:.30}" for case in PROBLEMS],
)
def test_a_bad_field_is_a_problem_at_its_path(
    field: str, value: object, path: str, words: str
) -> None:
    found = problems_of(changed(field, value))
    assert list(found) == [path]
    assert words in found[path][0]


def test_every_problem_is_reported_at_once() -> None:
    found = problems_of(
        {
            "experiment_nam": "x",
            "trial": {"command": "run ${{search_space.lx}} ${{inputs.n}}", "cod": "."},
            "search_space": {"lr": {"type": "uniform", "low": 3}, "b": 3},
            "sampling_algorithm": "annealing",
            "objective": {"goal": "max"},
            "early_termination": {"type": "truncation_selection", "interval": 3},
            "limits": {"timeout": "abc", "max_total_trials": 0},
        }
    )
    assert set(found) == {
        "experiment_nam",
        "trial.command",
        "trial.cod",
        "search_space.lr.low",
        "search_space.lr.min_value",
        "search_space.lr.max_value",
        "search_space.b",
        "sampling_algorithm.type",
        "objective.goal",
        "objective.primary_metric",
        "early_termination.truncation_percentage",
        "early_termination.interval",
        "limits.timeout",
        "limits.max_total_trials",
    }
    assert len(found["trial.command"]) == 2


def test_an_empty_document_names_all_that_is_required() -> None:
    found = problems_of({})
    assert set(found) == {"trial", "search_space", "objective", "limits"}


@pytest.mark.parametrize("document", [None, [], "x", {1: 2}, {"a": object()}])
def test_what_is_no_document_is_refused(document: object) -> None:
    assert list(problems_of(document)) == [""]


def test_fields_of_azure_without_a_meaning_here_are_warnings() -> None:
    definition = parse_document(
        {**SMALL, "type": "sweep", "identity": {"type": "managed"}, "name": "x"}
    )
    assert {warning.path for warning in definition.warnings} == {"identity", "name"}
    assert round_trip(definition).warnings == ()


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
    ),
    max_leaves=5,
)
PATHS = sorted(
    {case[0] for case in PROBLEMS}
    | {"limits.trial_timeout", "trial.code", "trial.environment_variables", "inputs"}
)


@given(path=st.sampled_from(PATHS), value=PLAIN)
def test_any_value_anywhere_is_read_or_refused(path: str, value: object) -> None:
    try:
        definition = parse_document(changed(path, value))
    except DefinitionError as error:
        assert all(problem.message for problem in error.problems)
    else:
        assert round_trip(definition) == definition


CONDITIONAL = {
    **SMALL,
    "trial": {
        "command": "run --o ${{search_space.o}} --m ${{search_space.m}} "
        "--n ${{search_space.net.units}}"
    },
    "search_space": {
        "o": 'choice("sgd", "adam")',
        "m": {"type": "float", "low": 0, "high": 1, "when": {"o": "sgd"}},
        "net": 'choice({"kind": "mlp", "units": choice(8, 16)}, {"kind": "none"})',
    },
    "constraints": ["m * net.units < 8"],
}


def test_a_conditional_document_comes_back_from_its_dump() -> None:
    definition = parse_document(CONDITIONAL)
    assert definition.warnings == ()
    assert round_trip(definition) == definition
    dump = definition.dump()
    assert dump["constraints"] == ["m * net.units < 8"]
    assert dump["search_space"]["m"]["when"] == {"o": ["sgd"]}  # type: ignore[index]


def test_a_placeholder_of_a_conditional_parameter_must_be_one_to_leave_out() -> None:
    document = {**CONDITIONAL, "trial": {"command": "run ${{search_space.m}}"}}
    found = problems_of(document)
    assert list(found) == ["trial.command"]
    assert "m has no value in some trials" in found["trial.command"][0]
    document = {**CONDITIONAL, "trial": {"command": "run ${{search_space.net.kind}}"}}
    parse_document(document)


def test_an_entry_of_a_choice_with_a_problem_is_no_second_problem() -> None:
    values = [{"units": {"type": "randint", "upper": 0}}]
    document = {
        **CONDITIONAL,
        "search_space": {
            **CONDITIONAL["search_space"],  # type: ignore[dict-item]
            "net": {"type": "choice", "values": values},
        },
    }
    assert list(problems_of(document)) == ["search_space.net.values.0.units.upper"]


def test_a_grid_that_cannot_be_counted_needs_a_total() -> None:
    document = {name: value for name, value in GRID.items() if name != "limits"}
    document["search_space"] = {f"x{i}": "randint(100)" for i in range(5)}
    document["constraints"] = ["x0 / (x1 + 1) <= x2 / (x3 + 1)"]
    assert list(problems_of(document)) == ["limits"]
    document["limits"] = {"max_total_trials": 50}
    assert parse_document(document).search_space.count() is None


def test_a_grid_names_what_it_cannot_list_inside_a_choice() -> None:
    document = {**GRID, "search_space": {"a": 'choice({"b": uniform(0, 1)}, 2)'}}
    found = problems_of(document)
    assert list(found) == ["search_space.a"]
    assert "a.b is uniform" in found["search_space.a"][0]
