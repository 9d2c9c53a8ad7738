from __future__ import annotations

import pytest

from experiments.search.document.definition import dump_objective, read_objective
from experiments.search.document.plan import Plan, read_plan
from experiments.search.fields import Diagnostics, Fields
from experiments.search.records import Objective
from experiments.search.space.continuous import LogUniform

SPACE = '{"a": choice(1, 2), "b": choice(1, 2, 3)}'


def read(space: object, sampling: object = None) -> tuple[Plan, Diagnostics]:
    diagnostics = Diagnostics()
    return read_plan(space, sampling, diagnostics, new_seed=lambda: 7), diagnostics


def test_a_space_and_its_sampler_are_read_together() -> None:
    plan, diagnostics = read({"a": "uniform(0, 1)"}, {"type": "random", "seed": 3})
    assert diagnostics.problems == []
    assert plan.settings == {"type": "random", "seed": 3, "rule": "random"}
    assert plan.names == ("a",)
    assert plan.grid_size is None
    suggestion = plan.sampler().suggest(0)
    assert suggestion is not None and plan.space.contains(suggestion.params)


def test_random_is_what_is_left_out_and_a_seed_is_given() -> None:
    plan, _ = read(SPACE)
    assert plan.settings == {"type": "random", "seed": 7, "rule": "random"}


@pytest.mark.parametrize("sampling", [None, "grid", {"type": "Grid"}])
def test_a_text_may_name_its_sampling(sampling: object) -> None:
    plan, diagnostics = read(f"GridParameterSampling({SPACE})", sampling)
    assert diagnostics.problems == []
    assert plan.settings == {"type": "grid", "seed": 7}
    assert plan.is_grid and plan.grid_size == 6


def test_a_text_that_names_another_sampling_is_a_problem() -> None:
    _, diagnostics = read(f"GridParameterSampling({SPACE})", "random")
    (problem,) = diagnostics.problems
    assert problem.path == "sampling_algorithm"
    assert "grid sampling" in problem.message and "random" in problem.message


def test_the_log_base_of_the_sampler_is_that_of_the_space() -> None:
    plan, diagnostics = read(
        {"lr": "loguniform(-4, -1)"}, {"type": "random", "logbase": 10}
    )
    assert diagnostics.problems == []
    assert plan.space.parameters["lr"] == LogUniform(-4, -1, base=10)
    assert plan.settings["logbase"] == 10
    again, _ = read(plan.space.dump(), plan.settings)
    assert again.space == plan.space


def test_a_grid_names_the_parameter_that_cannot_be_listed() -> None:
    _, diagnostics = read({"a": "choice(1)", "lr": "uniform(0, 1)"}, "grid")
    (problem,) = diagnostics.problems
    assert problem.path == "search_space.lr"
    assert "lr is uniform" in problem.message and "choice" in problem.message


def test_names_stay_known_where_a_parameter_cannot_be_read() -> None:
    plan, _ = read({"--my-lr": "uniform(1, 0)", "b": "choice(1)"})
    assert plan.names == ("my_lr", "b")
    assert list(plan.space.parameters) == ["b"]


def test_a_text_that_cannot_be_read_has_no_names() -> None:
    plan, diagnostics = read("{")
    assert plan.names is None
    assert [problem.path for problem in diagnostics.problems] == ["search_space"]


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
