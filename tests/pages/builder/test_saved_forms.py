"""A form is saved while somebody types, and nothing that was entered is lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from experiments.cleanup.purge import purge_trash
from experiments.models import BrowserSession, SavedForm, Sweep, Team
from experiments.pages import sent_forms
from experiments.pages.builder.saved.forms import (
    MAX_BYTES,
    MAX_FORMS,
    FormKey,
    differences,
)
from sweepsite.single_sign_on import SingleSignOn
from tests import factories
from tests.pages.builder.builder_forms import X, form, page, send

pytestmark = pytest.mark.django_db
NEW = reverse("sweep_create")


def saved_url(key: str = "new", team: str = "physics") -> str:
    return reverse("saved_form", args=(team, key))


def patch(client: Client, version: str = "", key: str = "new", **texts: str) -> Any:
    fields = {**form(**texts), "saved_version": version}
    return client.patch(saved_url(key), urlencode(fields, doseq=True))


def version(answer: Any) -> str:
    return str(answer.json()["version"])


def version_in(response: Any) -> str:
    start = 'name="saved_version" value="'
    return page(response).partition(start)[2].partition('"')[0]


def test_what_was_typed_is_there_after_a_reload_and_ends_with_the_sweep(
    ada: Client,
) -> None:
    first = version(patch(ada, command="python one.py"))
    second = version(patch(ada, first, command="python two.py"))
    again = ada.get(NEW)
    assert "python two.py" in page(again)
    assert "Your entries are back" in page(again)
    assert version_in(again) == second != first
    assert send(ada, form(saved_version=second, do="start")).status_code == 302
    assert not SavedForm.objects.exists()
    assert "Your entries are back" not in page(ada.get(NEW))


def test_no_token_is_stored(ada: Client) -> None:
    patch(ada, csrfmiddlewaretoken="c" * 20, form_token="f" * 20)
    data = QueryDict(SavedForm.objects.get().data)
    assert data["command"] == "python train.py"
    assert not {"csrfmiddlewaretoken", "form_token", "do"} & set(data)


def test_each_form_is_its_own_and_each_persons_too(ada: Client, physics: Team) -> None:
    experiment = factories.sweep(physics).experiment
    patch(ada, key=f"new:experiment:{experiment.pk}", command="python of_it.py")
    assert "of_it.py" in page(ada.get(f"{NEW}?experiment={experiment.pk}"))
    assert "of_it.py" not in page(ada.get(NEW))
    ada.force_login(factories.user("root"))
    assert "of_it.py" not in page(ada.get(f"{NEW}?experiment={experiment.pk}"))


def test_who_may_not_create_sweeps_saves_nothing(ada: Client) -> None:
    factories.team("Chemistry", eve="member")
    ada.force_login(factories.user("victor"))
    assert patch(ada).status_code == 404
    ada.force_login(factories.user("eve"))
    assert patch(ada).status_code == 404
    assert ada.get(saved_url()).status_code == 404
    ada.logout()
    assert patch(ada).status_code == 401
    assert ada.get(saved_url()).status_code == 401
    assert not SavedForm.objects.exists()


def test_of_two_tabs_the_later_one_gets_both_versions(ada: Client) -> None:
    patch(ada, max_total_trials="40")
    late = patch(ada, max_total_trials="60", command="python train.py")
    answer = late.json()
    assert late.status_code == 409
    assert '<th scope="row">Trials</th>' in answer["html"]
    assert ">Command<" not in answer["html"]
    assert answer["html"].index(">60<") < answer["html"].index(">40<")
    assert QueryDict(SavedForm.objects.get().data)["max_total_trials"] == "40"
    kept = patch(ada, answer["version"], max_total_trials="60")
    assert kept.status_code == 200
    assert QueryDict(SavedForm.objects.get().data)["max_total_trials"] == "60"


def test_start_checks_the_version_and_may_be_sent_again(ada: Client) -> None:
    first = version(patch(ada, max_total_trials="40"))
    patch(ada, first, max_total_trials="50")
    stale = form(do="start", max_total_trials="40", saved_version=first)
    response = send(ada, stale)
    assert response.status_code == 409
    assert not Sweep.objects.exists()
    assert '<th scope="row">Trials</th>' in page(response)
    again = send(ada, {**stale, "saved_version": version_in(response)})
    assert again.status_code == 302
    assert Sweep.objects.get().max_total_trials == 40


def test_a_form_that_another_tab_has_sent_is_not_sent_again_in_silence(
    ada: Client,
) -> None:
    first = version(patch(ada))
    started = form(do="start", saved_version=first)
    assert send(ada, started).status_code == 302
    assert send(ada, started).status_code == 302, "sent twice, it is no conflict"
    other = {**started, "form_token": "token-of-the-other-tab"}
    late = send(ada, other)
    assert late.status_code == 409
    assert "sent or discarded in another tab" in page(late)
    assert version_in(late) == ""
    assert patch(ada, first).json()["form_token"]
    assert send(ada, {**other, "saved_version": ""}).status_code == 302
    assert Sweep.objects.count() == 2


def test_the_same_entries_are_no_conflict(ada: Client) -> None:
    """The answer to a save may be lost, and a save may be under way at a start."""
    first = version(patch(ada, inputs="a=1\nb=2"))
    assert version(patch(ada, inputs="a=1\nb=2")) == first
    sent = form(do="start", inputs="a=1\r\nb=2", saved_version="")
    assert send(ada, sent).status_code == 302


def test_two_tabs_of_one_person_on_one_draft(ada: Client) -> None:
    draft = factories.sweep(Team.objects.get(slug="physics"), state="draft")
    url = reverse("sweep_edit", args=(draft.pk,))
    seen = seen_in(ada.get(url))
    one = form(seen=seen, form_token="token-of-tab-one", max_total_trials="9")
    assert ada.post(url, one).status_code == 302
    assert ada.post(url, one).status_code == 302, "sent twice, it is no conflict"
    two = form(seen=seen, form_token="token-of-tab-two", max_total_trials="7")
    late = ada.post(url, two)
    draft.refresh_from_db()
    assert (late.status_code, draft.max_total_trials) == (409, 9)
    assert "In another tab you have changed" in page(late)
    assert '<th scope="row">Trials</th>' in page(late)


def seen_in(response: Any) -> str:
    return page(response).partition('name="seen" value="')[2].partition('"')[0]


def test_recovered_entries_are_of_the_draft_as_it_was(ada: Client) -> None:
    draft = factories.sweep(Team.objects.get(slug="physics"), state="draft")
    url, key = reverse("sweep_edit", args=(draft.pk,)), f"draft:{draft.pk}"
    seen = seen_in(ada.get(url))
    saved = version(patch(ada, key=key, seen=seen, max_total_trials="7"))
    Sweep.objects.filter(pk=draft.pk).update(max_total_trials=99)
    again = ada.get(url)
    assert seen_in(again) == seen
    sent = form(seen=seen, max_total_trials="7", saved_version=saved)
    assert ada.post(url, sent).status_code == 409


def test_what_was_entered_for_a_draft_that_was_started_is_in_a_copy(
    ada: Client,
) -> None:
    draft = factories.sweep(Team.objects.get(slug="physics"), state="draft")
    url = reverse("sweep_edit", args=(draft.pk,))
    seen = seen_in(ada.get(url))
    first = form(do="start", seen=seen, form_token="token-of-tab-one")
    assert ada.post(url, first).url == draft.get_absolute_url()
    assert ada.post(url, first).url == draft.get_absolute_url(), "sent twice"
    late = form(seen=seen, form_token="token-of-tab-two", command="python late.py")
    copy = ada.post(url, late, follow=True)
    assert "was started meanwhile" in page(copy)
    assert "python late.py" in page(copy)
    assert Sweep.objects.count() == 1


def test_entries_for_a_draft_that_somebody_started_are_offered_when_it_is_opened(
    ada: Client,
) -> None:
    draft = factories.sweep(Team.objects.get(slug="physics"), state="draft")
    url, copy = reverse("sweep_edit", args=(draft.pk,)), f"{NEW}?clone={draft.pk}"
    patch(ada, key=f"draft:{draft.pk}", command="python mine.py")
    Sweep.objects.filter(pk=draft.pk).update(state="running")
    opened = page(ada.get(url))
    assert f'<a href="{copy}">A copy of it has your entries.</a>' in opened
    assert "python mine.py" in page(ada.get(copy))
    assert "was started meanwhile" not in page(ada.get(url))


def test_what_was_just_sent_is_kept_beside_earlier_entries_of_a_copy(
    ada: Client,
) -> None:
    draft = factories.sweep(Team.objects.get(slug="physics"), state="draft")
    seen = seen_in(ada.get(reverse("sweep_edit", args=(draft.pk,))))
    patch(ada, key=f"clone:{draft.pk}", command="python earlier.py")
    Sweep.objects.filter(pk=draft.pk).update(state="running")
    late = form(do="start", seen=seen, command="python late.py")
    copy = ada.post(reverse("sweep_edit", args=(draft.pk,)), late, follow=True)
    assert "python late.py" in page(copy)
    assert "Other entries were set aside" in page(copy)
    swap = reverse("saved_form_discard", args=("physics", f"clone:{draft.pk}"))
    back = f"{NEW}?clone={draft.pk}"
    swapped = ada.post(swap, {"back": back, "do": "restore"}, follow=True)
    assert "python earlier.py" in page(swapped)
    assert "Other entries were set aside" in page(swapped)


def test_a_form_that_ends_during_a_save_is_a_conflict(
    ada: Client, physics: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = version(patch(ada))
    following = FormKey._following

    def ends(key: FormKey, after: str) -> Any:
        found: Any = following(key, after)
        update = found.update

        def updated(**changes: Any) -> int:
            number: int = update(**changes)
            key.rows.delete()
            return number

        found.update = updated
        return found

    monkeypatch.setattr(FormKey, "_following", ends)
    answer = patch(ada, first, command="python late.py")
    assert answer.status_code == 409
    assert "sent or discarded in another tab" in answer.json()["html"]


def test_entries_that_are_gone_during_a_restore_are_a_conflict(
    ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch(ada, command="python one.py")
    restore = reverse("saved_form_discard", args=("physics", "new"))
    ada.post(restore, {"do": "discard"})
    patch(ada, command="python two.py")
    gone = SavedForm.objects.get(discarded_at=None)
    gone.pk = 10**9
    monkeypatch.setattr(FormKey, "discarded", lambda key: gone)
    response = ada.post(restore, {"back": "/teams/", "do": "restore"}, follow=True)
    assert "changed in another tab. Nothing was restored." in page(response)
    assert QueryDict(gone.data)["command"] == "python two.py"
    assert SavedForm.objects.filter(discarded_at=None).count() == 1


def test_discarding_can_be_undone(ada: Client) -> None:
    patch(ada, command="python precious.py")
    discard = reverse("saved_form_discard", args=("physics", "new"))
    response = ada.post(discard, {"back": NEW, "do": "discard"}, follow=True)
    assert "precious.py" not in page(response)
    assert "You discarded entries" in page(response)
    response = ada.post(discard, {"back": NEW, "do": "restore"}, follow=True)
    assert "python precious.py" in page(response)
    away = ada.post(discard, {"back": "https://evil.example/", "do": "discard"})
    assert away.url == NEW


def test_a_button_without_scripts_saves_too(ada: Client) -> None:
    send(ada, form(do="add", command="python plain.py"))
    assert "python plain.py" in page(ada.get(NEW))


def test_what_is_too_large_or_one_too_many_is_refused_with_a_sentence(
    ada: Client, physics: Team
) -> None:
    large = patch(ada, description="x" * MAX_BYTES)
    assert (large.status_code, SavedForm.objects.count()) == (422, 0)
    assert "at most 400 kB are saved" in large.json()["error"]
    user = factories.user("ada")
    SavedForm.objects.bulk_create(
        SavedForm(user=user, team=physics, key=f"clone:{n}", data="")
        for n in range(MAX_FORMS)
    )
    many = patch(ada)
    assert many.status_code == 422
    assert "50 unfinished forms" in many.json()["error"]


def test_the_cleanup_deletes_old_ones(ada: Client) -> None:
    patch(ada)
    purge_trash()
    assert SavedForm.objects.count() == 1
    SavedForm.objects.update(updated_at=timezone.now() - timedelta(days=31))
    purge_trash()
    assert not SavedForm.objects.exists()


def test_a_version_of_an_earlier_row_never_fits(ada: Client, physics: Team) -> None:
    key = FormKey(factories.user("ada"), physics, "new")
    first = version(patch(ada))
    key.discard()
    second = version(patch(ada, command="python other.py"))
    assert first != second
    assert patch(ada, first).status_code == 409
    for odd in ("x.y", "1", ".", "9" * 400 + ".1", "\u0663.1"):
        assert patch(ada, odd).status_code == 409


def test_differences_are_by_field() -> None:
    this = {"limits": {"a": 1, "b": 2}, "tags": {"x": "y"}, "same": [1]}
    that = {"limits": {"a": 3, "b": 2}, "same": [1], "more": {"z": None}}
    found = [(each.path, each.this, each.that) for each in differences(this, that)]
    assert found == [
        ("limits.a", "1", "3"),
        ("tags", '{"x": "y"}', ""),
        ("more", "", '{"z": null}'),
    ]


# --- an expired session -----------------------------------------------------------

PASSWORD = "a long enough password"
SEND_KEPT = "/login/sent/"


def expired(client: Client, user: str = "ada") -> str:
    """The session is over; the person's number as the form has it."""
    person = factories.user(user)
    person.set_password(PASSWORD)
    person.save()
    BrowserSession.objects.all().delete()
    return str(person.pk)


def log_in_from(client: Client, response: Any, user: str = "ada") -> Any:
    """Log in on the page that the form met."""
    sent = response.context["sent"]
    fields = {"username": user, "password": "wrong", "next": response.context["next"]}
    again = client.post(reverse("account_login"), {**fields, "sent_form": sent})
    assert again.context["sent"] == sent, "a wrong password loses nothing"
    right = {**fields, "password": PASSWORD, "sent_form": sent}
    return client.post(reverse("account_login"), right, follow=True)


def test_after_an_expired_session_the_start_goes_on(ada: Client) -> None:
    files = {"files": [SimpleUploadedFile("train.py", b"print(1)")]}
    answer = ada.post(reverse("sweep_files"), {"team": "physics", **files}).json()
    person = expired(ada)
    fields = form(do="start", code=answer["digest"], code_kind="files", person=person)
    response = send(ada, fields, "?experiment=")
    assert response.status_code == 401
    assert not Sweep.objects.exists()
    done = log_in_from(ada, response)
    sweep = Sweep.objects.get()
    assert (sweep.state, sweep.code.digest) == ("running", answer["digest"])
    assert done.redirect_chain[-1][0] == sweep.get_absolute_url()
    ada.get(NEW)
    assert Sweep.objects.count() == 1, "it is sent once"


def test_ten_minutes_after_the_login_the_form_is_not_sent_any_more(
    ada: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = expired(ada)
    response = send(ada, form(do="start", person=person))
    fields = {"username": "ada", "password": PASSWORD}
    fields |= {"sent_form": response.context["sent"]}
    ada.post(reverse("account_login"), {**fields, "next": response.context["next"]})
    assert "sent_form" in ada.session
    monkeypatch.setattr(sent_forms, "MAX_AGE_SECONDS", -1)
    assert "it waits 10 minutes" in page(ada.get(f"{NEW}?clone="))
    assert "sent_form" not in ada.session
    assert ada.get(NEW).status_code == 200
    assert not Sweep.objects.exists()


def test_wrong_entries_are_still_there_after_the_login(ada: Client) -> None:
    person = expired(ada)
    fields = form([X], do="start", max_total_trials="many", person=person)
    done = log_in_from(ada, send(ada, fields))
    assert done.status_code == 422
    assert 'value="many"' in page(done)


def test_another_person_does_not_send_the_form(ada: Client) -> None:
    person = expired(ada)
    response = send(ada, form(do="start", person=person, command="python secret.py"))
    expired(ada, "root")
    done = log_in_from(ada, response, user="root")
    assert not Sweep.objects.exists()
    assert "was of another account" in page(done)
    assert "secret.py" not in page(done)


def test_files_that_came_with_the_form_are_asked_for_again(ada: Client) -> None:
    person = expired(ada)
    files = [SimpleUploadedFile("train.py", b"print(1)")]
    fields = {**form(do="start", person=person), "files": files}
    done = log_in_from(ada, send(ada, fields))
    assert not Sweep.objects.exists()
    assert "Choose them again" in page(done)


def test_the_login_that_a_form_meets_offers_all_ways_to_log_in(
    ada: Client, settings: Any
) -> None:
    expired(ada)
    assert 'type="password"' in page(send(ada, form(do="start")))
    settings.SSO = SingleSignOn(url="https://id.example", name="Lab login")
    settings.PASSWORD_LOGIN = False
    text = page(send(ada, form(do="start")))
    assert 'type="password"' not in text and "Log in with Lab login" in text
    assert f'data-sent-next="{SEND_KEPT}?next={quote(NEW, safe="")}"' in text


def test_what_the_browser_kept_during_the_providers_login_is_sent(ada: Client) -> None:
    person = expired(ada)
    response = send(ada, form(do="start", person=person, max_total_trials="many"))
    kept = {"sent_form": response.context["sent"], "next": NEW}
    assert ada.post(SEND_KEPT, kept)["Location"].startswith("/login/?next=")
    ada.force_login(factories.user("ada"))
    assert "has not kept" in page(ada.get(f"{SEND_KEPT}?next={NEW}"))
    done = ada.post(SEND_KEPT, kept, follow=True)
    assert done.status_code == 422 and 'value="many"' in page(done)
    away = {**kept, "next": "https://evil.example/"}
    assert ada.post(SEND_KEPT, away)["Location"] == "/"
