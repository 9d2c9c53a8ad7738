"""The sentence that says why a trial is where it is, in every state."""

from __future__ import annotations

import pytest
from django.utils import timezone

from experiments import lifecycle
from experiments.formatting import distinct_texts
from experiments.models import Attempt, Decision, Sweep, Trial
from experiments.models.trials import AttemptState
from experiments.pages.failures import Failure, advice, by_log
from experiments.pages.log_text import LogLine, Span
from experiments.pages.trial.detail import detail_of
from experiments.pages.trial.verdicts import chance_text, fact_columns, verdict_rows
from experiments.pages.trial.why import Why, why_of
from experiments.pages.trial_rows import trial_rows
from experiments.search.records import Objective
from experiments.search.wording import similar_names
from experiments.tracking.verdicts import margin_of
from tests import factories

pytestmark = pytest.mark.django_db
MEDIAN = {"type": "median_stopping", "evaluation_interval": 1, "delay_evaluation": 2}
Outcome = lifecycle.Outcome


def sweep_with(policy: dict[str, object] | None, **objective: str) -> Sweep:
    goal = {"primary_metric": "accuracy", "goal": "maximize", **objective}
    document = factories.definition_document(early_termination=policy, objective=goal)
    return factories.sweep(factories.team(), document=document)


def why(trial: Trial) -> Why:
    fresh = Trial.objects.select_related(
        "sweep__pool", "sweep__experiment", "experiment", "current_attempt__worker"
    ).get(pk=trial.pk)
    return why_of(detail_of(fresh))


def finish(trial: Trial, **outcome: object) -> Trial:
    attempt = trial.current_attempt
    assert attempt is not None
    lifecycle.finish_attempt(attempt, Outcome(**{"cause": "exited", **outcome}))
    trial.refresh_from_db()
    return trial


def ended_by_median() -> Trial:
    sweep = sweep_with(MEDIAN)
    for values in ([0.5, 0.7, 0.8], [0.6, 0.8, 0.9], [0.4, 0.6, 0.7]):
        factories.reported_trial(sweep, values, state="completed")
    trial = factories.reported_trial(sweep, [0.3, 0.62, 0.61])
    assert trial.stop_reason == "policy"
    return finish(trial, cause="stopped")


def test_a_trial_ended_by_the_median_says_both_numbers_and_their_origin() -> None:
    trial = ended_by_median()
    found = why(trial)
    assert found.lead == (
        "Trial 3 ended after report 3: its best accuracy <strong>0.6200</strong> was"
        " below <strong>0.6667</strong>, the median of 3 other trials\u2019 averages"
        " over the same 3 reports."
    )
    notes = " ".join(found.notes)
    assert "Median stopping, checked at every report from the 2nd." in notes
    assert "One check passed, at report 2 with 0.020 to spare." in notes
    assert "Accuracy had not risen since report 2." in notes
    assert "The threshold was set by <a href=" in notes


def test_a_trial_ended_by_the_bandit_links_the_leader() -> None:
    sweep = sweep_with({"type": "bandit", "slack_amount": 0.1})
    leader = factories.reported_trial(sweep, [0.9], state="completed")
    trial = finish(factories.reported_trial(sweep, [0.5]), cause="stopped")
    lead = why(trial).lead
    assert "<strong>0.5000</strong> was below <strong>0.8000</strong>" in lead
    assert f'<a href="{leader.get_absolute_url()}">trial 0</a>' in lead


def test_a_trial_that_minimizes_was_above_the_threshold() -> None:
    sweep = sweep_with({"type": "bandit", "slack_amount": 0.1}, goal="minimize")
    factories.reported_trial(sweep, [0.1], state="completed")
    trial = finish(factories.reported_trial(sweep, [0.9]), cause="stopped")
    assert "was above" in why(trial).lead


def test_a_verdict_in_unknown_words_is_repeated_as_it_is() -> None:
    trial = ended_by_median()
    Decision.objects.filter(trial=trial, stop=True).update(
        policy="unheard_of", clause="something <b>else</b>", limit_words=""
    )
    assert why(trial).lead == (
        "Trial 3 ended after report 3: something &lt;b&gt;else&lt;/b&gt;."
    )


def test_numbers_that_look_alike_are_told_apart() -> None:
    assert distinct_texts(0.811101, 0.811104) == ("0.811101", "0.811104")
    assert distinct_texts(0.81, 0.82) == ("0.8100", "0.8200")


def test_the_best_trial_says_its_lead() -> None:
    sweep = sweep_with(None)
    factories.reported_trial(sweep, [0.7], state="completed")
    best = factories.reported_trial(sweep, [0.9], state="completed")
    found = why(best)
    assert "ran to the end and is the best of 2" in found.lead
    assert "0.200 ahead of" in found.lead
    assert found.notes == ["No policy ends trials of this sweep early."]


def test_a_completed_trial_says_its_rank_and_how_close_it_came() -> None:
    sweep = sweep_with(MEDIAN)
    factories.reported_trial(sweep, [0.5, 0.9], state="completed")
    trial = factories.reported_trial(sweep, [0.6, 0.8], state="completed")
    found = why(trial)
    assert "rank 2 of 2 with <strong>0.8000</strong>, 0.100 behind" in found.lead
    assert "One check passed, at report 2 with 0.10 to spare." in found.notes


def test_a_running_trial_says_when_the_next_check_comes() -> None:
    sweep = sweep_with({**MEDIAN, "evaluation_interval": 4, "delay_evaluation": 6})
    trial = factories.reported_trial(sweep, [0.5])
    notes = why(trial).notes
    assert "Median stopping, checked at every 4th report from the 8th." in notes
    assert "The first check comes at report 8." in notes


def test_a_running_trial_that_was_kept_says_against_what() -> None:
    sweep = sweep_with(MEDIAN)
    factories.reported_trial(sweep, [0.2, 0.4], state="completed")
    found = why(factories.reported_trial(sweep, [0.5, 0.5]))
    assert (
        "continues: at report 2 its best accuracy <strong>0.5000</strong>" in found.lead
    )
    assert "was above <strong>0.3000</strong>, the average of" in found.lead
    assert "The next check comes at report 3." in found.notes


def test_a_trial_that_is_being_ended_says_so_already() -> None:
    sweep = sweep_with({"type": "bandit", "slack_amount": 0.1})
    factories.reported_trial(sweep, [0.9], state="completed")
    found = why(factories.reported_trial(sweep, [0.5]))
    assert "was asked to stop after report 1: its best accuracy" in found.lead
    assert found.notes == ["It can save its work; then it ends."]


def test_a_failed_trial_says_its_exit_code_once() -> None:
    trial = factories.reported_trial(sweep_with(None), [0.5])
    found = why(finish(trial, exit_code=3, message="exit code 3"))
    assert found.lead == "Trial 0 failed after report 1: exit code 3."
    assert not found.notes
    assert any("last lines of the log" in step for step in found.advice)


def test_a_line_of_the_log_that_names_the_cause_comes_first() -> None:
    trial = finish(factories.reported_trial(sweep_with(None), [0.5]), exit_code=1)
    line = LogLine([Span("ModuleNotFoundError: No module named 'torch'")])
    steps = advice(Failure(trial, [line, LogLine([Span("exit code 1")], ours=True)]))
    assert steps[0].startswith("If torch is a file of yours, add it")
    assert len(steps) == 2 and steps[1].startswith("Run the command of the trial")


def test_a_killed_trial_is_told_about_memory() -> None:
    trial = factories.reported_trial(sweep_with(None), [0.5])
    found = why(finish(trial, signal=9, peak_memory=15_900_000_000))
    assert "killed by signal 9" in found.lead
    assert "16 GB" in found.advice[0]


def test_a_trial_without_its_metric_is_told_what_was_nearly_meant() -> None:
    trial = factories.trial(sweep_with(None))
    factories.claim(trial)
    for name in ("Accuracy", "loss", "<i>"):
        factories.report(trial, [0.5], name=name)
    found = why(finish(trial, exit_code=0))
    assert "without reporting <strong>accuracy</strong>, the primary metric" in (
        found.lead
    )
    assert "Did you mean <strong>Accuracy</strong>?" in found.advice[0]
    note = next(note for note in found.notes if "It reported" in note)
    assert "<i>" in note and not hasattr(note, "__html__")
    # The lead says that it never reported accuracy.
    assert note == 'It reported "<i>", "Accuracy" and "loss".'


def test_a_trial_that_only_printed_its_metric_shows_the_line() -> None:
    trial = factories.trial(sweep_with(None))
    factories.claim(trial)
    factories.report(trial, [0.5], name="loss")
    found = why(finish(trial, exit_code=0, printed=["val_acc=0.91"]))
    assert found.notes[0] == (
        'It reported "loss"; its output has lines such as "val_acc=0.91".'
    )
    assert "accuracy=0.9" in found.advice[0]


def test_near_misses_ignore_case_and_signs() -> None:
    names = ["Val-Accuracy", "loss", "acurracy", "epoch"]
    assert similar_names("accuracy", names) == ["Val-Accuracy", "acurracy"]
    assert similar_names("accuracy", ["loss"]) == []


def test_trials_that_failed_alike_are_counted() -> None:
    sweep = sweep_with(None)
    for _ in range(3):
        trial = finish(factories.reported_trial(sweep, [0.5]), exit_code=1)
    assert (
        "2 other trials of this sweep failed for the same reason." in why(trial).notes
    )
    signatures = ("a", "b", "b")
    for each, signature in zip(sweep.trials.all(), signatures, strict=True):
        Attempt.objects.filter(trial=each).update(signature=signature)
    trial = Trial.objects.get(pk=trial.pk)
    others = {n for n in why(trial).notes if "same reason" in n}
    count = signatures.count(trial.current_attempt.signature) - 1  # type: ignore[union-attr]
    words = "One other trial of this sweep failed for the same reason."
    assert others == ({words} if count else set())


def test_a_cancelled_trial_says_by_whom() -> None:
    sweep = sweep_with(None)
    lifecycle.start_sweep(sweep)
    trial = factories.trial(sweep)
    lifecycle.cancel_sweep(sweep, actor=factories.user("ada"))
    assert why(trial).lead == "Trial 0 was cancelled with its sweep by ada."


def test_a_trial_that_ran_out_of_time_says_so_and_what_to_try() -> None:
    sweep = sweep_with(None)
    Sweep.objects.filter(pk=sweep.pk).update(trial_timeout=90)
    trial = factories.reported_trial(sweep, [0.5])
    found = why(finish(trial, cause="trial_timeout", message="Its 90 s were over."))
    assert found.lead == "Trial 0 was cancelled after report 1: its 90 s were over."
    assert "1 m 30 s" in found.advice[0]


def test_a_queued_trial_without_workers_is_given_the_command() -> None:
    found = why(factories.trial(sweep_with(None)))
    assert "no worker of pool default" in found.lead
    assert found.command == "python manage.py worker --pool default --slots 2"


def test_a_queued_trial_says_what_it_waits_for() -> None:
    sweep = sweep_with(None)
    factories.reported_trial(sweep, [0.5])
    found = why(factories.trial(sweep))
    assert found.lead == "Trial 1 waits: <strong>a slot is free.</strong>"
    assert list(found.notes) == ["The scheduler is about to place it."]
    factories.claim(factories.trial(sweep), slot=1)
    found = why(sweep.trials.get(number=1))
    assert "<strong>no slot of pool default is free.</strong>" in found.lead
    assert found.notes[0] == "Used by Physics (2)."
    assert not found.command


def test_a_queued_trial_of_a_sweep_that_launches_nothing_waits_for_an_asker() -> None:
    sweep = sweep_with(None)
    Sweep.objects.filter(pk=sweep.pk).update(launches=False)
    sweep.refresh_from_db()
    found = why(factories.trial(sweep))
    assert found.lead == (
        "Trial 0 waits until one of your processes asks for a trial of digits-1."
    )


def test_a_lost_trial_says_how_often() -> None:
    sweep = sweep_with(None)
    trial = factories.reported_trial(sweep, [0.5])
    Attempt.objects.filter(trial=trial).update(state=AttemptState.LOST)
    Trial.objects.filter(pk=trial.pk).update(
        state="failed", reason="lost", message="No heartbeat for 60 s."
    )
    found = why(trial)
    assert "its worker was lost" in found.lead
    assert "No heartbeat for 60 s." in found.notes
    assert "was lost once" in found.advice[0]


def test_the_short_table_keeps_the_first_the_closest_and_the_last() -> None:
    trial = ended_by_median()
    decisions = [
        Decision(
            n=n, value=0.5, threshold=0.5 - abs(n - 10) / 100 - 0.001, stop=n == 30
        )
        for n in range(5, 31)
    ]
    rows = verdict_rows(decisions, detail_of(trial).objective, whole=False)
    always = [row.decision.n for row in rows if row.rank == 0]
    assert always == [5, 10, 28, 29, 30]
    assert sum(row.rank < 2 for row in rows) == 12
    whole = verdict_rows(decisions, detail_of(trial).objective, whole=True)
    assert not any(row.rank for row in whole)


def test_only_words_about_memory_are_read_as_memory() -> None:
    assert not by_log("RuntimeError: boom")
    assert not by_log("KeyError: 'room'")
    for line in ("torch.OutOfMemoryError: x", "killed: OOM", "CUDA out of memory"):
        assert "batch size" in by_log(line)[0]


def test_a_policy_of_rungs_says_where_the_trial_stood_and_that_none_is_left() -> None:
    halving = {"type": "hyperband", "max_resource": 4, "reduction_factor": 2}
    sweep = sweep_with(halving)
    for value in (0.9, 0.8):
        factories.reported_trial(sweep, [value] * 3, state="completed")
    trial = factories.reported_trial(sweep, [0.95] * 3)
    notes = " ".join(why(trial).notes)
    assert "one in 2 continues after 1, 2 reports. No further check comes." in notes
    asha = sweep_with({"type": "asha", "reduction_factor": 2})
    factories.reported_trial(asha, [0.9], state="completed")
    worse = finish(factories.reported_trial(asha, [0.5]), cause="stopped")
    lead = str(why(worse).lead)
    assert "was below <strong>0.9000</strong>, the best of <a href=" in lead
    assert "one in 2 continues" in lead


def judged(policy: dict[str, object], *curves: list[float], own: list[float]) -> Trial:
    """A trial that reports after others have run to their end; it may be stopped."""
    sweep = sweep_with(policy)
    for curve in curves:
        factories.reported_trial(sweep, curve, state="completed")
    trial = factories.reported_trial(sweep, own)
    return finish(trial, cause="stopped") if trial.stop_reason else trial


def test_a_missed_value_is_told_without_saying_twice_that_it_ended() -> None:
    trial = judged({"type": "threshold", "value": 0.6, "by_report": 2}, own=[0.4, 0.5])
    found = why(trial)
    assert str(found.lead).startswith("Trial 0 ended after report 2: its best accuracy")
    assert "has not reached 0.6" in found.lead
    assert "One check passed." in found.notes


def test_a_bound_that_the_last_report_missed_gives_no_margin_to_the_best() -> None:
    trial = judged({"type": "threshold", "lower": 0.3}, own=[0.8, 0.2])
    rows = verdict_rows(list(trial.decisions.all()), objective_of(trial), whole=True)
    assert rows[-1].decision.stop and rows[-1].margin is None
    assert rows[-1].bar is None and rows[-1].gap == "\u2013"
    assert "beyond the lower bound" in why(trial).lead


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
def test_a_margin_has_the_same_sign_as_in_the_api_and_plus_is_better(goal: str) -> None:
    sweep = sweep_with({"type": "bandit", "slack_amount": 0.5}, goal=goal)
    factories.reported_trial(sweep, [0.5, 0.5], state="completed")
    trial = factories.reported_trial(sweep, [0.5, 0.25 if goal == "maximize" else 0.75])
    assert not trial.stop_reason
    decisions = list(trial.decisions.all())
    rows = verdict_rows(decisions, sweep.objective, whole=True)
    margins = [margin_of(decision, sweep.objective) for decision in decisions]
    assert margins == [0.5, 0.5]
    assert [float(row.gap) for row in rows] == margins
    assert rows[0].gap.startswith("+")


def objective_of(trial: Trial) -> Objective:
    assert trial.sweep is not None
    return trial.sweep.objective


def test_patience_says_what_has_not_improved_and_how_close_it_came() -> None:
    policy = {"type": "patience", "patience": 2}
    found = why(judged(policy, own=[0.4, 0.5, 0.51, 0.5, 0.5]))
    best = "its best accuracy <strong>0.51</strong> has not improved"
    assert best in found.lead
    assert "it was closest at report 4" in " ".join(found.notes)


def test_a_rule_that_waits_is_told_with_the_best_so_far() -> None:
    found = why(judged({"type": "patience", "patience": 5}, own=[0.4]))
    assert found.lead == (
        "Trial 0 continues: at report 1 with a best accuracy of <strong>0.4</strong>,"
        " patience lasts for 5 reports."
    )


def test_every_rule_of_a_combination_counts() -> None:
    policy = {
        "type": "all_of",
        "policies": [{"type": "median_stopping"}, {"type": "patience", "patience": 1}],
    }
    found = why(judged(policy, [0.7, 0.8], own=[0.3, 0.3]))
    lead = str(found.lead)
    assert "its best accuracy <strong>0.3</strong> was below 0.75, the average" in lead
    assert "; its best accuracy <strong>0.3</strong> has not improved" in lead
    assert '<a href="/trials/' in lead


RISING = [[0.1, 0.5, 0.7, 0.75, 0.8 + k / 100] for k in range(6)]
SLOW = [0.05, 0.1, 0.11, 0.111]


def test_a_prediction_says_its_chance_in_words_and_in_columns() -> None:
    trial = judged({"type": "predictive"}, *RISING, own=SLOW)
    found = why(trial)
    assert "with a best accuracy of <strong>0.11" in found.lead
    assert "a chance of" in found.lead
    decisions = list(trial.decisions.all())
    assert fact_columns(decisions) == ["gain_needed", "chance", "chance_asked"]
    rows = verdict_rows(decisions, objective_of(trial), whole=True)
    assert all(row.margin is None for row in rows)
    chance, required = (decisions[-1].facts[f] for f in ("chance", "chance_asked"))
    assert rows[-1].facts[1:] == [chance_text(chance), chance_text(required)]
    assert trial.sweep is not None
    (row,) = trial_rows(trial.sweep, [trial], now=timezone.now(), best_id=None)
    assert f"{chance_text(required)} required" in row["status"]
    assert "led." in " ".join(str(note) for note in found.notes)


def test_the_closest_check_of_a_prediction_had_the_smallest_chance() -> None:
    sweep = sweep_with({"type": "predictive", "chance": 0.0001})
    for curve in RISING:
        factories.reported_trial(sweep, curve, state="completed")
    trial = factories.reported_trial(sweep, SLOW)
    checks = detail_of(trial).checks
    chances = [d.facts["chance"] for d in trial.decisions.all()]
    assert checks.chance == min(chances) and checks.spare is None
    assert "to become the best." in " ".join(map(str, why(trial).notes))


@pytest.mark.parametrize(
    ("chance", "text"),
    [
        (0.0, "below 0.1 %"),
        (0.031, "3.1 %"),
        (0.155, "16 %"),
        (0.9999, "100 %"),
        (1.0, "100 %"),
    ],
)
def test_a_chance_in_percent(chance: float, text: str) -> None:
    assert chance_text(chance) == text


def test_a_policy_that_asks_no_more_is_told_for_a_running_trial() -> None:
    policy = {"type": "hyperband", "max_resource": 3, "reduction_factor": 2}
    notes = why(judged(policy, own=[0.5, 0.5, 0.5])).notes
    assert "No further check comes." in notes
