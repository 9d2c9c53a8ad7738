"""The likely best beside the best logged value, and the way to make sure of it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from django.test import Client

from experiments.models import Sweep, Trial
from experiments.pages.sweep.search_tile import likely_sentence
from experiments.search.likely_best import Likely, likely_best
from experiments.sweeps import search_status
from experiments.sweeps.search_status import MIN_COMPLETED
from experiments.tracking import history
from tests import factories
from tests.pages.clients import client_of, count_queries, page, text_of

pytestmark = pytest.mark.django_db
# Noise on a hill with its top at 0.4, where trial 7 of 16 is, and luck far off.
LUCKY = 0.83


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    history.forget_all()


def hill(number: int, x: float) -> float:
    return 0.9 - (x - 0.4) ** 2 + 0.04 * math.sin(37 * number)


def add(made: Sweep, x: float, value: float, **fields: Any) -> Trial:
    fields = {"state": "completed", "elapsed": 10.0, **fields}
    return factories.trial(made, params={"x": x}, value=value, **fields)


def sweep(trials: int = 16, **fields: Any) -> Sweep:
    team = factories.team(ada="member", vic="viewer")
    made = factories.sweep(team, **{"max_total_trials": 40, **fields})
    for number in range(trials):
        add(made, number / trials, hill(number, number / trials))
    return made


def with_luck(**fields: Any) -> tuple[Sweep, Trial]:
    made = sweep(**fields)
    return made, add(made, LUCKY, 0.96)


def overview(made: Sweep, user: str = "ada") -> str:
    return page(client_of(user), f"/sweeps/{made.pk}/")


def again(made: Sweep, trials: str, *, user: str = "ada") -> Any:
    url = f"/sweeps/{made.pk}/again/"
    return client_of(user).post(url, {"trials": trials}, follow=True)


def test_a_lucky_result_is_told_from_the_likely_best() -> None:
    made, lucky = with_luck()
    text = overview(made)
    assert f"Trial {lucky.number} logged the best value, 0.9600, but trial 7" in text
    assert "more likely the best: similar configurations do well." in text


def test_that_both_are_one_trial_is_said_too() -> None:
    assert "is likely the best: similar configurations do well." in overview(sweep())


def test_repeats_count_as_one_configuration() -> None:
    made, lucky = with_luck()
    for _ in range(2):
        add(made, 7 / 16, 0.94)
    text = overview(made)
    assert "but the values of trial 7 are more likely the best: run 3 times" in text
    assert f"Trial {lucky.number} logged" in text


def test_what_was_cut_short_is_said_to_have_been() -> None:
    made = sweep()
    add(made, LUCKY, 0.97, state="terminated")
    assert "before it was ended early; of the completed trials" in overview(made)


def test_nothing_is_claimed_of_few_trials_of_a_draft_or_of_very_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "Likely best" not in overview(sweep(MIN_COMPLETED - 1))
    assert "Likely best" not in overview(sweep(0, state="draft"))
    enough = sweep(MIN_COMPLETED)
    assert "Likely best" in overview(enough)
    monkeypatch.setattr(search_status, "MAX_WHILE_RUNNING", MIN_COMPLETED - 1)
    assert "Likely best" not in overview(enough)


def test_a_sweep_whose_document_no_longer_reads_has_its_page() -> None:
    made = sweep()
    definition = {**made.definition, "sampling_algorithm": {"type": "gone", "seed": 1}}
    Sweep.objects.filter(pk=made.pk).update(definition=definition)
    assert "Likely best" not in overview(made)


@pytest.mark.parametrize("goal", ["maximize", "minimize"])
def test_every_sentence_shows_values_in_the_metrics_own_sign(goal: str) -> None:
    made = sweep(1, goal=goal)
    best = made.trials.get(number=0)
    loss = made.objective.loss(0.125)
    lower = made.objective.loss(0.125) - 0.01
    likely = Likely(numbers=(0, 4), loss=loss, best_loss=lower, mean_loss=loss)
    assert likely_sentence(made, likely, best).endswith(
        "and its values hold up: run 2 times, 0.1250 on average."
    )


def test_the_same_value_again_is_no_evidence_and_says_what_to_do() -> None:
    made = sweep()
    best = made.trials.order_by("-value")[0]
    again = add(made, best.params["x"], best.value or 0.0)
    text = overview(made)
    assert f"Trial {best.number} logged the best value" in text
    assert "2 times. Repeats that are the same to the last digit do not show" in text
    assert "such as with SWEEPSITE_TRIAL_ID" in text
    assert "The model expects" not in text
    assert again.number > best.number


# --- run again -----------------------------------------------------------------------


def test_members_run_the_top_three_again() -> None:
    made, _ = with_luck(state="completed")
    text = overview(made)
    numbers = text.partition('name="trials" value="')[2].partition('"')[0]
    first, second, third = numbers.split(",")
    assert f"Run trials {first}, {second} and {third} again" in text
    answer = again(made, numbers)
    assert "will run again, as soon as a slot is free." in text_of(answer)
    made.refresh_from_db()
    assert (made.state, made.max_total_trials) == ("running", 17 + 3)
    text = overview(made)
    assert "already wait to run again" in text
    assert "Run trials" not in text


def test_viewers_see_the_sentence_and_no_button() -> None:
    made, _ = with_luck()
    text = overview(made, "vic")
    assert "Likely best" in text and "run-again" not in text
    assert again(made, "8", user="vic").status_code == 403
    made.refresh_from_db()
    assert made.max_total_trials == 40


def test_other_teams_find_nothing_and_strangers_log_in() -> None:
    made, _ = with_luck()
    factories.team("Chemistry", eve="admin")
    assert again(made, "8", user="eve").status_code == 404
    answer = Client().post(f"/sweeps/{made.pk}/again/", {"trials": "8"})
    assert answer.status_code == 302 and "login" in answer.headers["Location"]


def test_only_a_post_with_its_token_counts() -> None:
    made, _ = with_luck()
    client = Client(enforce_csrf_checks=True)
    client.force_login(factories.user("ada"))
    address = f"/sweeps/{made.pk}/again/"
    client.get(address, {"trials": made.trials.get(number=8).pk})
    assert not made.requests.exists()
    assert client.post(address, {"trials": "8"}).status_code == 403


@pytest.mark.parametrize("trials", ["", "x", "-1", "8,8", "99", "9" * 30, "8;drop"])
def test_nonsense_is_refused_in_words(trials: str) -> None:
    made, _ = with_luck()
    text = text_of(again(made, trials))
    assert "such as 3, 8, 12" in text or f"{made} has no trial" in text
    made.refresh_from_db()
    assert made.max_total_trials == 40


def test_a_cancelled_sweep_goes_on_for_them() -> None:
    made, _ = with_luck(state="cancelled")
    assert "Run trials" in overview(made)
    assert "will run again" in text_of(again(made, "8"))
    made.refresh_from_db()
    assert (made.state, made.max_total_trials) == ("running", 18)


# --- cost ----------------------------------------------------------------------------


def test_it_costs_as_many_queries_for_many_trials_as_for_few() -> None:
    counts = []
    for trials in (MIN_COMPLETED, 40):
        made = sweep(trials, max_total_trials=100)
        assert "Likely best" in overview(made)
        counts.append(count_queries(client_of("ada"), f"/sweeps/{made.pk}/"))
    assert counts[0] == counts[1]


def test_it_is_computed_once_for_as_long_as_no_trial_ends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = sweep()
    calls = []
    compute = likely_best

    def counted(*args: Any) -> list[Likely]:
        calls.append(args)
        return compute(*args)

    monkeypatch.setattr(search_status, "likely_best", counted)
    overview(made)
    factories.trial(made)
    overview(made)
    assert len(calls) == 1
    add(made, 0.41, 0.5)
    overview(made)
    assert len(calls) == 2
    assert math.isfinite(compute(calls[0][0], 1)[0].loss)
