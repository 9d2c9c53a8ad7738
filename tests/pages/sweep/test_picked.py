"""What people do with several trials of a sweep at once."""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client

from experiments.models import Event, Sweep
from experiments.sweeps.control import NotPossible
from experiments.sweeps.picked import picked_numbers
from tests import factories
from tests.pages.clients import client_of, count_queries, page, text_of

pytestmark = pytest.mark.django_db
JSON = {"Accept": "application/json"}


@pytest.fixture
def sweep(ada: Client) -> Sweep:
    """Trials 0 to 3 have ended, 4 runs, 5 waits."""
    made = factories.sweep(factories.team(), max_total_trials=9)
    for number in range(4):
        factories.trial(
            made, state="completed", value=0.5, params={"x": number / 10 + 0.1}
        )
    factories.trial(made, state="running", params={"x": 0.5})
    factories.trial(made, params={"x": 0.5})
    return made


def post(client: Client, sweep: Sweep, act: str, trials: str, **fields: str) -> Any:
    url = f"/sweeps/{sweep.pk}/trials/{act}/"
    return client.post(url, {"trials": trials, **fields}, headers=JSON)


def archived(sweep: Sweep) -> list[int]:
    rows = sweep.trials.filter(archived_at__isnull=False)
    return list(rows.values_list("number", flat=True))


def test_archiving_is_one_event_and_can_be_undone(ada: Client, sweep: Sweep) -> None:
    answer = post(ada, sweep, "archive", "1-2,4").json()
    assert answer["sentence"] == "Archived 2 trials. The other 1 did not change."
    assert archived(sweep) == [1, 2]
    event = sweep.events.get(verb="trials archived")
    assert event.data == {"trials": [1, 2]}
    asked = page(ada, answer["undo"])
    assert "Restore 2 trials?" in asked
    post(ada, sweep, "restore", "1,2")
    assert archived(sweep) == []
    assert sweep.events.filter(verb="trials restored").count() == 1


def test_the_message_on_the_page_has_the_undo(ada: Client, sweep: Sweep) -> None:
    url = f"/sweeps/{sweep.pk}/trials/archive/"
    html = text_of(ada.post(url, {"trials": ["1", "2"]}, follow=True))
    assert "Archived 2 trials." in html
    assert f"/sweeps/{sweep.pk}/trials/restore/?trials=1-2" in html


def test_cancelling_stops_those_that_are_live(ada: Client, sweep: Sweep) -> None:
    answer = post(ada, sweep, "cancel", "0-5").json()
    assert answer == {
        "sentence": "Asked 2 trials to stop.",
        "undo": "",
        "trials": [4, 5],
    }
    running, queued = sweep.trials.filter(number__in=[4, 5])
    assert running.is_stopping
    assert queued.state == "cancelled"
    event = Event.objects.get(verb="trials cancelled")
    assert event.data == {"trials": [4, 5]}
    assert "Trial 5 was cancelled by ada." in page(ada, queued.get_absolute_url())
    again = post(ada, sweep, "cancel", "0-5")
    assert again.status_code == 409
    assert again.json()["error"] == "None of these trials is queued or running."


def test_a_script_gets_the_question_alone(ada: Client, sweep: Sweep) -> None:
    html = text_of(post(ada, sweep, "cancel", "4,5", ask="1"))
    assert "Cancel 2 trials?" in html
    assert "<html" not in html
    whole = ada.post(f"/sweeps/{sweep.pk}/trials/cancel/", {"trials": "4", "ask": "1"})
    assert "<html" in text_of(whole)
    assert not Event.objects.filter(verb="trials cancelled").exists()


@pytest.mark.parametrize(
    ("trials", "sentence"),
    [
        ("", "is not the number of a trial"),
        ("1,x", "is not the number of a trial"),
        ("0-999999", "At most 10,000 trials at once"),
        ("1-", "is not the number of a trial"),
    ],
)
def test_nonsense_is_refused_in_a_sentence(
    ada: Client, sweep: Sweep, trials: str, sentence: str
) -> None:
    for act in ("cancel", "archive", "compare", "again", "region"):
        answer = post(ada, sweep, act, trials)
        assert answer.status_code == 409
        assert sentence in answer.json()["error"]


def test_ranges_are_counted_before_they_are_read() -> None:
    assert picked_numbers("5-3,12-14, 3,13 - 15,8,100001") == [3, 8, 12, 13, 14, 15]
    assert len(picked_numbers("0-9999,5-9999")) == 10_000
    start = time.process_time()
    with pytest.raises(NotPossible, match="not 99,999"):
        picked_numbers(",".join(["1-99999"] * 1_000))
    # The ranges themselves take 10 s.
    assert time.process_time() - start < 1
    with pytest.raises(NotPossible, match="119,999 characters"):
        picked_numbers(",".join(["1-2"] * 30_000))


def test_unknown_acts_and_viewers(sweep: Sweep) -> None:
    factories.team(eve="viewer")
    eve = client_of("eve")
    assert post(eve, sweep, "archive", "1").status_code == 403
    assert post(eve, sweep, "compare", "1,2").status_code == 302
    assert post(client_of("ada"), sweep, "explode", "1").status_code == 404


def test_comparison_and_reruns_get_the_ids(ada: Client, sweep: Sweep) -> None:
    ids = ",".join(str(t.pk) for t in sweep.trials.filter(number__in=[1, 3]))
    assert post(ada, sweep, "compare", "1,3")["Location"] == f"/compare/?trials={ids}"
    again = post(ada, sweep, "again", "1,3")["Location"]
    assert again == f"/sweeps/{sweep.pk}/again/?trials={ids}"


def test_a_new_sweep_of_the_region_of_some_trials(ada: Client, sweep: Sweep) -> None:
    to = post(ada, sweep, "region", "0-2")["Location"]
    query = parse_qs(urlsplit(to).query)
    assert query["clone"] == [str(sweep.pk)]
    assert query["bounds"] == ["x:0.1..0.3"]
    html = page(ada, to)
    assert 'value="0.1"' in html
    assert 'value="0.3"' in html


def test_the_number_of_queries_does_not_grow(ada: Client, sweep: Sweep) -> None:
    url = f"/sweeps/{sweep.pk}/trials/archive/?trials="
    assert count_queries(ada, f"{url}1") == count_queries(ada, f"{url}0-3")


def test_all_that_match_a_filter(ada: Client, sweep: Sweep) -> None:
    url = f"/sweeps/{sweep.pk}/trials/archive/"
    matching = {"q": "completed and x < 0.25", "all": "1"}
    assert ada.post(url, matching, headers=JSON).json()["trials"] == [0, 1]
    wrong = ada.post(url, {"q": "x <", "all": "1"}, headers=JSON)
    assert wrong.status_code == 409
    asked = ada.get(f"/sweeps/{sweep.pk}/trials/cancel/", {**matching, "q": "running"})
    assert "Cancel 1 trial?" in text_of(asked)


def test_tags_and_notes_of_many_trials(ada: Client, sweep: Sweep) -> None:
    asked = text_of(post(ada, sweep, "tag", "1-3", ask="1"))
    assert "Tags, separated by commas" in asked
    tags = "robust, owner=ada, -old"
    answer = post(ada, sweep, "tag", "1-3", reason=tags).json()
    assert answer["sentence"] == "Changed the tags of 3 trials."
    assert sweep.trials.get(number=2).run.tags == {"robust": "", "owner": "ada"}
    post(ada, sweep, "tag", "2", reason="-robust")
    assert sweep.trials.get(number=2).run.tags == {"owner": "ada"}
    for text in ("Good.", "Better."):
        post(ada, sweep, "note", "1-2", reason=text)
    assert sweep.trials.get(number=1).run.note == "Good.\n\nBetter."
    for act in ("tag", "note"):
        assert "Enter" in post(ada, sweep, act, "1", reason=" ").json()["error"]


def test_the_bar_of_the_table_has_what_the_viewer_may_do(sweep: Sweep) -> None:
    factories.team(eve="viewer")
    url = f"/sweeps/{sweep.pk}/trials/?q=completed"
    for name, may in (("ada", True), ("eve", False)):
        html = page(client_of(name), url)
        assert 'aria-label="Remove the condition completed"' in html
        assert f"/sweeps/{sweep.pk}/trials/compare/" in html
        for act in ("cancel", "archive", "tag", "note", "again", "region"):
            assert (f"/sweeps/{sweep.pk}/trials/{act}/" in html) is may


def test_columns_are_chosen_without_scripts(ada: Client, sweep: Sweep) -> None:
    html = page(ada, f"/sweeps/{sweep.pk}/trials/?cols=number&cols=took&sort=number")
    heads = re.findall(r'<th scope="col" data-key="([\w.]+)"', html)
    assert heads == ["number", "took"]
    assert "cols=number%2Ctook" in html
    assert 'name="cols" value="took" checked' in html
