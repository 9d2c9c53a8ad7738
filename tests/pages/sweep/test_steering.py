"""Pausing, extending and changing a sweep from its pages."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import pytest
from django.http import HttpResponse
from django.utils import timezone

from experiments.models import Attempt, Sweep
from experiments.pages.sweep.head import cancel_text
from experiments.pages.sweep.summary import sweep_summary
from experiments.sweeps import editing
from tests import factories
from tests.pages.clients import client_of, sweep_page

pytestmark = pytest.mark.django_db

ADD_MORE = ">Add more trials</a>"


@pytest.fixture
def sweep() -> Sweep:
    return factories.sweep(factories.team(ada="member", ben="member", vic="viewer"))


def post(sweep: Sweep, part: str, user: str = "ada", **data: Any) -> HttpResponse:
    answer = client_of(user).post(f"/sweeps/{sweep.pk}/{part}/", data)
    sweep.refresh_from_db()
    return answer


def seen(text: str, form: str) -> str:
    """The hidden copy of what a form of the page shows."""
    start = text.index(f'action="{form}')
    found = re.search(r'name="seen" value="([^"]*)"', text[start:])
    assert found is not None
    return unescape(found[1])


class TestPausing:
    def test_the_page_asks_what_becomes_of_running_trials(self, sweep: Sweep) -> None:
        factories.claim(factories.trial(sweep))
        for text in (sweep_page(sweep), sweep_page(sweep, "pause/")):
            assert "1 trial runs now." in text
            assert "Let them finish" in text and "requeue them" in text

    def test_they_finish_or_are_put_back(self, sweep: Sweep) -> None:
        factories.claim(factories.trial(sweep))
        post(sweep, "pause", running="finish")
        assert sweep.state == "paused"
        assert Attempt.objects.get().release_requested_at is None
        assert "Stop and requeue 1 trial" in sweep_page(sweep)
        post(sweep, "pause", running="requeue")
        assert Attempt.objects.get().release_requested_at is not None
        assert "Stopped and queued again: 1 running trial." in sweep_page(
            sweep, "events/"
        )

    def test_a_paused_sweep_says_who_runs_and_who_waits(self, sweep: Sweep) -> None:
        factories.claim(factories.trial(sweep))
        factories.trial(sweep)
        post(sweep, "pause")
        assert "paused, 1 still running, 1 waiting" in sweep_page(sweep)

    def test_the_feed_brings_the_number_of_the_question(self, sweep: Sweep) -> None:
        factories.claim(factories.trial(sweep))
        news = client_of("ada").get(f"/sweeps/{sweep.pk}/feed.json").json()
        assert news["running"] == "1 trial runs now."


class TestExtending:
    def test_the_question_before_says_what_is_left_and_how_it_resumes(
        self, sweep: Sweep
    ) -> None:
        factories.claim(factories.trial(sweep))
        summary = sweep_summary(sweep, now=timezone.now())
        left = summary.planned - 1
        assert left == summary.not_started > 0
        assert cancel_text(sweep, summary.counts) == (
            f"1 running trial stops, {left} trials are not started; results are kept."
            " To resume it later, use Add more trials."
        )
        Sweep.objects.update(exhausted=True)
        sweep.refresh_from_db()
        assert cancel_text(sweep, summary.counts) == (
            "1 running trial stops; results are kept."
        )

    def test_an_ended_sweep_offers_more_and_goes_on(self, sweep: Sweep) -> None:
        assert ADD_MORE not in sweep_page(sweep)
        post(sweep, "cancel")
        assert ADD_MORE in sweep_page(sweep)
        assert "How many more trials" in sweep_page(sweep, "extend/")
        assert post(sweep, "extend", trials="7").status_code == 302
        assert (sweep.state, sweep.max_total_trials) == ("running", 7)

    def test_sent_twice_it_counts_once(self, sweep: Sweep) -> None:
        post(sweep, "cancel")
        for _ in range(2):
            post(sweep, "extend", trials="7")
        assert (sweep.state, sweep.max_total_trials) == ("running", 7)

    @pytest.mark.parametrize("trials", ["", "0", "-1", "many", "9" * 30, "\u0661"])
    def test_nonsense_is_refused_in_words(self, sweep: Sweep, trials: str) -> None:
        post(sweep, "cancel")
        answer = client_of("ada").post(
            f"/sweeps/{sweep.pk}/extend/", {"trials": trials}, follow=True
        )
        words = "trials must be a whole number from 1 to 100,000, not"
        assert f'{words} "{trials}".' in unescape(answer.content.decode())
        sweep.refresh_from_db()
        assert sweep.state == "cancelled"

    def test_what_was_tried_to_the_end_offers_no_more(self, sweep: Sweep) -> None:
        Sweep.objects.update(state="completed", exhausted=True)
        assert ADD_MORE not in sweep_page(sweep)

    def test_viewers_may_not(self, sweep: Sweep) -> None:
        post(sweep, "cancel")
        assert post(sweep, "extend", user="vic", trials="3").status_code == 403
        assert ADD_MORE not in sweep_page(sweep, user="vic")


def test_old_trials_are_told_apart_and_axes_have_room_for_them(
    sweep: Sweep,
) -> None:
    old = factories.trial(sweep, params={"x": 0.1}, state="completed", value=0.5)
    assert "Search space 1" not in client_of("ada").get(
        old.get_absolute_url()
    ).content.decode()  # fmt: skip
    space = {"x": {"type": "uniform", "min_value": 0.5, "max_value": 2.0}}
    editing.change_sweep(sweep, {"search_space": space}, actor=None)
    new = factories.trial(sweep, params={"x": 0.9}, state="completed", value=0.6)
    for trial, words in ((old, "Search space 1 of 2"), (new, "Search space 2 of")):
        found = client_of("ada").get(trial.get_absolute_url()).content.decode()
        assert words in found
    model = sweep_page(sweep).partition('id="sweep-model"')[2]
    axis = json.loads(model.partition(">")[2].partition("<")[0])["space"][0]
    assert (axis["low"], axis["high"]) == (0.0, 2.0)


class TestTwoPeople:
    def test_the_second_sees_what_the_first_changed(self, sweep: Sweep) -> None:
        form = f"/sweeps/{sweep.pk}/settings/"
        before = seen(sweep_page(sweep, "settings/"), form)
        limits = {"max_total_trials": 9, "max_concurrent_trials": 2}
        assert post(sweep, "settings", seen=before, **limits).status_code == 302
        mine = {"max_total_trials": 4, "max_concurrent_trials": 3}
        answer = post(sweep, "settings", "ben", seen=before, **mine)
        found = answer.content.decode()
        assert answer.status_code == 409
        assert "“Total trials” was 4 and is now 9" in found
        assert 'value="3"' in found, "what was typed stays"
        assert (sweep.max_total_trials, sweep.max_concurrent_trials) == (9, 2)
        answer = post(sweep, "settings", "ben", seen=seen(found, form), **mine)
        assert answer.status_code == 302
        assert (sweep.max_total_trials, sweep.max_concurrent_trials) == (4, 3)

    def test_other_changes_are_no_conflict(self, sweep: Sweep) -> None:
        before = seen(sweep_page(sweep, "settings/"), f"/sweeps/{sweep.pk}/settings/")
        policy = {"type": "median_stopping"}
        editing.change_sweep(sweep, {"early_termination": policy}, actor=None)
        limits = {"max_total_trials": 9, "max_concurrent_trials": 2}
        assert post(sweep, "settings", seen=before, **limits).status_code == 302

    @pytest.mark.parametrize("text", ["{", "[1]", '"x"', "[" * 5000, '{"nope": 1}'])
    def test_a_crafted_copy_does_no_harm(self, sweep: Sweep, text: str) -> None:
        limits = {"max_total_trials": 9, "max_concurrent_trials": 2}
        assert post(sweep, "settings", seen=text, **limits).status_code == 302
        assert sweep.max_total_trials == 9


def test_only_what_was_asked_for_is_left(sweep: Sweep) -> None:
    for _ in range(4):
        factories.trial(sweep, state="completed", value=0.5)
    assert "Exploring at random" in sweep_page(sweep)
    sweep.requests.create(params={"x": 0.1}, origin="rerun", source_number=0)
    Sweep.objects.update(max_total_trials=5)
    text = sweep_page(sweep)
    assert "Running 1 requested trial" in text and "Exploring at random" not in text
    assert "The search itself has ended." in text
