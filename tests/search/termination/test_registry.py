from __future__ import annotations

import pytest

from experiments.search.fields import DefinitionError
from experiments.search.records import Objective
from experiments.search.termination import POLICIES, MedianStoppingPolicy, make_policy

OBJECTIVE = Objective("accuracy", "maximize")


def test_every_policy_is_registered_by_its_name() -> None:
    assert list(POLICIES)[:3] == ["predictive", "predictive_halving", "median_stopping"]
    assert all(policy.kind == name for name, policy in POLICIES.items())


@pytest.mark.parametrize(
    "name", ["median_stopping", "MedianStopping", "MEDIAN_STOPPING"]
)
def test_a_name_is_known_in_any_case(name: str) -> None:
    assert isinstance(make_policy({"type": name}, OBJECTIVE), MedianStoppingPolicy)


def test_nothing_makes_no_policy() -> None:
    assert make_policy(None, OBJECTIVE) is None


@pytest.mark.parametrize(
    ("mapping", "path", "words"),
    [
        ({"type": "median"}, "type", "did you mean median_stopping?"),
        ({"type": "asha2"}, "type", "did you mean asha?"),
        ({"type": "xyz"}, "type", "there are predictive, predictive_halving, median"),
        ({}, "type", "Add the field type"),
        ({"type": 3}, "type", "must be text"),
    ],
)
def test_an_unknown_policy_is_a_problem(
    mapping: dict[str, object], path: str, words: str
) -> None:
    with pytest.raises(DefinitionError) as caught:
        make_policy(mapping, OBJECTIVE)
    (problem,) = caught.value.problems
    assert problem.path == f"early_termination.{path}"
    assert words in problem.message
