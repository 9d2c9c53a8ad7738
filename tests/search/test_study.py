from __future__ import annotations

import math
import subprocess
import sys
import time

import pytest

from experiments.search.fields import DefinitionError
from experiments.search.study import Study, StudyError

SPACE = {"x": {"type": "uniform", "min_value": -1, "max_value": 1}}
MINIMIZE = {"primary_metric": "loss", "goal": "minimize"}
MAXIMIZE = {"primary_metric": "accuracy", "goal": "maximize"}
MEDIAN = {"type": "median_stopping"}


def study(**more: object) -> Study:
    settings: dict[str, object] = {
        "search_space": SPACE,
        "sampling_algorithm": {"type": "random", "seed": 1},
        "objective": MINIMIZE,
        **more,
    }
    return Study(**settings)  # type: ignore[arg-type]


def numbers_of(study: Study, trials: int) -> list[int]:
    asked = [study.ask() for _ in range(trials)]
    return [trial.number for trial in asked if trial is not None]


def test_the_loop_of_the_interface() -> None:
    loop = study()
    trial = loop.ask()
    assert trial is not None
    assert trial.number == 0
    assert set(trial.params) == {"x"}
    decision = loop.report(trial.number, step=1, value=0.7)
    assert decision.stop is False
    assert decision.reason == "There is no early termination."
    record = loop.tell(trial.number, value=0.42, state="completed")
    assert (record.value, record.state) == (0.42, "completed")
    assert loop.best == record
    assert loop.trials == (record,)


def test_trials_are_numbered_and_all_differ() -> None:
    loop = study()
    asked = [loop.ask() for _ in range(20)]
    assert [trial.number for trial in asked if trial] == list(range(20))
    assert len({trial.params["x"] for trial in asked if trial}) == 20


def test_the_same_seed_gives_the_same_trials_in_whatever_order_they_end() -> None:
    one, other = study(), study()
    first = [one.ask() for _ in range(6)]
    second = []
    for number in range(6):
        second.append(other.ask())
        other.tell(number, value=float(number))
    assert first == second


def test_a_missing_seed_comes_from_the_argument() -> None:
    one = study(sampling_algorithm="random", new_seed=lambda: 1)
    assert one.ask() == study().ask()
    assert one.plan.settings["seed"] == 1


def test_a_space_that_is_used_up_gives_no_more_trials() -> None:
    loop = study(
        search_space='GridParameterSampling({"a": choice(1, 2)})',
        sampling_algorithm=None,
    )
    assert numbers_of(loop, 5) == [0, 1]
    assert loop.ask() is None


def test_a_poor_trial_is_told_to_stop_and_why() -> None:
    loop = study(objective=MAXIMIZE, early_termination=MEDIAN)
    numbers_of(loop, 3)
    for number, value in ((0, 0.6), (1, 0.8)):
        assert not loop.report(number, step=1, value=value).stop
    verdict = loop.report(2, step=1, value=0.5)
    assert verdict.stop
    assert (verdict.value, verdict.threshold) == (0.5, 0.7)
    assert verdict.rivals == 2 and verdict.setters == (0, 1)
    assert verdict.reason.startswith("Ended after report 1: its best 0.5 was below 0.7")
    assert loop.tell(2, state="terminated").value == 0.5


def test_reports_are_counted_whatever_their_step_says() -> None:
    loop = study(objective=MAXIMIZE, early_termination=MEDIAN)
    numbers_of(loop, 2)
    loop.report(0, step=100, value=0.8)
    loop.report(0, step=0, value=0.1)
    assert loop.report(1, step=7, value=0.5).threshold == 0.8
    assert loop.report(1, step=7, value=0.5).threshold == pytest.approx(0.45)


def test_between_two_checks_the_trial_goes_on() -> None:
    policy = {**MEDIAN, "evaluation_interval": 2, "delay_evaluation": 3}
    loop = study(objective=MAXIMIZE, early_termination=policy)
    numbers_of(loop, 2)
    for step in range(4):
        loop.report(0, step=step, value=0.9)
    verdicts = [loop.report(1, step=step, value=0.1) for step in range(4)]
    assert [verdict.stop for verdict in verdicts] == [False, False, False, True]
    assert verdicts[1].reason == "Not judged at report 2: the next check is at 4."
    assert verdicts[1].value == 0.1 and verdicts[1].report == 2


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_report_that_is_not_finite_counts_without_a_value(value: float) -> None:
    loop = study(objective=MAXIMIZE, early_termination=MEDIAN)
    numbers_of(loop, 2)
    loop.report(0, step=1, value=0.4)
    loop.report(0, step=2, value=value)
    assert loop.report(1, step=1, value=value).stop
    verdict = loop.report(1, step=2, value=0.5)
    assert not verdict.stop
    assert (verdict.report, verdict.value, verdict.threshold) == (2, 0.5, 0.4)


def test_only_running_trials_are_rivals_when_finished_ones_are_excluded() -> None:
    policy = {
        "type": "truncation_selection",
        "truncation_percentage": 50,
        "exclude_finished_jobs": True,
    }
    loop = study(objective=MAXIMIZE, early_termination=policy)
    numbers_of(loop, 3)
    loop.report(0, step=1, value=0.9)
    loop.tell(0)
    assert loop.report(1, step=1, value=0.5).rivals == 0
    assert loop.report(2, step=1, value=0.1).stop


def test_a_trial_counts_with_the_best_it_reported() -> None:
    loop = study()
    numbers_of(loop, 2)
    for value in (0.5, 0.2, math.nan, 0.9):
        loop.report(0, step=1, value=value)
    assert loop.tell(0).value == 0.2
    assert loop.tell(1, value=math.nan, state="failed").value is None


def test_the_best_is_the_first_of_equals_and_none_that_failed() -> None:
    loop = study(objective=MAXIMIZE)
    assert loop.best is None
    numbers_of(loop, 6)
    loop.report(0, step=1, value=0.99)
    loop.tell(1, value=0.7)
    loop.tell(2, value=0.9, state="failed")
    loop.tell(3, value=0.8, state="cancelled")
    loop.tell(4, value=0.8)
    loop.tell(5)
    assert loop.best is not None and loop.best.number == 3


def test_a_call_out_of_turn_is_an_error() -> None:
    loop = study()
    numbers_of(loop, 1)
    with pytest.raises(StudyError, match="no trial 5"):
        loop.report(5, step=1, value=1)
    with pytest.raises(StudyError, match="completed, terminated, cancelled or failed"):
        loop.tell(0, value=1, state="done")
    loop.tell(0, value=1)
    with pytest.raises(StudyError, match="has already ended: completed"):
        loop.tell(0, value=2)
    with pytest.raises(StudyError, match="has already ended"):
        loop.report(0, step=1, value=1)


def test_every_problem_of_the_arguments_is_reported_at_once() -> None:
    with pytest.raises(DefinitionError) as caught:
        study(
            search_space={"x": 3},
            objective={"goal": "best"},
            sampling_algorithm="annealing",
            early_termination="intuition",
        )
    assert set(caught.value.by_path()) == {
        "search_space.x",
        "objective.goal",
        "objective.primary_metric",
        "sampling_algorithm.type",
        "early_termination.type",
    }


def test_a_large_study_costs_little_per_report() -> None:
    # 2,000 trials of 10 reports take about a second when nothing else runs.
    loop = study(early_termination=MEDIAN)
    started = time.process_time()
    for number in numbers_of(loop, 2000):
        for step in range(10):
            loop.report(number, step=step, value=float(number % 17))
        loop.tell(number)
    assert time.process_time() - started < 30
    assert loop.best is not None and loop.best.value == 0


def imported_by(modules: str) -> set[str]:
    """The packages that a fresh interpreter holds once it has imported modules."""
    code = (
        f"import sys, {modules}; "
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    return set(found.stdout.split())


def test_the_library_needs_no_web_framework_queue_or_database() -> None:
    search = "experiments.search"
    held = imported_by(
        f"{search}.study, {search}.document.definition, {search}.preview"
    )
    assert "experiments" in held and "yaml" in held
    assert not held & {"django", "rq", "redis", "django_rq", "psycopg", "ninja"}


def test_a_study_does_not_even_need_yaml() -> None:
    assert "yaml" not in imported_by("experiments.search.study")


def test_no_trial_comes_after_one_that_reached_the_target() -> None:
    loop = study(objective={**MAXIMIZE, "target": 0.9})
    first, second = numbers_of(loop, 2)
    loop.report(first, step=1, value=0.89)
    assert loop.ask() is not None and not loop.reached_target
    loop.report(second, step=1, value=0.9)
    assert loop.reached_target and loop.ask() is None
    loop.tell(second, value=0.95)
    assert loop.ask() is None
    assert loop.best is not None and loop.best.number == second


def test_a_target_that_is_minimized_is_reached_from_above() -> None:
    loop = study(objective={**MINIMIZE, "target": 0.1})
    (first,) = numbers_of(loop, 1)
    loop.tell(first, value=0.2)
    assert loop.ask() is not None
    loop.tell(1, value=0.1)
    assert loop.ask() is None


def test_constraints_and_conditions_hold_in_a_study() -> None:
    loop = study(
        search_space={
            "o": 'choice("sgd", "adam")',
            "m": {"type": "float", "low": 0, "high": 1, "when": {"o": "sgd"}},
            "n": "int(1, 4)",
        },
        constraints=["m * n < 1", "n < 4"],
    )
    asked = [loop.ask() for _ in range(60)]
    found = [trial.params for trial in asked if trial is not None]
    assert {one["n"] for one in found} == {1, 2, 3}
    assert all(("m" in one) == (one["o"] == "sgd") for one in found)
    assert all(one["m"] * one["n"] < 1 for one in found if "m" in one)  # type: ignore[operator]


def test_parameters_may_have_any_names_and_keep_them() -> None:
    study = Study(
        search_space={
            "num.impute": "choice('mean', 'median')",
            "num_impute": "uniform(0, 1)",
            "--lr": {
                "type": "uniform",
                "min_value": 0,
                "max_value": 1,
                "when": {"num.impute": "mean"},
            },
        },
        sampling_algorithm={"type": "bayesian", "seed": 1},
        objective={"primary_metric": "loss", "goal": "minimize"},
    )
    seen = set()
    for _ in range(12):
        trial = study.ask()
        assert trial is not None
        assert ("--lr" in trial.params) == (trial.params["num.impute"] == "mean")
        assert isinstance(trial.params["num_impute"], float)
        study.tell(trial.number, value=float(trial.params["num_impute"]))
        seen.add(trial.params["num.impute"])
    assert seen == {"mean", "median"}
    assert study.trials[0].params.keys() >= {"num.impute", "num_impute"}
