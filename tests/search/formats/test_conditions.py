"""Conditions of a study's parameters, found in its trials."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from experiments.search.formats import definition_of, import_sweep

CHOICES = {"a": ["x", "y", "z"], "b": [1, True, None], "c": ["p", "q"]}
FLOAT = {"low": 0.0, "high": 1.0, "log": False, "step": None}


def law(name: str) -> dict:
    if name in CHOICES:
        attributes = {"choices": CHOICES[name]}
        return {"name": "CategoricalDistribution", "attributes": attributes}
    return {"name": "FloatDistribution", "attributes": FLOAT}


def trial(state: str = "COMPLETE", **params: object) -> dict:
    laws = {name: law(name) for name in params}
    return {"state": state, "value": 1.0, "params": params, "distributions": laws}


def space(*trials: dict) -> dict:
    return dict(read(*trials).document["search_space"])


def read(*trials: dict):
    study = {"study_name": "s", "directions": ["MINIMIZE"], "trials": list(trials)}
    imported = import_sweep(json.dumps(study))
    definition_of(imported)
    return imported


def test_one_choice_that_explains_it_becomes_the_condition() -> None:
    found = space(trial(a="x", f=0.5), trial(a="y"), trial(a="z", f=0.25))
    assert found["f"]["when"] == {"a": ["x", "z"]}
    assert "when" not in found["a"]


def test_values_of_different_types_are_different() -> None:
    found = space(trial(b=1, f=0.5), trial(b=True), trial(b=None))
    assert found["f"]["when"] == {"b": [1]}


def test_a_condition_may_depend_on_another() -> None:
    found = space(
        trial(a="x", c="p", f=0.5), trial(a="x", c="q"), trial(a="y"), trial(a="z")
    )
    assert found["c"]["when"] == {"a": ["x"]}
    assert found["f"]["when"] == {"c": ["p"]}


def test_a_parameter_without_an_explanation_is_noted() -> None:
    imported = read(trial(a="x", f=0.5), trial(a="x"), trial(a="y"))
    assert "when" not in imported.document["search_space"]["f"]
    (note,) = [note for note in imported.notes if note.path.endswith(".f")]
    assert note.message == (
        "f has a value in 1 of 3 trials; the study's code decides when. Here it always "
        "has one."
    )
    assert note.alternative == "Add a condition as search_space.f.when."


def test_failed_trials_do_not_decide_conditions() -> None:
    found = space(trial(a="x", f=0.5), trial("FAIL", a="x"), trial(a="y"))
    assert found["f"]["when"] == {"a": ["x"]}


def test_untried_values_and_other_explanations_are_noted() -> None:
    imported = read(trial(a="x", c="p", f=0.5), trial(a="y", c="q"))
    (note,) = [note for note in imported.notes if note.path.endswith(".f")]
    assert "when a is" in note.message
    assert note.alternative == ('No trial had "z" for a. c would explain it too.')


def test_finished_trials_are_in_the_space_with_its_conditions() -> None:
    trials = [trial(a="x", f=0.5), trial(a="y"), trial(a="z", f=0.25)]
    imported = read(*trials)
    searched = definition_of(imported).search_space
    assert all(searched.contains(ended.params) for ended in imported.trials)


@given(st.lists(st.tuples(*(st.sampled_from(values) for values in CHOICES.values()))))
def test_a_rule_in_the_code_is_found_or_left_open(rows: list[tuple]) -> None:
    rows = [*rows, ("x", 1, "p"), ("y", 1, "p")]
    trials = [
        trial(a=a, b=b, c=c, **({"f": 0.5} if a == "x" else {})) for a, b, c in rows
    ]
    imported = read(*trials)
    searched = definition_of(imported).search_space
    assert "when" in imported.document["search_space"]["f"]
    assert all(searched.contains(ended.params) for ended in imported.trials)
