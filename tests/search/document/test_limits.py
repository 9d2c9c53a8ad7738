from __future__ import annotations

import pytest

from experiments.search.document.limits import (
    Limits,
    Resources,
    Retries,
    read_limits,
    read_resources,
    read_retries,
)
from experiments.search.fields import Diagnostics, Fields


def fields(document: dict[str, object]) -> Fields:
    return Fields(document, "limits", Diagnostics())


@pytest.mark.parametrize(
    ("document", "limits"),
    [
        ({"max_total_trials": 40}, Limits(40, 40)),
        ({"max_total_trials": 4, "max_concurrent_trials": 9}, Limits(4, 9)),
        ({"max_total_trials": 100_000}, Limits(100_000, 10_000)),
        (
            {
                "max_total_trials": 40,
                "max_concurrent_trials": 4,
                "timeout": "1 h",
                "trial_timeout": 30,
                "max_failed_trials": 5,
            },
            Limits(40, 4, 3600, 30, 5),
        ),
    ],
)
def test_limits_are_read_with_their_defaults(
    document: dict[str, object], limits: Limits
) -> None:
    given = fields(document)
    assert read_limits(given, default_total=None) == limits
    assert given.diagnostics.problems == []
    again = fields(limits.dump())  # type: ignore[arg-type]
    assert read_limits(again, default_total=None) == limits


def test_the_total_of_a_grid_is_its_size() -> None:
    assert read_limits(None, default_total=6) == Limits(6, 6)
    given = fields({"max_concurrent_trials": 2})
    assert read_limits(given, default_total=6) == Limits(6, 2)


@pytest.mark.parametrize(
    ("document", "path"),
    [
        ({}, "max_total_trials"),
        ({"max_total_trials": 0}, "max_total_trials"),
        ({"max_total_trials": 100_001}, "max_total_trials"),
        ({"max_total_trials": 4, "max_concurrent_trials": 0}, "max_concurrent_trials"),
        (
            {"max_total_trials": 4, "max_concurrent_trials": 10_001},
            "max_concurrent_trials",
        ),
        ({"max_total_trials": 4, "max_failed_trials": 0}, "max_failed_trials"),
        ({"max_total_trials": 4, "timeout": "x"}, "timeout"),
        ({"max_total_trials": 4, "trial_timeout": -1}, "trial_timeout"),
        ({"max_total_trials": 4, "max_trials": 4}, "max_trials"),
    ],
)
def test_a_limit_out_of_bounds_is_a_problem(
    document: dict[str, object], path: str
) -> None:
    given = fields(document)
    read_limits(given, default_total=None)
    assert [problem.path for problem in given.diagnostics.problems] == [
        f"limits.{path}"
    ]


def test_retries_and_resources_have_defaults() -> None:
    assert read_retries(None) == Retries(2)
    assert read_retries(fields({"max_attempts": 5})) == Retries(5)
    assert read_resources(None) == read_resources(fields({"gpus": 0})) == Resources(0)


def test_a_trial_may_ask_for_gpus() -> None:
    given = fields({"gpus": 4})
    assert read_resources(given) == Resources(4)
    assert not given.diagnostics.problems


@pytest.mark.parametrize("gpus", [-1, 65, 1.5, "2"])
def test_gpus_are_a_whole_number_that_a_host_can_have(gpus: object) -> None:
    given = fields({"gpus": gpus})
    read_resources(given)
    (problem,) = given.diagnostics.problems
    assert problem.path == "limits.gpus"


@pytest.mark.parametrize("attempts", [0, 11, "2"])
def test_attempts_are_few_and_at_least_one(attempts: object) -> None:
    given = fields({"max_attempts": attempts})
    read_retries(given)
    assert len(given.diagnostics.problems) == 1
