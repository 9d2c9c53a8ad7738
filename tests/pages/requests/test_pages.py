"""Pages on which people ask for single trials, and take them back."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from experiments.models import Sweep, TrialRequest
from experiments.models.trials import Origin
from experiments.pages.sweep.cards import waiting_card
from tests import factories
from tests.pages.clients import text_of

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.usefixtures("own_data_folder"),
]
HOSTILE = '"><script>alert(1)</script>'
SPACE = {
    "x": {"type": "uniform", "min_value": 0.0, "max_value": 1.0},
    "n": {"type": "int", "low": 1, "high": 9},
    "kind": {"type": "choice", "values": ["sgd", "adam", 16, True, HOSTILE]},
}


@pytest.fixture
def sweep(ada: Client) -> Sweep:
    document = factories.definition_document(
        search_space=SPACE, trial={"command": "python train.py"}
    )
    made = factories.sweep(factories.team(), document=document, max_total_trials=9)
    params = {"x": 0.25, "n": 3, "kind": 16}
    factories.trial(made, state="failed", message="Boom.", params=params)
    factories.trial(made, state="completed", value=0.5, params={**params, "x": 0.5})
    factories.trial(made, params={**params, "x": 0.75})
    return made


def filled(text: str) -> dict[str, str]:
    """The form's values by parameter."""
    return dict(re.findall(r'name="value:(\w+)" value="([^"]*)"', text))


def origins(sweep: Sweep) -> list[str]:
    return [asked.origin_text for asked in sweep.requests.waiting()]


def typed(**values: str) -> dict[str, str]:
    return {f"value:{name}": value for name, value in values.items()}


# --- again -------------------------------------------------------------------------


def test_ticked_trials_are_asked_about_and_then_run_again(
    ada: Client, sweep: Sweep
) -> None:
    ids = ",".join(str(trial.pk) for trial in sweep.trials.all())
    page = text_of(ada.get(f"/sweeps/{sweep.pk}/again/?trials={ids}"))
    assert "Run trials 0 and 1 of digits-1 again?" in page
    assert "Left out because it has not ended: trial 2." in page
    assert 'name="trials" value="0,1"' in page and origins(sweep) == []
    done = ada.post(f"/sweeps/{sweep.pk}/again/", {"trials": "0,1"}, follow=True)
    assert "Trials 0 and 1 will run again, as soon as a slot is free." in text_of(done)
    assert origins(sweep) == ["retry of 0", "re-run of 1"]
    page = text_of(ada.get(f"/sweeps/{sweep.pk}/again/?trials={ids}"))
    assert "because they already wait to run again: trial 0, trial 1." in page
    assert "Nothing to run again" in page


@pytest.mark.parametrize("trials", ["", "a,b", "-1", "9" * 40, "1;2", "\u0663"])
def test_nothing_ticked_leads_back_with_words(
    ada: Client, sweep: Sweep, trials: str
) -> None:
    asked = ada.get(f"/sweeps/{sweep.pk}/again/", {"trials": trials}, follow=True)
    assert asked.status_code == 200 and "Select the trials" in text_of(asked)
    sent = ada.post(f"/sweeps/{sweep.pk}/again/", {"trials": trials}, follow=True)
    assert sent.status_code == 200 and origins(sweep) == []


def test_a_trials_page_offers_to_retry_and_to_clone(ada: Client, sweep: Sweep) -> None:
    failed, completed, live = sweep.trials.order_by("number")
    page = text_of(ada.get(failed.get_absolute_url()))
    assert ">Retry</a>" in page and f"/trials/{failed.pk}/clone/" in page
    page = text_of(ada.get(completed.get_absolute_url()))
    assert ">Run again</a>" in page
    page = text_of(ada.get(live.get_absolute_url()))
    assert ">Run again</a>" not in page and "Clone with changes" in page
    done = ada.post(f"/trials/{failed.pk}/again/", follow=True)
    assert "Trial 0 will run again, as soon as a slot is free." in text_of(done)
    assert ">Retry</a>" not in text_of(done)
    assert origins(sweep) == ["retry of 0"]


# --- values of one's own -----------------------------------------------------------


def test_a_clone_is_filled_with_the_trials_values(ada: Client, sweep: Sweep) -> None:
    trial = sweep.trials.get(number=1)
    page = text_of(ada.get(f"/trials/{trial.pk}/clone/"))
    assert filled(page) == {"x": "0.5", "n": "3", "kind": "16"}
    assert "<script>alert" not in page
    sent = typed(x="0.125", n="3", kind="16")
    done = ada.post(f"/trials/{trial.pk}/clone/", sent, follow=True)
    assert "The trial will run as soon as a slot is free." in text_of(done)
    asked = sweep.requests.get()
    assert (asked.origin_text, dict(asked.params)) == (
        "clone of 1",
        {"x": 0.125, "n": 3, "kind": 16},
    )


def test_an_empty_form_has_the_middle_of_every_range(ada: Client, sweep: Sweep) -> None:
    page = text_of(ada.get(f"/sweeps/{sweep.pk}/add/"))
    found = filled(page)
    assert (found["x"], found["n"]) == ("0.5", "5")
    ada.post(f"/sweeps/{sweep.pk}/add/", typed(x="1e-3", n="4.0", kind="true"))
    asked = sweep.requests.get()
    assert dict(asked.params) == {"x": 0.001, "n": 4, "kind": True}
    assert (asked.origin_text, asked.requested_by) == (
        "added by hand",
        factories.user("ada"),
    )


def test_values_outside_the_space_are_said_to_be(ada: Client, sweep: Sweep) -> None:
    sent = typed(x="7", n="12", kind="rmsprop") | {"to_end": "on"}
    done = text_of(ada.post(f"/sweeps/{sweep.pk}/add/", sent, follow=True))
    assert done.count("Outside the search space:") == 3
    asked = sweep.requests.get()
    assert asked.origin_text == "added by hand, to its end"
    own = {"origin": asked.origin, "runs_to_end": asked.runs_to_end}
    trial = factories.trial(sweep, params=asked.params, **own)
    page = text_of(ada.get(trial.get_absolute_url()))
    assert page.count("Outside the search space:") == 3
    assert "Added by hand and without early termination." in page


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (typed(x="fast", n="3", kind="sgd"), "x must be a number, such as 0.5"),
        (typed(x="nan", n="3", kind="sgd"), "x must be a number"),
        (typed(x="0.5", n="2.5", kind="sgd"), "n must be a whole number"),
        (typed(x="0.5", n="", kind="sgd"), "n has no value"),
        (typed(x="0.5", n="3", kind="[1]"), None),
        (typed(x="9" * 20_000, n="3", kind="sgd"), "x must be a number"),
        ({}, "x has no value"),
    ],
)
def test_what_is_wrong_stands_at_its_field_and_nothing_typed_is_lost(
    ada: Client, sweep: Sweep, sent: dict[str, str], words: str | None
) -> None:
    answer = ada.post(f"/sweeps/{sweep.pk}/add/", sent)
    if words is None:
        assert answer.status_code == 302
        return
    assert answer.status_code == 422 and origins(sweep) == []
    page = text_of(answer)
    assert words in page and 'aria-invalid="true"' in page
    assert filled(page) == {
        name: sent.get(f"value:{name}", "") for name in ("x", "n", "kind")
    }


def test_a_run_that_has_no_sweep_has_no_clone(ada: Client, sweep: Sweep) -> None:
    trial = sweep.trials.get(number=1)
    type(trial).objects.filter(pk=trial.pk).update(sweep=None)
    assert ada.get(f"/trials/{trial.pk}/clone/").status_code == 404


# --- backfill and the queue --------------------------------------------------------


def test_backfill_lists_trials_with_reasons_and_queues_them_by_one_press(
    ada: Client, sweep: Sweep
) -> None:
    page = text_of(ada.get(f"/sweeps/{sweep.pk}/backfill/"))
    assert "1 configuration without an outcome" in page and "Boom." in page
    assert "Run 1 trial" in page and origins(sweep) == []
    done = ada.post(f"/sweeps/{sweep.pk}/backfill/", follow=True)
    assert "1 trial will run as soon as a slot is free." in text_of(done)
    again = ada.post(f"/sweeps/{sweep.pk}/backfill/", follow=True)
    assert "digits-1 has no trials to backfill." in text_of(again)
    assert origins(sweep) == ["retry of 0"]
    assert "has an outcome or waits to run" in text_of(
        ada.get(f"/sweeps/{sweep.pk}/backfill/")
    )


def test_what_waits_is_on_the_sweeps_page_and_can_be_removed(
    ada: Client, sweep: Sweep
) -> None:
    assert "Waiting to run" not in text_of(ada.get(f"/sweeps/{sweep.pk}/"))
    ada.post(f"/sweeps/{sweep.pk}/add/", typed(x="0.3", n="2", kind=HOSTILE))
    page = text_of(ada.get(f"/sweeps/{sweep.pk}/"))
    assert "Waiting to run" in page and "Added by hand" in page
    assert "<script>alert(1)" not in page
    asked = sweep.requests.get()
    assert f'name="request" value="{asked.pk}"' in page
    feed = ada.get(f"/sweeps/{sweep.pk}/feed.json").json()
    assert "Waiting to run" in feed["parts"]["answers"]
    done = ada.post(f"/sweeps/{sweep.pk}/waiting/", {"request": asked.pk}, follow=True)
    assert "Withdrew the requested trial; it will not run." in text_of(done)
    assert "Waiting to run" not in text_of(done)
    for value in (asked.pk, "", "x", "9" * 30):
        twice = ada.post(
            f"/sweeps/{sweep.pk}/waiting/", {"request": value}, follow=True
        )
        assert twice.status_code == 200 and "wait" in text_of(twice)


def test_very_many_that_wait_are_counted(
    ada: Client, sweep: Sweep, django_assert_max_num_queries: Any
) -> None:
    params = {"x": 0.5, "n": 1, "kind": "sgd"}
    TrialRequest.objects.bulk_create(
        TrialRequest(sweep=sweep, params=params, origin=Origin.BY_HAND)
        for _ in range(25)
    )
    with django_assert_max_num_queries(2):
        card = waiting_card(sweep)
    assert card is not None and (len(card.rows), card.more, card.count) == (20, 5, 25)


def test_viewers_and_strangers_may_not(client: Client, sweep: Sweep) -> None:
    trial = sweep.trials.get(number=0)
    factories.team("Chemistry", otto="member")
    for name, status in (("vera", 403), ("otto", 404)):
        client.force_login(factories.user(name))
        for path in ("again", "add", "backfill", "waiting"):
            url = f"/sweeps/{sweep.pk}/{path}/"
            assert client.post(url, {"trials": "0"}).status_code == status
        assert client.post(f"/trials/{trial.pk}/clone/").status_code == status
    client.force_login(factories.user("vera"))
    page = text_of(client.get(f"/sweeps/{sweep.pk}/"))
    assert "Add a trial by hand" not in page and "data-again" not in page
    assert origins(sweep) == []
