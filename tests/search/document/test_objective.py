from __future__ import annotations

import pytest

from experiments.search.document.definition import dump_objective, read_objective
from experiments.search.fields import Diagnostics, Fields
from experiments.search.records import Objective


@pytest.mark.parametrize(
    ("document", "objective"),
    [
        (
            {"primary_metric": "loss", "goal": "Minimize"},
            Objective("loss", "minimize"),
        ),
        (
            {"primary_metric": "val acc", "goal": "maximize", "target": 1},
            Objective("val acc", "maximize", 1),
        ),
    ],
)
def test_an_objective_is_read_and_dumped(
    document: dict[str, object], objective: Objective
) -> None:
    diagnostics = Diagnostics()
    assert read_objective(Fields(document, "objective", diagnostics)) == objective
    assert diagnostics.problems == []
    again = Fields(dump_objective(objective), "objective", diagnostics)
    assert read_objective(again) == objective


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({"goal": "maximize"}, "primary_metric"),
        ({"primary_metric": "x"}, "goal"),
        ({"primary_metric": "x", "goal": "max"}, "goal"),
        ({"primary_metric": "x", "goal": "maximize", "target": "1"}, "target"),
        ({"primary_metric": "x", "goal": "maximize", "targte": 1}, "targte"),
        ({"primary_metric": "x" * 251, "goal": "maximize"}, "primary_metric"),
    ],
)
def test_a_bad_objective_is_a_problem_at_its_path(
    document: dict[str, object], path: str
) -> None:
    diagnostics = Diagnostics()
    read_objective(Fields(document, "objective", diagnostics))
    assert [problem.path for problem in diagnostics.problems] == [f"objective.{path}"]
