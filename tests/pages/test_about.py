"""Name, tags and note of experiments, sweeps, trials and runs."""

from __future__ import annotations

import json
import re
from urllib.parse import unquote_plus, urlencode

import pytest
from django.http import HttpResponse
from django.test import Client

from experiments import lifecycle
from experiments.models import Event, Run, SavedForm, Sweep, Trial
from tests import factories
from tests.pages.clients import client_of, page, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_data_folder")]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def sweep() -> Sweep:
    return factories.sweep(factories.team("Physics", ada="member", vera="viewer"))


def rows(sweep: Sweep) -> dict[str, object]:
    started = lifecycle.start_run(sweep.experiment, name="by hand")
    return {
        "experiment": sweep.experiment,
        "sweep": sweep,
        "trial": factories.trial(sweep, state="completed", value=0.5),
        "run": Trial.objects.get(pk=started.attempt.trial_id),
    }


@pytest.mark.parametrize("kind", ["experiment", "sweep", "trial", "run"])
def test_everything_gets_a_name_tags_and_a_note(sweep: Sweep, kind: str) -> None:
    row, ada = rows(sweep)[kind], client_of("ada")
    url = f"/about/{kind}/{row.pk}/"  # type: ignore[attr-defined]
    note = f"**Good** {HOSTILE}"
    form = {"name": "second look", "tags": "best\ngpu = yes", "note": note}
    shown = text_of(ada.post(url, {**form, "preview": "1"}))
    assert "<strong>Good</strong> &lt;script&gt;" in shown
    assert not Event.objects.filter(verb__endswith="changed").exists()
    assert ada.post(url, form)["Location"] == row.get_absolute_url()  # type: ignore[attr-defined]
    html = page(ada, row.get_absolute_url())  # type: ignore[attr-defined]
    assert "<strong>Good</strong> &lt;script&gt;" in html and HOSTILE not in html
    assert "gpu" in html and (kind == "trial" or "second look" in html)
    ada.post(f"{url}tags/", {"remove": "best"})
    ada.post(f"{url}tags/", {"add": "seed = 3"})
    again = page(ada, url)
    assert "gpu = yes\nseed = 3</textarea>" in again
    assert Event.objects.filter(verb__endswith="changed").count() >= 3


def test_a_viewer_reads_a_note_and_changes_nothing(sweep: Sweep) -> None:
    vera = client_of("vera")
    for kind, row in rows(sweep).items():
        url = f"/about/{kind}/{row.pk}/"  # type: ignore[attr-defined]
        assert vera.get(url).status_code == 403
        assert vera.post(url, {"name": "x"}).status_code == 403
        assert vera.post(f"{url}tags/", {"add": "x"}).status_code == 403
        html = page(vera, row.get_absolute_url())  # type: ignore[attr-defined]
        assert "add-tag" not in html
    assert client_of("otto").get(f"/about/sweep/{sweep.pk}/").status_code == 404
    assert client_of("ada").get(f"/about/worker/{sweep.pk}/").status_code == 404


def test_what_programs_logged_about_a_trial_stays(sweep: Sweep, ada: Client) -> None:
    trial = factories.trial(sweep, state="completed", value=0.5)
    Run.objects.create(trial=trial, tags={"mlflow.user": "ada"}, params={"a": "1"})
    ada.post(f"/about/trial/{trial.pk}/", {"tags": "best", "note": ""})
    run = Run.objects.get()
    assert (run.tags, run.params) == ({"mlflow.user": "ada", "best": ""}, {"a": "1"})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "Enter or choose a value."),
        ({"name": "a\u202eb"}, "is not seen"),
        ({"tags": "x" * 251}, "1 to 250 characters"),
        ({"tags": "mlflow.user = me"}, "Choose another name"),
        ({"note": "x" * 100_001}, "100000"),
        ({"tags": "a, b"}, "no comma"),
        ({"tags": "x" * 41}, "at most 40"),
        ({"tags": "\n".join(f"t{n}" for n in range(21))}, "the limit is 20"),
    ],
)
def test_what_cannot_be_stored_is_refused_and_kept_in_the_form(
    sweep: Sweep, ada: Client, fields: dict[str, str], words: str
) -> None:
    form = {"name": "digits", "tags": "", "note": "kept", **fields}
    answer = ada.post(f"/about/experiment/{sweep.experiment_id}/", form)
    assert answer.status_code == 422 and words in text_of(answer)
    assert form["note"][:20] in text_of(answer)


# --- entries are saved while somebody types -------------------------------------------


def typed(client: Client, url: str, note: str, **more: str) -> HttpResponse:
    saved = re.search(r'data-saved-url="([^"]+)"', page(client, url))
    assert saved is not None
    body = urlencode({"name": "", "tags": "", "note": note, **more})
    return client.patch(saved[1], body)


def fields_of(client: Client, url: str) -> dict[str, str]:
    hidden = r'name="(began_\w+|saved_version)" value="([^"]*)"'
    return dict(re.findall(hidden, page(client, url)))


def saved_with(client: Client, url: str, **texts: str) -> int:
    """The answer to the form as it is now, with these entries."""
    found = {"name": "", "tags": "", "note": "", **fields_of(client, url), **texts}
    return client.post(url, found).status_code


def test_what_was_typed_is_there_again_and_others_see_it_once_it_is_saved(
    sweep: Sweep,
) -> None:
    ada, url = client_of("ada"), f"/about/sweep/{sweep.pk}/"
    factories.team("Physics", bob="member")
    assert typed(ada, url, "half a thought").status_code == 200
    html = page(ada, url)
    assert "half a thought</textarea>" in html and "Your entries are back" in html
    assert "half a thought" not in page(client_of("bob"), url)
    assert Sweep.objects.get().notes == ""
    assert saved_with(ada, url, note="a thought") == 302
    assert Sweep.objects.get().notes == "a thought"
    assert not SavedForm.objects.exists()
    assert "Your entries are back" not in page(ada, url)


def test_a_draft_takes_back_nothing_that_others_changed_meanwhile(sweep: Sweep) -> None:
    ada, url = client_of("ada"), f"/about/sweep/{sweep.pk}/"
    began = fields_of(ada, url)
    typed(ada, url, "mine", **began)
    ada.post(f"{url}tags/", {"add": "seed = 3"})
    assert saved_with(ada, url, tags="seed = 3", note="mine") == 302
    sweep.refresh_from_db()
    assert (sweep.notes, sweep.tags) == ("mine", {"seed": "3"})
    # An old page leaves alone what the person has not changed.
    old = {"name": "", "tags": "", "note": "mine, longer"}
    again = {**began, "began_note": fields_of(ada, url)["began_note"]}
    assert ada.post(url, {**old, **again, "saved_version": ""}).status_code == 302
    sweep.refresh_from_db()
    assert (sweep.notes, sweep.tags) == ("mine, longer", {"seed": "3"})


def test_a_field_that_two_people_changed_is_not_replaced_unseen(sweep: Sweep) -> None:
    ada, url = client_of("ada"), f"/about/sweep/{sweep.pk}/"
    began = fields_of(ada, url)
    typed(ada, url, "mine", **began)
    Sweep.objects.update(notes="theirs")
    assert "changed the note since you typed. It is now: theirs" in page(ada, url)
    form = {"name": "", "tags": "", "note": "mine", **began}
    form["saved_version"] = fields_of(ada, url)["saved_version"]
    refused = ada.post(url, form)
    assert refused.status_code == 422 and "It is now: theirs" in text_of(refused)
    assert Sweep.objects.get().notes == "theirs"
    assert saved_with(ada, url, note="mine") == 302
    assert Sweep.objects.get().notes == "mine"


def test_a_note_that_two_tabs_change_shows_both(sweep: Sweep) -> None:
    ada, url = client_of("ada"), f"/about/sweep/{sweep.pk}/"
    typed(ada, url, "here")
    answer = typed(ada, url, "there")
    assert answer.status_code == 409
    html = json.loads(answer.content)["html"]
    assert "<td>there</td><td>here</td>" in html and "saved_version" not in html


def test_a_note_sent_after_the_session_ended_is_saved_after_the_login(
    sweep: Sweep, client: Client
) -> None:
    ada = factories.user("ada")
    form = {"name": "", "tags": "", "note": "not lost", "person": str(ada.pk)}
    login = client.post(f"/about/sweep/{sweep.pk}/", form)
    assert login.status_code == 401
    assert "not lost" in unquote_plus(text_of(login))
