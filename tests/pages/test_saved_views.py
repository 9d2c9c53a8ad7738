"""Saved views: named addresses of an experiment's pages, one's own and the team's."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.messages.storage.cookie import CookieStorage
from django.test import Client, RequestFactory

from experiments.models import Event, Experiment, SavedView
from experiments.pages.saved_views import opened_view, view_menu
from experiments.sweeps.control import NotPossible
from experiments.sweeps.saved_views import (
    MAX_VIEWS,
    change_view,
    delete_view,
    save_view,
    view_query,
)
from tests import factories
from tests.pages.clients import client_of, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def experiment() -> Experiment:
    return factories.experiment(factories.team("Physics", ada="member", vera="viewer"))


def request_of(name: str, query: str) -> Any:
    request = RequestFactory().get(f"/sweeps/1/trials/?{query}")
    request.user = factories.user(name)
    request._messages = CookieStorage(request)  # type: ignore[attr-defined]
    return request


def save(client: Client, experiment: Experiment, **fields: str) -> Any:
    sent = {"page": "trials", "name": "good", "query": "q=lr+%3C+1&sort=-auc"}
    sent |= {"path": "/sweeps/1/trials/", **fields}
    return client.post(f"/experiments/{experiment.pk}/views/new/", sent)


def test_a_saved_view_opens_what_was_shown(experiment: Experiment) -> None:
    answer = save(client_of("ada"), experiment)
    view = SavedView.objects.get()
    shown = f"/sweeps/1/trials/?q=lr+%3C+1&sort=-auc&view={view.pk}"
    assert answer["Location"] == shown
    opened = opened_view(request_of("ada", f"view={view.pk}"), experiment, "trials")
    assert opened is not None and opened["Location"] == shown
    menu = view_menu(request_of("ada", shown.partition("?")[2]), experiment, "trials")
    assert menu.current == view and not menu.is_changed
    narrower = view_menu(request_of("ada", f"view={view.pk}&q=1"), experiment, "trials")
    assert narrower.is_changed and narrower.may_change
    # What a person set in the address wins over the view.
    assert opened_view(request_of("ada", f"view={view.pk}&q="), experiment, "x") is None


def test_a_view_is_for_one_person_or_for_the_team(experiment: Experiment) -> None:
    save(client_of("ada"), experiment, name="mine")
    save(client_of("ada"), experiment, name="ours", for_team="on")
    factories.team("Physics", bob="member")
    menus = {
        name: view_menu(request_of(name, ""), experiment, "trials")
        for name in ("ada", "bob", "vera")
    }
    seen = {name: {view.name for view in menu.all} for name, menu in menus.items()}
    assert seen == {"ada": {"mine", "ours"}, "bob": {"ours"}, "vera": {"ours"}}
    mine = SavedView.objects.get(name="mine")
    assert client_of("bob").get(f"/views/{mine.pk}/").status_code == 404
    assert save(client_of("vera"), experiment, for_team="on").status_code == 403
    assert save(client_of("vera"), experiment, name="own").status_code == 302
    assert Event.objects.filter(verb="view saved").count() == 3


def test_the_team_s_log_says_nothing_of_private_views(experiment: Experiment) -> None:
    user = factories.user("ada")
    for for_team, name in ((False, "secret"), (True, "ours")):
        view = save_view(
            experiment, "trials", name, "q=1", user=user, for_team=for_team
        )
        change_view(view, user=user, query="q=77")
        delete_view(view, user=user)
    rows = list(Event.objects.filter(verb__startswith="view ").values())
    assert len(rows) == 6
    own, ours = str(rows[3:]), str(rows[:3])
    assert "secret" not in own and "q=77" not in own
    assert "ours" in ours and "q=77" in ours


def test_a_view_that_was_deleted_meanwhile_stays_deleted(
    experiment: Experiment,
) -> None:
    user = factories.user("ada")
    view = save_view(experiment, "trials", "good", "q=1", user=user)
    SavedView.objects.all().delete()
    with pytest.raises(NotPossible, match="was deleted meanwhile"):
        change_view(view, user=user, query="q=2")
    assert not SavedView.objects.exists()


def test_a_view_is_updated_renamed_and_deleted(experiment: Experiment) -> None:
    save(client_of("ada"), experiment)
    view, ada = SavedView.objects.get(), client_of("ada")
    ada.post(f"/views/{view.pk}/", {"name": "best", "query": "q=2&view=7&page=3"})
    view.refresh_from_db()
    assert (view.name, view.query) == ("best", "q=2")
    assert "Delete view best?" in text_of(ada.get(f"/views/{view.pk}/delete/"))
    ada.post(f"/views/{view.pk}/delete/")
    assert not SavedView.objects.exists()
    answer = opened_view(request_of("ada", f"view={view.pk}"), experiment, "trials")
    assert answer is not None and answer["Location"] == "/sweeps/1/trials/"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": " "}, "Enter or choose a value"),
        ({"name": "a\u202eb"}, "is not seen"),
        ({"query": "q=" + "x" * 4000}, "a view keeps at most"),
        ({"query": "&".join("a=1" for _ in range(101))}, "more than 100 parts"),
        ({"query": "q=%00"}, "NUL"),
        ({"query": "q=\0"}, "Null characters"),
    ],
)
def test_what_cannot_be_saved_is_refused_with_a_reason(
    experiment: Experiment, fields: dict[str, str], words: str
) -> None:
    answer = save(client_of("ada"), experiment, **fields)
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert not SavedView.objects.exists()


def test_a_name_is_taken_once_and_there_is_a_limit(experiment: Experiment) -> None:
    ada = client_of("ada")
    save(ada, experiment)
    assert "You have a view good" in text_of(save(ada, experiment))
    # Of another page, and of the team, it is free.
    assert save(ada, experiment, page="charts").status_code == 302
    assert save(ada, experiment, for_team="on").status_code == 302
    assert "The team has a view" in text_of(save(ada, experiment, for_team="on"))
    for number in range(MAX_VIEWS - 1):
        save_view(experiment, "trials", f"v{number}", "", user=factories.user("ada"))
    with pytest.raises(NotPossible, match="50 views already"):
        save_view(experiment, "trials", "one more", "", user=factories.user("ada"))


def test_a_form_never_leads_to_another_site(experiment: Experiment) -> None:
    for path in ("//evil.example/", "https://evil.example/", "/\\evil.example", "x"):
        answer = save(client_of("ada"), experiment, path=path, name=path)
        assert re.match(r"/experiments/\d+/\?", answer["Location"]), path


def test_an_address_says_no_more_than_the_view_needs() -> None:
    assert view_query("?q=a%20b&view=3&page=2&cols=") == "q=a+b&cols="


def test_the_experiments_page_offers_its_views(experiment: Experiment) -> None:
    ada = client_of("ada")
    save(ada, experiment, page="experiment", name="runs", query="kind=run")
    view, url = SavedView.objects.get(), f"/experiments/{experiment.pk}/"
    answer = ada.get(f"{url}?view={view.pk}", follow=True)
    assert answer.redirect_chain == [(f"{url}?kind=run&view={view.pk}", 302)]
    assert "view: runs" in text_of(answer) and "Update runs" in text_of(answer)
