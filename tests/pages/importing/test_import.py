"""The import page: reading content, the preview, and the draft."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from experiments.models import Event, Experiment, Sweep, Trial
from experiments.search.document.definition import parse_document
from experiments.search.document.loading import load_document
from tests import factories
from tests.pages.builder.builder_forms import member, page, wrong_fields
from tests.pages.importing import import_samples as samples

pytestmark = pytest.mark.django_db
TOKEN = "token-of-this-form"


@pytest.fixture
def ada(client: Client) -> Client:
    return member(client)


def send(client: Client, text: str = "", query: str = "", **fields: Any) -> Any:
    data = {"team": "physics", "form_token": TOKEN, "text": text, **fields}
    return client.post(reverse("sweep_import") + query, data)


def numbers(line: Any) -> list[int]:
    return [link.number for link in line.links]


def chosen(content: bytes, name: str = "study.db") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def test_files_that_the_sweep_names_come_with_it(ada: Client) -> None:
    config = b"searchSpaceFile: sub/space.json\ntrialCommand: python fit.py\n"
    config += b"maxTrialNumber: 3\n"
    space = b'{"lr": {"_type": "uniform", "_value": [0, 1]}}'
    files = [chosen(space, "space.json"), chosen(config, "config.yml")]
    sent = send(ada, file=files)
    assert sent.status_code == 200, page(sent)
    preview = sent.context["preview"]
    assert preview.content.name == "config.yml"
    assert list(preview.definition.search_space.parameters) == ["lr"]
    # The page sends them again with its text.
    again = {"text": preview.content.text, "others": preview.content.packed_others}
    assert preview.content.packed_others in page(sent).replace("&quot;", '"')
    assert send(ada, do="create", name="config.yml", **again).status_code == 302
    assert list(Sweep.objects.get().definition["search_space"]) == ["lr"]
    # Alone, it says what is missing; nonsense in the field is no file.
    for others in ("", "[", '{"space.json": 1}'):
        answer = send(ada, **{**again, "others": others})
        assert answer.status_code == 422
        assert "Choose both files together" in page(answer)


def test_the_empty_page_has_a_field_and_the_formats(ada: Client) -> None:
    text = page(ada.get(reverse("sweep_import")))
    assert 'name="text"' in text and 'name="file"' in text
    assert all(name in text for name in ("Azure ML", "Katib", "NNI", "Optuna"))


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (samples.WANDB, "a Weights &amp; Biases sweep"),
        (samples.AZURE, "an Azure ML sweep"),
        (samples.ARTICLE, "an Azure ML sweep"),
        (samples.KATIB, "a Katib experiment"),
        (samples.NNI, "an NNI experiment"),
        (samples.study(0.5, 0.7), "an Optuna study"),
    ],
)
def test_the_content_decides_the_format(ada: Client, text: str, name: str) -> None:
    response = send(ada, text)
    assert response.status_code == 200
    assert f"This is {name}." in page(response)
    assert response.context["preview"].definition is not None


def test_nothing_is_stored_before_the_draft(ada: Client) -> None:
    for do in ("", "read", "edit", "download"):
        send(ada, samples.WANDB, do=do)
    assert not Sweep.objects.exists() and not Experiment.objects.exists()
    assert not Trial.objects.exists() and not Event.objects.exists()


def test_the_lead_counts_unchanged_settings(ada: Client) -> None:
    response = send(ada, samples.WANDB)
    notes = response.context["preview"].notes
    assert [note.path for note in notes] == ["entity"]
    lead = response.context["lead"]
    assert lead == (
        "This is a Weights & Biases sweep. 12 of 13 settings are imported unchanged."
    )


def test_a_note_has_its_number_on_the_line_of_the_text(ada: Client) -> None:
    response = send(ada, samples.AZURE)
    (place, note), *_ = [
        (number, note)
        for number, note in enumerate(response.context["preview"].notes, 1)
        if note.path == "trial.environment"
    ]
    line = response.context["source"].shown[note.line - 1]
    assert line.text == "  environment: azureml:sklearn:1"
    assert place in numbers(line)


def test_a_change_has_its_number_in_the_result(ada: Client) -> None:
    response = send(ada, samples.AZURE)
    notes = response.context["preview"].notes
    place = 1 + [note.path for note in notes].index("compute")
    lines = response.context["target"].shown
    (line,) = [line for line in lines if place in numbers(line)]
    assert line.text == "compute: default"
    assert 'no worker pool "gpu-cluster"' in notes[place - 1].message


def test_a_folder_next_to_the_file_is_left_out_with_a_note(ada: Client) -> None:
    response = send(ada, samples.AZURE)
    (note,) = [n for n in response.context["preview"].notes if n.path == "trial.code"]
    assert note.kind == "left out" and note.line == 3
    assert response.context["missing"] == "fit.py"


def test_defaults_are_marked(ada: Client) -> None:
    lines = send(ada, samples.WANDB).context["target"].shown
    added = [line.text.strip().partition(":")[0] for line in lines if line.comment]
    assert {"seed", "compute", "max_attempts"} <= set(added)
    assert not {"lr", "primary_metric", "max_total_trials"} & set(added)


def test_three_draws_are_the_first_trials(ada: Client) -> None:
    first, again = (send(ada, samples.WANDB).context for _ in range(2))
    assert len(first["draws"].rows) == 3
    assert first["draws"] == again["draws"], "the same text gives the same seed"
    send(ada, samples.WANDB, do="create")
    seed = Sweep.objects.get().definition["sampling_algorithm"]["seed"]
    settings = first["preview"].definition.sampling_algorithm
    assert settings["seed"] == seed


def test_the_space_is_shown_with_pictures(ada: Client) -> None:
    views = {view.name: view for view in send(ada, samples.WANDB).context["parameters"]}
    assert views["lr"].values == "0.0001 to 0.1"
    assert views["optimizer"].kind == "choice, weighted"
    assert views["optimizer"].values == "sgd 70 %, adam 30 %"
    assert all(view.picture is not None for view in views.values())


def test_a_condition_is_shown_with_its_parameter(ada: Client) -> None:
    space = {
        "optimizer": {"type": "choice", "values": ["sgd", "adam"]},
        "momentum": {
            "type": "uniform",
            "min_value": 0,
            "max_value": 1,
            "when": {"optimizer": ["sgd"]},
        },
    }
    document = factories.definition_document(
        search_space=space, trial={"command": "python train.py"}
    )
    response = send(ada, json.dumps(document))
    (view,) = [v for v in response.context["parameters"] if v.name == "momentum"]
    assert view.condition == "optimizer = sgd"


def test_a_draft_is_made_and_opened(ada: Client) -> None:
    response = send(ada, samples.WANDB, do="create")
    sweep = Sweep.objects.get()
    assert response.url == reverse("sweep_edit", args=(sweep.pk,))
    assert sweep.state == "draft" and sweep.max_total_trials == 20
    assert sweep.code is None
    edit = ada.get(response.url)
    assert edit.status_code == 200
    assert "--lr=${{search_space.lr}}" in page(edit)


def test_sending_it_twice_makes_one_draft(ada: Client) -> None:
    for _ in range(2):
        send(ada, samples.study(0.5, 0.7), do="create")
    assert Sweep.objects.count() == 1 and Trial.objects.count() == 2


def test_a_draft_goes_into_the_experiment_of_the_address(ada: Client) -> None:
    team = factories.team("Physics")
    experiment = factories.experiment(team, "wine")
    send(ada, samples.WANDB, f"?experiment={experiment.pk}", do="create")
    assert Sweep.objects.get().experiment == experiment


def test_what_it_becomes_can_be_downloaded(ada: Client) -> None:
    response = send(ada, samples.WANDB, do="download")
    assert "attachment" in response["Content-Disposition"]
    definition = parse_document(load_document(page(response)))
    assert definition.objective.primary_metric == "val_acc"


def test_the_text_can_be_edited_again(ada: Client) -> None:
    assert "run_cap: 20" in page(send(ada, samples.WANDB, do="edit"))


def test_it_can_be_read_as_something_else(ada: Client) -> None:
    response = send(ada, samples.WANDB, format="katib")
    assert response.status_code == 422
    assert response.context["preview"].problems
    assert response.context["preview"].format == "katib"


def test_problems_have_paths_and_lead_to_the_form(ada: Client) -> None:
    text = samples.WANDB.replace("run_cap: 20", "run_cap: 0")
    response = send(ada, text, do="create")
    assert response.status_code == 422 and not Sweep.objects.exists()
    (problem,) = response.context["problems"]
    assert (problem.number, problem.path) == (1, "run_cap")
    assert response.context["source"].shown[problem.line - 1].text == "run_cap: 0"
    (wrong,) = [line for line in response.context["target"].shown if line.wrong]
    assert wrong.text.strip() == "max_total_trials: 0"
    mended = ada.post(
        reverse("sweep_create"),
        {
            "team": "physics",
            "shows": "1",
            "yaml_mode": "1",
            "yaml": response.context["yaml"],
            "do": "apply-yaml",
        },
    )
    assert wrong_fields(mended) == {"max_total_trials"}


def test_problems_of_the_file_and_of_its_ranges_are_numbered_together(
    ada: Client,
) -> None:
    text = samples.WANDB.replace("max: 0.1", "max: 0.00001").replace(
        "program:", "progam:"
    )
    response = send(ada, text, do="create")
    assert response.status_code == 422 and not Sweep.objects.exists()
    numbered_problems = response.context["problems"]
    assert [problem.number for problem in numbered_problems] == [1, 2]
    assert [problem.path for problem in numbered_problems] == [
        "progam",
        "parameters.lr.max",
    ]
    lines = response.context["source"].shown
    assert [n for line in lines if line.wrong for n in numbers(line)] == [1, 2]
    first = response.context["preview"].first_note
    assert first == 3 and f'id="note-{first}"' in page(response)
    assert "Fix it in the form" not in page(response)
    assert "The readable part" in page(response)


def test_what_is_no_sweep_is_refused_with_a_sentence(ada: Client) -> None:
    response = send(ada, "just: words\n")
    assert response.status_code == 422
    assert "could not be read" in page(response)


def test_one_of_several_steps_is_chosen(ada: Client) -> None:
    response = send(ada, samples.PIPELINE)
    assert response.context["preview"].parts == ["first", "second"]
    assert "This has 2 sweeps. Choose one." in page(response)
    response = send(ada, samples.PIPELINE, part="second")
    assert "b.py" in response.context["yaml"]


def test_one_of_several_studies_is_chosen(ada: Client, tmp_path: Path) -> None:
    content = samples.storage(tmp_path / "s.db", "wine", "<b>beer</b>")
    response = send(ada, file=chosen(content))
    assert response.context["preview"].parts == ["wine", "<b>beer</b>"]
    assert "<b>beer</b>" not in page(response)
    packed = response.context["preview"].content.packed
    response = send(ada, packed=packed, name="study.db", part="<b>beer</b>")
    assert response.context["preview"].definition.display_name == "<b>beer</b>"


def test_a_storage_file_is_carried_to_the_draft(ada: Client, tmp_path: Path) -> None:
    content = samples.storage(tmp_path / "s.db", "wine", trials=4)
    response = send(ada, file=chosen(content))
    assert response.context["preview"].content.data == content
    assert response.context["best"].rows[0] == [("0.75", "0.75"), ("0.3", "0.3")]
    packed = response.context["preview"].content.packed
    send(ada, packed=packed, name="study.db", do="create")
    sweep = Sweep.objects.get()
    assert sweep.trials.count() == 4 and sweep.max_total_trials == 104


def test_a_new_file_is_shown_before_anything_is_made_of_it(ada: Client) -> None:
    file = chosen(samples.KATIB.encode(), "katib.yaml")
    response = send(ada, samples.WANDB, file=file, do="create", format="wandb")
    assert "This is a Katib experiment." in page(response)
    assert not Sweep.objects.exists()


@pytest.mark.parametrize("packed", ["!", "AAAA", "eJw="])
def test_a_broken_field_is_a_sentence(ada: Client, packed: str) -> None:
    response = send(ada, packed=packed)
    assert response.status_code == 422
    assert "Choose it again" in page(response)


def test_a_packed_file_has_a_limit(ada: Client) -> None:
    bomb = base64.b64encode(zlib.compress(b"\0" * (65 << 20))).decode()
    assert "Choose it again" in page(send(ada, packed=bomb))


def test_too_much_text_is_refused_with_its_limit(ada: Client) -> None:
    file = chosen(b"a: " + b"x" * 2_100_000, "big.yaml")
    response = send(ada, file=file)
    assert response.status_code == 422
    assert "2,000,000 are allowed" in page(response)


def test_nothing_at_all_is_a_sentence(ada: Client) -> None:
    assert "Paste a sweep" in page(send(ada, "  \n"))


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"SQLite format 3\0junk"])
def test_a_file_that_is_neither_is_refused(ada: Client, content: bytes) -> None:
    response = send(ada, file=chosen(content))
    assert response.status_code == 422
    assert response.context["preview"].problems


def test_hostile_text_is_escaped(ada: Client) -> None:
    hostile = "<script>alert('x')</script>"
    for text in (
        samples.WANDB,
        samples.KATIB.replace("wine", hostile),
        f"search_space: {{'{hostile.replace(chr(39), '')}': 1}}\ntrial: x",
        f"{hostile}: [",
    ):
        response = send(ada, text)
        assert "<script>alert" not in page(response)


def test_viewers_are_refused(client: Client, ada: Client) -> None:
    client.force_login(factories.user("victor"))
    assert client.get(reverse("sweep_import")).status_code == 403
    assert send(client, samples.WANDB, do="create").status_code == 403
    assert not Sweep.objects.exists()


def test_visitors_are_sent_to_the_login_page(client: Client) -> None:
    factories.team("Physics", ada="member")
    for response in (client.get(reverse("sweep_import")), send(client, samples.WANDB)):
        assert response.status_code == 302
        assert response.url.startswith(reverse("account_login"))


def test_other_teams_do_not_exist(ada: Client) -> None:
    other = factories.team("Chemistry", eve="member")
    experiment = factories.experiment(other)
    query = f"?experiment={experiment.pk}"
    assert ada.get(reverse("sweep_import") + query).status_code == 404
    assert send(ada, samples.WANDB, team="chemistry").status_code == 404


def test_the_builder_leads_to_it(ada: Client) -> None:
    assert reverse("sweep_import") in page(ada.get(reverse("sweep_create")))
