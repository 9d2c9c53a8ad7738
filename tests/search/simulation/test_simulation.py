"""Recorded sweeps judged again: who ends when, what that saves and what it loses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from experiments.search.history import CANCELLED, COMPLETED, FAILED, TERMINATED
from experiments.search.records import Objective
from experiments.search.simulation import Evaluation, Recording, simulate
from experiments.search.simulation.families import (
    families,
    main_field,
    proposals,
    varied_fields,
)
from experiments.search.simulation.figures import limits_in_words
from experiments.search.simulation.judging import averages, simulations
from experiments.search.simulation.recording import sample, shuffled
from experiments.search.termination import POLICIES, Policy, make_policy
from tests.search.recordings import random_curves, recorded
from tests.search.termination.scanned import ScannedEvidence

LOSS = Objective("loss", "minimize")
MEDIAN = {"type": "median_stopping", "delay_evaluation": 2}
BANDIT = {"type": "bandit", "slack_factor": 0.2}


def policy(document: dict[str, Any]) -> Policy:
    made = make_policy(document, LOSS)
    assert made is not None
    return made


def ends(recording: Recording, document: dict[str, Any]) -> list[int]:
    return simulate(recording, policy(document)).tolist()


def ends_by_scanning(recording: Recording, judge: Policy) -> list[int]:
    """The same, slowly: a policy is asked by whole curves, scanned at every report."""
    curves = dict[int, list[float]]()
    ended_trials, completed = list[int](), list[int]()
    ended = [0] * len(recording.numbers)

    for place, trial in enumerate(recording.trials.tolist()):
        for over in np.flatnonzero(recording.ended_at == place).tolist():
            if not ended[over]:
                completed.append(over)
        if ended[trial]:
            continue
        curve = curves.setdefault(trial, [])
        curve.append(float(recording.losses[place]))
        evidence = ScannedEvidence(
            trial, curves, ended=ended_trials, completed=completed
        )
        if judge.due(len(curve)) and judge.ends(evidence):
            ended[trial] = len(curve)
            ended_trials.append(trial)
    return ended


@pytest.mark.parametrize("kind", sorted(POLICIES))
def test_a_simulation_ends_the_same_trials_as_a_scan_of_all_curves(kind: str) -> None:
    for seed in range(8):
        curves = random_curves(seed)
        starts = np.random.default_rng(seed).uniform(0, 15, len(curves))
        recording = recorded(curves, starts=starts.tolist())
        document = proposals(recording, LOSS).get(kind)
        if document is None:
            inner = [MEDIAN, {"type": "patience", "patience": 2}]
            document = {"type": kind, "policies": inner}
        judge = policy(document)
        assert simulate(recording, judge).tolist() == ends_by_scanning(recording, judge)


@pytest.mark.parametrize("on_missing", ["worst", "stop", "ignore"])
@pytest.mark.parametrize("running", [True, False])
def test_so_it_does_with_missing_values_and_running_rivals_only(
    on_missing: str, running: bool
) -> None:
    document = {
        "type": "truncation_selection",
        "truncation_percentage": 30,
        "evaluation_interval": 2,
        "exclude_finished_jobs": running,
        "on_missing": on_missing,
    }
    for seed in range(8):
        curves = random_curves(seed)
        recording = recorded(curves, starts=list(range(len(curves))))
        judge = policy(document)
        assert simulate(recording, judge).tolist() == ends_by_scanning(recording, judge)


def test_what_an_ended_trial_reported_later_is_not_seen() -> None:
    # Trial 1 would have the lowest loss of all at report 3, but ends at report 2.
    curves = [[0.5, 0.5, 0.5], [0.9, 0.9, 0.1], [0.55, 0.55, 0.55]]
    recording = recorded(curves, starts=[0, 0.1, 0.2])
    assert ends(recording, {**BANDIT, "delay_evaluation": 2}) == [0, 2, 0]


def test_a_trial_that_was_ended_then_in_truth_counts_until_it_had_stopped() -> None:
    curves = [[0.5, 0.5, 0.5], [0.9, 0.9, 0.1], [0.55, 0.55, 0.55]]
    recording = recorded(curves, starts=[0, 0.1, 0.2], stopped_after=[0, 2, 0])
    # Its last report, sent before it had stopped, is what trial 2 is held against.
    assert ends(recording, {**BANDIT, "delay_evaluation": 2}) == [0, 2, 3]


def test_an_exempt_trial_is_not_judged_but_counts_for_the_others() -> None:
    curves = [[0.5, 0.5, 0.5], [0.9, 0.9, 0.1], [0.55, 0.55, 0.55]]
    starts, bandit = [0, 0.1, 0.2], {**BANDIT, "delay_evaluation": 2}
    recording = recorded(curves, starts=starts, exempt=[1])
    # Trial 2 is held against the end of trial 1, which would have ended at report 2.
    assert ends(recording, bandit) == [0, 0, 3]
    assert ends(recorded(curves, starts=starts), bandit) == [0, 2, 0]


def test_exempt_trials_stay_exempt_in_every_order_and_sample() -> None:
    curves = random_curves(5, trials=40)
    recording = recorded(curves, starts=list(range(40)), exempt=range(0, 40, 2))
    judge = {"type": "threshold", "value": 0.0}
    judged = [n % 2 == 1 for n in range(40)]
    assert [n > 0 for n in ends(recording, judge)] == judged
    again = Recording.load(shuffled(recording, 3).dump())
    assert [n > 0 for n in ends(again, judge)] == judged
    part = sample(recording, recording.size // 2)
    assert [n > 0 for n in ends(part, judge)] == (part.numbers % 2 == 1).tolist()


def test_limits_name_exempt_trials() -> None:
    one, two = (recorded([[1.0]] * 3, exempt=range(n)) for n in (1, 2))
    assert limits_in_words(Evaluation(one))[0] == (
        "1 trial was requested to run to its end, so no policy ends it here either."
    )
    assert limits_in_words(Evaluation(two))[0].startswith(
        "2 trials were requested to run to"
    )


def test_figures_of_a_policy_that_keeps_the_best() -> None:
    curves = [[0.5] * 4, [0.3] * 4, [0.9] * 4, [0.8] * 4]
    evaluation = Evaluation(recorded(curves))
    figures = evaluation.figures(np.array([0, 0, 1, 2]))
    assert (figures.ended, figures.reports, figures.reports_all) == (2, 11, 16)
    assert figures.saved == pytest.approx(5 / 16)
    assert (figures.best, figures.loss, figures.rank, figures.regret) == (1, 0.3, 1, 0)
    assert (figures.ended_rank, figures.ended_best, figures.best_count) == (3, 0, 1)


def test_figures_of_a_policy_that_loses_the_best() -> None:
    curves = [[0.6, 0.5], [0.9, 0.1], [0.7, 0.4]]
    figures = Evaluation(recorded(curves)).figures(np.array([0, 1, 0]))
    assert (figures.best, figures.rank) == (2, 2)
    assert figures.regret == pytest.approx(0.3)
    assert (figures.ended_rank, figures.ended_best) == (1, 1)


def test_what_an_ended_trial_had_reached_by_then_counts() -> None:
    curves = [[0.6, 0.5], [0.2, 0.1]]
    figures = Evaluation(recorded(curves)).figures(np.array([0, 1]))
    assert (figures.best, figures.loss, figures.rank) == (1, 0.2, 2)


def test_a_trial_that_was_really_ended_is_taken_to_run_on_as_others_do() -> None:
    curves = [[0.5] * 10, [0.4] * 10, [0.9] * 4]
    states = [COMPLETED, COMPLETED, TERMINATED]
    evaluation = Evaluation(recorded(curves, states=states, stopped_after=[0, 0, 4]))
    happened, without = evaluation.happened, evaluation.figures(np.zeros(3, np.int64))
    assert (happened.ended, happened.reports, happened.reports_all) == (1, 24, 30)
    assert (without.reports, without.saved) == (30, 0)
    assert evaluation.figures(np.array([0, 0, 4])) == happened
    assert "1 trial was really ended early" in limits_in_words(evaluation)[0]


def test_a_failed_trial_is_never_the_best() -> None:
    evaluation = Evaluation(recorded([[0.5], [0.1]], states=[COMPLETED, FAILED]))
    assert evaluation.happened.best == 0
    assert evaluation.happened.rank == 1


def test_a_sweep_without_a_finite_value_has_no_best() -> None:
    figures = Evaluation(recorded([[np.inf], [np.inf]])).happened
    assert (figures.best, figures.loss, figures.rank) == (None, None, None)
    assert figures.best_count == figures.ended_best == 0


def test_limits_name_trials_that_did_not_run_to_their_end() -> None:
    states = [COMPLETED, FAILED, CANCELLED]
    words = limits_in_words(Evaluation(recorded([[1.0]] * 3, states=states)))
    assert words[0] == "1 failed, 1 cancelled: simulated up to their last report."
    assert len(limits_in_words(Evaluation(recorded([[1.0]])))) == 1


def test_a_dumped_recording_is_read_back_the_same() -> None:
    recording = recorded(random_curves(3), starts=list(range(30)))
    again = Recording.load(recording.dump())
    assert ends(again, MEDIAN) == ends(recording, MEDIAN)
    assert (again.times == recording.times).all()


def test_shuffled_trials_keep_their_curves_and_their_pace() -> None:
    recording = recorded(random_curves(1), starts=[k * 0.7 for k in range(30)])
    other = shuffled(recording, 5)
    assert sorted(other.starts) == sorted(recording.starts)
    assert (np.diff(other.times) >= 0).all()
    for trial in range(30):
        curve = recording.losses[recording.trials == trial]
        assert (other.losses[other.trials == trial] == curve).all()
        assert other.ended_at[trial] > np.flatnonzero(other.trials == trial).max()


def test_a_sample_has_whole_trials_and_about_as_many_reports() -> None:
    recording = recorded(random_curves(2, trials=200), starts=list(range(200)))
    part = sample(recording, recording.size // 4)
    assert recording.size / 6 < part.size < recording.size / 3
    for place, number in enumerate(part.numbers.tolist()):
        curve = recording.losses[recording.trials == number]
        assert (part.losses[part.trials == place] == curve).all()
    assert sample(recording, recording.size) is recording


def test_progress_goes_from_policy_to_policy_up_to_all() -> None:
    recording, told = recorded(random_curves(4)), []
    judges = [policy(MEDIAN), policy(BANDIT)]
    assert len(list(simulations(recording, judges, told.append))) == 2
    assert told == sorted(told) and told[-1] == 1
    told.clear()
    found = list(averages(recording, judges, told.append, orders=3))
    assert told == sorted(told) and told[-1] == 1
    assert all(0 <= each.saved < 1 and each.places >= 0 for each in found)


def test_every_kind_without_parts_is_proposed_and_can_be_varied() -> None:
    recording = recorded(random_curves(7, most=30))
    found = proposals(recording, LOSS)
    assert set(POLICIES) - set(found) == {"any_of", "all_of"}
    for settings in found.values():
        field = main_field(settings)
        assert field in varied_fields(settings)
        own = families(settings, field, [], objective=LOSS, longest=30)[0]
        values = [member[own.field] for member in own.members]
        assert values == sorted(set(values)) and len(values) > 1
        assert settings in own.members


def test_a_family_has_its_own_value_and_only_valid_settings() -> None:
    settings = policy({**BANDIT, "slack_factor": 0.07}).settings()
    found = families(settings, None, [], objective=LOSS, longest=30)[0]
    assert 0.07 in [member[found.field] for member in found.members]
    halving = policy({"type": "asha", "reduction_factor": 100}).settings()
    found = families(halving, None, [], objective=LOSS, longest=30)[0]
    assert max(member[found.field] for member in found.members) == 100


def test_a_family_of_a_policy_without_numbers_is_left_out() -> None:
    assert families({"type": "x"}, None, [], objective=LOSS, longest=9) == []
