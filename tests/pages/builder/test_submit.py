"""The builder: drafts, starts, copies and files; a form makes one sweep."""

from __future__ import annotations

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.urls import reverse

from experiments.code import snapshots
from experiments.lifecycle.requests import add_requests
from experiments.models import CodeSnapshot, Event, SavedForm, Sweep, Team, TrialRequest
from experiments.models.trials import Origin
from experiments.sweeps.creation import sweep_document
from tests import factories
from tests.pages.builder.builder_forms import (
    form,
    page,
    physics_team,
    preview,
    rows_of,
    send,
    texts_of,
    wrong_fields,
)

pytestmark = pytest.mark.django_db


def test_start_starts_the_sweep_and_leads_to_its_page(ada: Client) -> None:
    response = send(ada, form(do="start"))
    sweep = Sweep.objects.get()
    assert response.url == sweep.get_absolute_url()
    assert (sweep.state, sweep.created_by) == ("running", factories.user("ada"))


def test_start_with_problems_starts_nothing_and_is_not_disabled(ada: Client) -> None:
    response = send(ada, form(do="start", max_total_trials=""))
    assert response.status_code == 422
    assert not Sweep.objects.exists()
    button = page(response).split('value="start"')[1].split(">")[0]
    assert "disabled" not in button


def test_a_form_that_is_sent_twice_makes_one_sweep(ada: Client) -> None:
    first, second = send(ada, form(do="start")), send(ada, form(do="start"))
    assert Sweep.objects.count() == 1
    assert first.url == second.url
    assert Event.objects.filter(verb="sweep running").count() == 1
    assert send(ada, form(do="start", form_token="another")).status_code == 302
    assert Sweep.objects.count() == 2


def test_going_back_to_the_form_of_a_draft_changes_the_draft(ada: Client) -> None:
    send(ada, form())
    send(ada, form(max_total_trials="9", do="start"))
    sweep = Sweep.objects.get()
    assert (sweep.max_total_trials, sweep.state) == (9, "running")


def test_another_person_with_the_same_token_makes_a_sweep_of_their_own(
    ada: Client,
) -> None:
    send(ada, form())
    ada.force_login(factories.user("root"))
    send(ada, form())
    assert Sweep.objects.count() == 2


@pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="SQLite in memory has one writer"
)
@pytest.mark.django_db(transaction=True)
def test_a_form_that_is_sent_twice_at_once_makes_one_sweep(ada: Client) -> None:
    def go(_: int) -> int:
        client = Client()
        client.force_login(factories.user("ada"))
        try:
            return int(send(client, form(do="start")).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert set(threads.map(go, range(8))) == {302}
    assert Sweep.objects.count() == 1


def test_a_draft_is_edited_and_may_move_to_another_experiment(
    ada: Client, physics: Team
) -> None:
    factories.sweep(
        physics, document=factories.definition_document(experiment_name="b")
    )
    send(ada, form())
    draft = Sweep.objects.get(state="draft")
    url = reverse("sweep_edit", args=(draft.pk,))
    assert "digits-1" in page(ada.get(url))
    response = ada.post(url, form(experiment_name="b", max_total_trials="7"))
    assert response.url == url
    draft.refresh_from_db()
    assert (draft.label, draft.max_total_trials, draft.state) == ("b-2", 7, "draft")
    assert ada.post(url, form(experiment_name="b", do="start")).url == (
        draft.get_absolute_url()
    )
    draft.refresh_from_db()
    assert (draft.state, draft.label) == ("running", "b-2")


def test_the_form_of_a_draft_does_not_change_a_sweep_that_was_started(
    ada: Client, physics: Team
) -> None:
    sweep = factories.sweep(physics)
    url = reverse("sweep_edit", args=(sweep.pk,))
    assert ada.post(url, form(max_total_trials="9")).status_code == 302
    sweep.refresh_from_db()
    assert sweep.max_total_trials == 4


def test_a_copy_says_where_it_is_from_and_makes_an_equal_sweep(
    ada: Client, physics: Team
) -> None:
    code = snapshots.store_files(physics, {"train.py": b"print(1)"}, user=None)
    document = factories.definition_document(
        display_name="first look",
        description="Why?\n",
        tags={"a": "1"},
        inputs={"epochs": 30, "name": "12"},
        trial={
            "command": "python train.py --x ${{search_space.x}}",
            "code": {"upload": code.digest},
            "environment_variables": {"A": " 1 "},
        },
        early_termination={"type": "bandit", "slack_amount": 0.1},
    )
    source = factories.sweep(physics, document=document)
    query = f"?clone={source.pk}"
    opened = ada.get(reverse("sweep_create") + query)
    assert f'Copied from <a href="{source.get_absolute_url()}">digits-1</a>' in page(
        opened
    )
    assert opened.context["kept"].names == "train.py"
    assert "No change yet" in page(opened)
    filled = opened.context["form"]
    fields = {**form(rows_of(opened), **filled.texts), "display_name": "first look"}
    assert send(ada, fields, query).status_code == 302
    copy = Sweep.objects.latest("pk")
    assert copy.label == "digits-2"
    assert copy.code == code
    kept = sweep_document(copy)
    assert kept.pop("sampling_algorithm") != source.definition["sampling_algorithm"]
    assert kept.items() <= sweep_document(source).items()
    assert f"{query}&amp;seed=same" in page(opened)
    again = ada.get(reverse("sweep_create") + query + "&seed=same")
    assert "but a new seed" not in page(again)
    seed = source.definition["sampling_algorithm"]["seed"]
    assert texts_of(again)["seed"] == str(seed)


def test_a_copy_says_what_differs_and_draws_its_own_number_of_trials(
    ada: Client, physics: Team
) -> None:
    source = factories.sweep(physics)
    own = source.max_total_trials
    wanted = [TrialRequest(params={"x": 0.5}, origin=Origin.BY_HAND)]
    add_requests(source, wanted, verb="trials requested", message="One more.")
    source.refresh_from_db()
    assert source.max_total_trials == own + 1
    query = f"?clone={source.pk}"
    opened = ada.get(reverse("sweep_create") + query)
    assert texts_of(opened)["max_total_trials"] == str(own)
    assert "No change yet" in page(opened)
    texts = {**opened.context["form"].texts, "max_total_trials": "77"}
    fields = {**form(rows_of(opened), **texts), "do": "update"}
    changed = page(send(ada, fields, query))
    assert "1 change of the copy" in changed
    assert f"limits.max_total_trials: {own} → 77" in changed


def test_an_experiment_in_the_address_is_filled_in(ada: Client, physics: Team) -> None:
    experiment = factories.experiment(physics, "Night shift")
    response = ada.get(reverse("sweep_create") + f"?experiment={experiment.pk}")
    assert "New sweep in Night shift" in page(response)
    assert texts_of(response)["experiment_name"] == "Night shift"


def upload(name: str, content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_files_are_kept_even_when_the_rest_of_the_form_is_wrong(ada: Client) -> None:
    files = [upload("train.py", b"print(1)"), upload("data.csv", b"1,2")]
    response = send(ada, {**form(command=""), "files": files})
    assert response.status_code == 422
    digest = texts_of(response)["code"]
    assert CodeSnapshot.objects.get().digest == digest
    assert "data.csv, train.py" in page(response)
    assert "2 files, 11 B" in page(response)
    assert send(ada, form(code=digest)).status_code == 302
    assert Sweep.objects.get().code.digest == digest


def test_a_zip_is_unpacked(ada: Client) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("src/train.py", "print(1)")
    send(ada, {**form(), "files": [upload("code.zip", packed.getvalue())]})
    assert Sweep.objects.get().code.files == [{"path": "src/train.py", "size": 8}]


def test_a_folders_paths_come_beside_the_files(ada: Client) -> None:
    url = reverse("sweep_files")
    data = {
        "team": "physics",
        "paths": '["train.py", "lib/train.py"]',
        "files": [upload("train.py", b"1"), upload("train.py", b"2")],
    }
    answer = ada.post(url, data).json()
    assert answer["names"] == "lib/train.py, train.py"
    assert CodeSnapshot.objects.get().digest == answer["digest"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"paths": '["../a.py"]', "files": [("a.py", b"1")]}, "../a.py"),
        ({"files": [("a.py", b"1"), ("a.py", b"2")]}, "Two files"),
        ({"files": [("a.zip", b"no zip")]}, "neither a zip"),
        ({"files": []}, "no files"),
    ],
)
def test_files_that_cannot_be_kept_are_refused_with_a_sentence(
    ada: Client, data: dict[str, Any], words: str
) -> None:
    data = {**data, "files": [upload(*file) for file in data["files"]]}
    response = ada.post(reverse("sweep_files"), {"team": "physics", **data})
    assert response.status_code == 422
    assert words in response.json()["error"]
    if data["files"]:
        form_response = send(ada, {**form(), **data})
        assert wrong_fields(form_response) == {"files"}
    assert not Sweep.objects.exists()


def test_files_beyond_the_limit_are_refused_with_a_sentence(
    ada: Client, settings: Any
) -> None:
    settings.UPLOAD_LIMIT_BYTES = 1 << 20
    data = {**form(), "files": [upload("big.bin", b"0" * ((1 << 20) + 1))]}
    assert "the limit is 1 MB" in page(send(ada, data))


def test_a_refusal_stays_until_other_files_are_chosen_or_removed(ada: Client) -> None:
    refused = form(do="start", refused="code.zip is neither a zip nor a tar.")
    assert preview(ada, refused)["problems"][0]["section"] == 1
    response = send(ada, refused)
    assert response.status_code == 422
    assert wrong_fields(response) == {"files"}
    assert page(response).count("code.zip is neither a zip nor a tar.") >= 2
    assert "Remove files" in page(response)
    removed = send(ada, {**refused, "do": "nofiles"})
    assert "neither a zip" not in page(removed)
    files = [upload("train.py", b"print(1)")]
    assert send(ada, {**refused, "files": files}).status_code == 302


def test_a_script_that_is_not_among_the_files_is_warned_of(ada: Client) -> None:
    warned = preview(ada, form(command="python train.py"))["warnings"]
    assert [warning["field"] for warning in warned] == ["files"]
    assert warned[0]["message"].startswith("train.py is not among the files.")
    assert not preview(ada, form(command="python -m train"))["warnings"]
    assert not preview(ada, form(command="python /opt/train.py"))["warnings"]
    code = snapshots.store_files(physics_team(), {"train.py": b"1"}, user=None).digest
    assert not preview(ada, form(code=code, command="python ./train.py"))["warnings"]
    assert preview(ada, form(code=code, command="python other.py"))["warnings"]


def test_a_grid_says_how_many_trials_will_run_and_shows_values_as_typed(
    ada: Client,
) -> None:
    row = {"name": "rate", "kind": "choice", "values": "0.1, 0.25"}
    grid = form([row], sampler="grid", max_total_trials="40")
    answer = preview(ada, grid)
    assert answer["trials"] == "2, 2 at a time"
    assert ">0.1<" in answer["draws"]
    assert preview(ada, {**grid, "max_total_trials": "1"})["trials"].startswith("1, ")


def seen_in(response: Any) -> str:
    return page(response).partition('name="seen" value="')[2].partition('"')[0]


def test_of_two_who_edit_a_draft_the_second_is_told(ada: Client) -> None:
    send(ada, form(do="save"))
    draft = Sweep.objects.get()
    address = reverse("sweep_edit", args=(draft.pk,))
    factories.team("Physics", ben="member")
    ben = Client()
    ben.force_login(factories.user("ben"))
    seen = seen_in(ben.get(address))
    assert seen and seen == seen_in(ada.get(address))
    first = form(do="save", max_total_trials="9", seen=seen)
    assert ada.post(address, first).status_code == 302
    assert ada.post(address, first).status_code == 302, "sent twice, it is no conflict"
    second = ben.post(address, form(do="start", max_total_trials="7", seen=seen))
    draft.refresh_from_db()
    assert (second.status_code, draft.state) == (409, "draft")
    assert draft.max_total_trials == 9
    assert "ada has changed" in page(second)
    told = Event.objects.filter(sweep=draft, verb="sweep changed")
    assert "limits" in told.order_by("pk")[0].message
    texts = {"seen": seen_in(second), "saved_version": SavedForm.objects.get().mark}
    again = form(do="save", max_total_trials="7", **texts)
    assert ben.post(address, again).status_code == 302
    draft.refresh_from_db()
    assert draft.max_total_trials == 7


def test_an_empty_search_space_is_said_in_the_words_of_the_form(ada: Client) -> None:
    response = send(ada, form([], do="start"))
    assert response.status_code == 422
    text = page(response)
    assert "Add at least one parameter to the search space." in text
    assert "must be a mapping" not in text
