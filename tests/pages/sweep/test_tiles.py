"""The four answers: best, progress, compute and the search in words."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from experiments.models import Attempt, Pool, Sweep
from experiments.pages.sweep.search_tile import (
    SearchTile,
    chance_to_improve,
    search_tile,
)
from experiments.pages.sweep.summary import SweepSummary, sweep_summary
from experiments.pages.sweep.tiles import (
    best_tile,
    compute_tile,
    day_and_clock,
    progress_tile,
)
from experiments.sweeps.search_status import search_status
from tests import factories

pytestmark = pytest.mark.django_db


def summary_of(sweep: Sweep) -> SweepSummary:
    return sweep_summary(sweep, now=timezone.now())


def sweep_with(*values: float, **fields: object) -> Sweep:
    sweep = factories.sweep(factories.team(), max_total_trials=10, **fields)
    for value in values:
        factories.trial(sweep, state="completed", value=value, elapsed=10.0)
    return sweep


def test_the_best_leads_over_the_next_and_over_the_median() -> None:
    tile = best_tile(summary_of(sweep_with(0.9, 0.95, 0.9733, 0.8)))
    assert tile.trial is not None
    assert tile.trial.number == 2
    assert [lead.gap for lead in tile.leads] == ["0.0233", "0.0483"]
    assert tile.leads[0].trial is not None
    assert tile.leads[0].trial.number == 1


def test_where_less_is_better_the_margin_has_no_sign_either() -> None:
    document = factories.definition_document(
        objective={"primary_metric": "loss", "goal": "minimize"}
    )
    sweep = factories.sweep(factories.team(), document=document)
    for value in (0.5, 0.25):
        factories.trial(sweep, state="completed", value=value)
    lead = best_tile(summary_of(sweep)).leads[0]
    assert (lead.gap, lead.side) == ("0.2500", "better than")


def test_equal_values_are_level_and_the_lower_number_is_best() -> None:
    tile = best_tile(summary_of(sweep_with(0.9, 0.9)))
    assert tile.trial is not None
    assert tile.trial.number == 0
    assert (tile.leads[0].gap, tile.leads[0].side) == ("equal", "to")


def test_a_failed_sweep_has_the_best_trial_that_lists_and_the_api_show() -> None:
    sweep = sweep_with(0.5)
    Sweep.objects.filter(pk=sweep.pk).update(state="failed")
    sweep.refresh_from_db()
    tile = best_tile(summary_of(sweep))
    assert tile.trial == sweep.trials.get()


def test_a_failed_trial_is_never_the_best() -> None:
    sweep = sweep_with(0.5)
    factories.trial(sweep, state="failed", value=0.99)
    tile = best_tile(summary_of(sweep))
    assert tile.trial is not None
    assert tile.trial.number == 0


def test_without_an_ended_trial_the_leader_of_those_that_run_is_named() -> None:
    sweep = factories.sweep(factories.team())
    factories.reported_trial(sweep, [0.4, 0.7])
    tile = best_tile(summary_of(sweep))
    assert tile.trial is None
    assert tile.text == "Trial 0 leads with 0.7000; it counts when it ends."


def test_progress_counts_what_ended_of_what_there_will_be() -> None:
    sweep = sweep_with(0.5, 0.6)
    factories.trial(sweep)
    tile = progress_tile(summary_of(sweep))
    assert (tile.value, tile.unit) == (2, "of 10 trials ended")
    assert tile.counts["left"] == 8
    assert sum(tile.counts.values()) == 10


def test_the_end_is_estimated_from_the_durations_so_far() -> None:
    sweep = sweep_with(0.5, 0.6, 0.7)
    running = factories.trial(sweep)
    factories.claim(running)
    left = summary_of(sweep).seconds_left
    assert left is not None
    assert 65 < left <= 70
    assert progress_tile(summary_of(sweep)).aside.startswith("ends in about 1 m 10 s,")


def test_two_ended_trials_are_too_few_for_an_estimate() -> None:
    assert progress_tile(summary_of(sweep_with(0.5, 0.6))).aside == (
        "end not known yet"
    )


def test_a_small_space_bounds_the_number_of_trials() -> None:
    document = factories.definition_document(
        search_space={"x": {"type": "choice", "values": [1, 2, 3]}},
        limits={"max_total_trials": 40},
    )
    sweep = factories.sweep(factories.team(), document=document)
    assert summary_of(sweep).planned == 3


def test_an_ended_sweep_says_why() -> None:
    sweep = sweep_with(0.5, state="completed", reason="max_total_trials")
    assert progress_tile(summary_of(sweep)).aside == (
        "ended because its only trial was tried"
    )


def test_early_ends_save_what_the_median_completed_trial_takes_beyond_them() -> None:
    sweep = sweep_with(0.5, 0.6, 0.7)
    sweep.trials.update(reports=20)
    factories.trial(sweep, state="terminated", value=0.1, elapsed=4.0, reports=3)
    factories.trial(sweep, state="terminated", value=0.1, elapsed=12.0, reports=30)
    tile = compute_tile(summary_of(sweep))
    assert (tile.used, tile.saved, tile.also) == (46, 6, " and 17 reports")
    assert (tile.early, tile.share) == ("2 trials", "12 %")


def test_saved_money_and_gpu_time_are_told_where_there_is_some() -> None:
    sweep = sweep_with(0.5, 0.6, 0.7)
    factories.trial(sweep, state="terminated", value=0.1, elapsed=4.0)
    assert compute_tile(summary_of(sweep)).also == ""
    Pool.objects.update(price_per_hour="360")
    sweep.pool.refresh_from_db()
    sweep.definition["resources"] = {"gpus": 2}
    sweep.trials.update(reports=1)
    assert compute_tile(summary_of(sweep)).also == (
        ", 12 s of GPU time and a cost of 0.60"
    )
    Pool.objects.update(price_per_hour="0.01")
    sweep.pool.refresh_from_db()
    assert compute_tile(summary_of(sweep)).also.endswith("a cost below 0.01")


def test_compute_counts_lost_attempts_too() -> None:
    sweep = sweep_with(0.5)
    trial = sweep.trials.get()
    Attempt.objects.create(trial=trial, n=2, pool=sweep.pool, state="lost", elapsed=5.0)
    assert compute_tile(summary_of(sweep)).used == 15


def test_random_search_states_the_chance_to_improve() -> None:
    sweep = sweep_with(0.9, 0.5, 0.6)
    tile = search_tile(summary_of(sweep))
    assert tile.title == "Exploring at random"
    assert tile.text == "2 trials ended since trial 0, none better."
    assert tile.chance == "70 %"
    assert "the next 7" in tile.chance_of


def test_the_chance_is_that_of_exchangeable_draws() -> None:
    assert chance_to_improve(30, 10) == 0.25
    assert chance_to_improve(0, 0) == 0.0


def test_a_finished_random_search_says_how_settled_it_is() -> None:
    sweep = sweep_with(*(k / 1000 for k in range(200)), state="completed")
    tile = search_tile(summary_of(sweep))
    assert tile.title == "Settled"
    assert tile.chance_of == "Chance that 20 more trials beat trial 199:"


def test_a_grid_counts_combinations_and_claims_no_chance() -> None:
    document = factories.definition_document(
        trial={"command": "python train.py"},
        search_space={
            "a": {"type": "choice", "values": [1, 2, 3]},
            "b": {"type": "choice", "values": [1, 2]},
        },
        sampling_algorithm={"type": "grid"},
        limits={"max_total_trials": 4},
    )
    sweep = factories.sweep(factories.team(), document=document)
    factories.trial(sweep, state="completed", value=0.5, params={"a": 1, "b": 1})
    tile = search_tile(summary_of(sweep))
    assert tile.text.startswith("1 of 6 combinations tried. The budget ends at 4.")
    assert tile.chance == ""


def test_times_of_other_days_name_the_day() -> None:
    now = timezone.now().replace(hour=12)
    assert day_and_clock(now, now) == f"{now:%H:%M}"
    assert day_and_clock(now - timedelta(days=1), now).startswith("yesterday ")
    assert day_and_clock(now + timedelta(days=1), now).startswith("tomorrow ")
    assert str(now.year - 2) in day_and_clock(now - timedelta(days=730), now)


def bayesian_sweep(*origins: str, **fields: object) -> Sweep:
    document = factories.definition_document(sampling_algorithm={"type": "bayesian"})
    sweep = factories.sweep(factories.team(), document=document, **fields)
    for number, origin in enumerate(origins):
        params, value = {"x": number / 20}, number / 40
        factories.trial(
            sweep, state="completed", value=value, params=params, origin=origin
        )
    return sweep


def tile_of(sweep: Sweep) -> SearchTile:
    return search_tile(
        summary_of(sweep), search_status(sweep, tried=sweep.trials.count())
    )


def test_a_sampler_that_learns_says_itself_what_it_does() -> None:
    tile = tile_of(bayesian_sweep("initial design", "initial design"))
    assert tile.title == "Looking around"
    assert tile.text.startswith("First trials cover the space until four have a value")
    tile = tile_of(bayesian_sweep(*["initial design"] * 4, *["model"] * 6))
    assert tile.title == "Refining"
    assert tile.text == (
        "A model of 10 results proposes what it expects to improve most. "
        "No trial has ended since trial 9, the best."
    )


def test_what_was_run_again_or_came_from_elsewhere_does_not_show_in_the_title() -> None:
    origins = ["exploration", *["imported", "rerun"] * 4]
    assert tile_of(bayesian_sweep(*origins)).title == "Exploring"


def test_an_ended_search_says_only_what_it_has_found() -> None:
    tile = tile_of(bayesian_sweep("model", state="completed"))
    assert tile.title == "Search ended"
    assert tile.text == "No trial has ended since trial 0, the best."
