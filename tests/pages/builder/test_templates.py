"""Templates of a team: saved from the form, opened, renamed, replaced and deleted."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from experiments.cleanup import purge, trash
from experiments.code import snapshots
from experiments.models import (
    CodeSnapshot,
    Event,
    Sweep,
    SweepTemplate,
    Team,
    TrashItem,
)
from tests import factories
from tests.pages.builder.builder_forms import BATCH, X, form, page, send

pytestmark = pytest.mark.django_db
NEW = reverse("sweep_create")


def save(client: Client, name: str, do: str = "template", **texts: str) -> str:
    fields = form([X, BATCH], do=do, template_name=name, **texts)
    return page(send(client, fields))


def test_a_template_fills_the_form_of_another_member(ada: Client) -> None:
    assert "Saved template digits" in save(ada, " digits ", command="python my.py")
    template = SweepTemplate.objects.get()
    assert (template.name, template.created_by) == ("digits", factories.user("ada"))
    ada.force_login(factories.user("root"))
    assert f"{NEW}?template={template.pk}" in page(ada.get(NEW))
    opened = page(ada.get(f"{NEW}?template={template.pk}"))
    assert "From template digits" in opened
    for text in ("python my.py", 'value="batch_size"', "16, 32, 64, 128"):
        assert text in opened
    assert "python my.py" not in page(ada.get(NEW))


def test_an_unfinished_form_can_be_a_template_too(ada: Client) -> None:
    save(ada, "half", command="", primary_metric="")
    template = SweepTemplate.objects.get()
    opened = page(ada.get(f"{NEW}?template={template.pk}"))
    assert 'value="batch_size"' in opened


def test_a_template_whose_files_cannot_be_stored_says_why(
    ada: Client, physics: Team
) -> None:
    trial = {"command": "python train.py", "code": {"files": {"../train.py": ""}}}
    document = {**factories.definition_document(), "trial": trial}
    template = SweepTemplate.objects.create(
        team=physics, name="digits", document=document
    )
    answer = ada.get(f"{NEW}?template={template.pk}", follow=True)
    assert answer.redirect_chain == [(NEW, 302)]
    assert "Template digits was not opened." in page(answer)
    assert "train.py" in page(answer)


def test_a_name_that_is_taken_is_replaced_only_when_asked(ada: Client) -> None:
    save(ada, "digits", max_total_trials="4")
    asked = save(ada, "digits", max_total_trials="9")
    assert "has a template digits, saved by ada" in asked
    assert 'value="replace-template"' in asked
    template = SweepTemplate.objects.get()
    assert template.document["limits"]["max_total_trials"] == 4
    save(ada, "digits", do="replace-template", max_total_trials="9")
    template.refresh_from_db()
    assert template.document["limits"]["max_total_trials"] == 9


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\u202eb", "a\tb"])
def test_a_name_that_is_not_valid_is_refused(ada: Client, name: str) -> None:
    assert "The template was not saved" in save(ada, name)
    assert not SweepTemplate.objects.exists()


def test_renaming_and_deleting_ask_and_are_recorded(ada: Client) -> None:
    save(ada, "digits")
    save(ada, "other")
    pk = SweepTemplate.objects.get(name="digits").pk
    rename, delete = (
        reverse(f"template_{verb}", args=(pk,)) for verb in ("rename", "delete")
    )
    taken = ada.post(rename, {"name": "other"}, follow=True)
    assert "has a template other" in page(taken)
    assert "is now letters" in page(ada.post(rename, {"name": "letters"}, follow=True))
    assert "Delete template letters?" in page(ada.get(delete))
    assert "Deleted template letters" in page(ada.post(delete, follow=True))
    assert [each.name for each in SweepTemplate.objects.all()] == ["other"]
    verbs = Event.objects.filter(verb__startswith="template").order_by("pk")
    assert [event.verb for event in verbs][2:] == [
        "template renamed",
        "template deleted",
    ]


def test_viewers_see_templates_and_others_do_not(ada: Client) -> None:
    save(ada, "digits")
    pk = SweepTemplate.objects.get().pk
    listing = reverse("template_list", args=("physics",))
    rename, delete = (
        reverse(f"template_{verb}", args=(pk,)) for verb in ("rename", "delete")
    )
    ada.force_login(factories.user("victor"))
    seen = page(ada.get(listing))
    assert "digits" in seen
    assert "Rename" not in seen
    for url in (rename, delete):
        assert ada.post(url, {"name": "mine"}).status_code == 403
    factories.team("Chemistry", eve="member")
    ada.force_login(factories.user("eve"))
    assert ada.get(listing).status_code == 404
    assert ada.get(f"{NEW}?template={pk}").status_code == 404
    for url in (rename, delete):
        assert ada.post(url, {"name": "mine"}).status_code == 404
    ada.logout()
    assert ada.get(listing).status_code == 302
    assert SweepTemplate.objects.get().name == "digits"


def test_a_templates_files_stay_when_its_sweep_is_deleted(
    ada: Client, physics: Team
) -> None:
    code = snapshots.store_files(physics, {"train.py": b"print(1)"}, user=None)
    send(ada, form(code=code.digest, code_kind="files"))
    save(ada, "digits", code=code.digest, code_kind="files")
    assert SweepTemplate.objects.get().code == code
    trash.move_sweeps(Sweep.objects.all(), actor=None)
    trash.delete_now(TrashItem.objects.all(), actor=None)
    purge.purge_trash()
    assert not Sweep.all_objects.exists()
    assert CodeSnapshot.objects.filter(pk=code.pk).exists()


def test_a_new_sweep_can_start_from_an_earlier_one(ada: Client, physics: Team) -> None:
    sweep = factories.sweep(physics)
    assert f"{NEW}?clone={sweep.pk}" in page(ada.get(NEW))
