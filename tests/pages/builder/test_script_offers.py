"""After an upload: what the script takes and reports, and one click to use it."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Mapping
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from experiments.code import snapshots
from experiments.models import CodeSnapshot, Sweep, Team
from tests import factories
from tests.pages.builder.builder_forms import (
    X,
    form,
    member,
    page,
    preview,
    send,
)

SCRIPT = b"""
import argparse
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.001, help="size of a step")
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--epochs", type=int, default=30)
parser.add_argument("--amp", action="store_true")
parser.add_argument("--sizes", nargs="+")
for epoch in range(30):
    run.log("val_loss", loss)
    run.log("accuracy", accuracy)
"""
FILES = {"train.py": SCRIPT, "digits.csv": b"1,2"}
EMPTY = form([], primary_metric="", command="python train.py")


@pytest.fixture
def ada(client: Client, db: None, settings: Any, tmp_path: Any) -> Client:
    settings.HOME = tmp_path
    return member(client)


def kept(files: Mapping[str, bytes] = FILES) -> CodeSnapshot:
    team = Team.objects.get(slug="physics")
    return snapshots.store_files(team, files, user=factories.user("ada"))


def pressed(client: Client, do: str, fields: Mapping[str, Any] = EMPTY) -> Any:
    """The page after a button, with the usual files."""
    return send(client, {**fields, "code": kept().digest, "do": do})


def text_of(response: Any, name: str) -> str:
    text: str = response.context["form"].text(name)
    return text


def rows_of(response: Any) -> list[dict[str, str]]:
    return [row.texts for row in response.context["form"].rows if not row.is_blank]


def offered(html: str) -> list[str]:
    return re.findall(r'aria-label="Argument (\w+)"', html)


def test_an_upload_shows_what_was_read(ada: Client) -> None:
    files = [SimpleUploadedFile(name, content) for name, content in FILES.items()]
    response = send(ada, {**EMPTY, "files": files, "do": "update"})
    html = page(response)
    assert "Read from train.py" in html
    for words in ("4 arguments", "2 metrics", "reports every epoch"):
        assert f"<span>{words}</span>" in html
    assert "1 argument not understood" in html
    sentence = "--sizes in line 8 was left out: it takes several values."
    assert sentence in html
    assert offered(html) == ["lr", "batch_size", "epochs", "amp"]
    assert "4 more arguments in train.py" in html
    assert "0.00001 to 0.1" in html
    assert "default 0.001, line 4" in html


def test_search_makes_a_row(ada: Client) -> None:
    response = pressed(ada, "search:lr")
    row = {"name": "lr", "kind": "float-log", "low": "1e-05", "high": "0.1"}
    (found,) = rows_of(response)
    assert {name: found[name] for name in row} == row
    assert text_of(response, "command") == "python train.py"
    assert offered(page(response)) == ["batch_size", "epochs", "amp"]


def test_a_flag_with_a_dash_is_written_into_the_command(ada: Client) -> None:
    response = pressed(ada, "search:batch_size", form([X], command="python train.py"))
    assert [row["name"] for row in rows_of(response)] == ["x", "batch_size"]
    assert text_of(response, "command") == (
        "python train.py --x ${{search_space.x}}"
        " --batch-size ${{search_space.batch_size}}"
    )


def test_keep_fixed_makes_an_input_and_search_takes_it_back(ada: Client) -> None:
    response = pressed(ada, "keep:epochs")
    command = "python train.py --epochs ${{inputs.epochs}}"
    assert text_of(response, "inputs") == "epochs=30"
    assert text_of(response, "command") == command
    assert "Kept fixed" in page(response)
    fields = {**EMPTY, "command": command, "inputs": "epochs=30"}
    response = pressed(ada, "search:epochs", fields)
    assert text_of(response, "inputs") == ""
    assert text_of(response, "command") == command.replace("inputs", "search_space")
    assert [row["name"] for row in rows_of(response)] == ["epochs"]


def test_add_all_adds_what_is_worth_a_search(ada: Client) -> None:
    response = pressed(ada, "search-all")
    assert [row["name"] for row in rows_of(response)] == ["lr", "batch_size"]
    saved = {**EMPTY, **form([], command=text_of(response, "command"))}
    assert "--lr ${{search_space.lr}} --batch-size" in saved["command"]


def test_a_metric_makes_the_objective(ada: Client) -> None:
    response = pressed(ada, "update")
    html = page(response)
    assert re.search(r"accuracy</span><span class=\"pick-note\">proposed", html)
    assert "line 10, every epoch" in html
    response = pressed(ada, "metric:val_loss")
    assert text_of(response, "primary_metric") == "val_loss"
    assert text_of(response, "goal") == "minimize"
    assert 'value="metric:val_loss" data-in-place aria-pressed="true"' in page(response)


@pytest.mark.parametrize(
    "do", ["search:", "search:<b>", "keep:no", "metric:no", "files:x"]
)
def test_an_offer_that_is_not_there_changes_nothing(ada: Client, do: str) -> None:
    response = pressed(ada, do)
    assert response.status_code == 200
    assert rows_of(response) == []
    assert text_of(response, "command") == "python train.py"


def test_without_files_nothing_is_offered(ada: Client) -> None:
    response = send(ada, {**EMPTY, "do": "search:lr"})
    assert rows_of(response) == []
    assert "Read from" not in page(response)


def test_the_preview_brings_the_offers(ada: Client) -> None:
    answer = preview(ada, {**EMPTY, "code": kept().digest})
    assert "4 arguments" in answer["read"]
    assert offered(answer["space_offers"]) == ["lr", "batch_size", "epochs", "amp"]
    assert "metric:accuracy" in answer["metric_offers"]


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"src/fit.py": SCRIPT, "src/tool.py": b"x = 1"}, "python src/fit.py"),
        ({"main.py": b"1", "train.py": b"1"}, "python train.py"),
        ({"my run.py": SCRIPT}, 'python "my run.py"'),
        ({"data.csv": b"1"}, "python train.py"),
    ],
)
def test_an_untouched_command_runs_the_script(
    ada: Client, files: dict[str, bytes], command: str
) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    upload = SimpleUploadedFile("code.zip", archive.getvalue())
    fields = {"team": "physics", "command": "python train.py", "files": [upload]}
    answer = ada.post(reverse("sweep_files"), fields).json()
    assert answer["command"] == command
    response = send(ada, {**EMPTY, "do": f"files:{answer['digest']}"})
    assert text_of(response, "command") == command
    fields = {**EMPTY, "command": "make", "do": f"files:{answer['digest']}"}
    assert text_of(send(ada, fields), "command") == "make"


def test_pasted_code_is_kept_as_train_py(ada: Client) -> None:
    code = SCRIPT.decode().replace("\n", "\r\n")
    response = send(ada, {**EMPTY, "do": "code", "pasted_code": code})
    assert CodeSnapshot.objects.get().files == [
        {"path": "train.py", "size": len(SCRIPT)}
    ]
    assert "4 arguments" in page(response)
    response = send(ada, {**EMPTY, "do": "code", "pasted_code": " "})
    assert "Paste the code of a script first." in page(response)


def test_earlier_files_say_what_uses_them(ada: Client) -> None:
    digest = kept().digest
    for number in (1, 2):
        send(ada, {**form(), "code": digest, "form_token": f"token-number-{number}"})
    assert Sweep.objects.count() == 2
    other = factories.team("Biology")
    snapshots.store_files(other, {"secret.py": b"1"}, user=None)
    html = page(ada.get(reverse("sweep_create")))
    assert "digits.csv, train.py" in html
    assert "used by digits-2 and 1 more" in html
    assert f'value="files:{digest}"' in html
    assert "secret.py" not in html


def test_a_script_that_is_not_python_says_so(ada: Client) -> None:
    digest = kept({"train.py": b"print 'loss'"}).digest
    answer = preview(ada, {**EMPTY, "code": digest})
    assert "train.py was not read: it is not valid Python 3 (line 1)." in answer["read"]
    digest = kept({"train.py": b"x = '<b>'"}).digest
    answer = preview(ada, {**EMPTY, "code": digest})
    assert "No argparse, click, typer or fire found in train.py." in answer["read"]


def test_no_file_chosen_does_not_show_beside_files(ada: Client) -> None:
    html = page(pressed(ada, "update"))
    assert 'class="button button-small files-label has-files"' in html


def test_a_button_in_place_brings_what_it_changed(ada: Client) -> None:
    fields = {**form([X], command="python train.py"), "code": kept().digest}
    answer = preview(ada, {**fields, "do": "search:batch_size"})
    assert answer["fields"]["command"].startswith("python train.py --x ${{")
    assert answer["fields"]["row-TOTAL_FORMS"] == "2"
    assert 'value="batch_size"' in answer["row_html"]
    assert len(answer["rows"]) == 2
    assert offered(answer["space_offers"]) == ["lr", "epochs", "amp"]
    answer = preview(ada, {**EMPTY, "do": "code", "pasted_code": "x = 1"})
    assert answer["fields"]["code"] == answer["kept"]["digest"]
    assert answer["kept"]["names"] == "train.py"


def test_a_removed_parameter_is_taken_out_of_the_command(ada: Client) -> None:
    fields = {**EMPTY, "command": "python train.py --lr ${{search_space.lr}}"}
    assert 'value="drop:lr"' in page(pressed(ada, "update", fields))
    response = pressed(ada, "drop:lr", fields)
    assert text_of(response, "command") == "python train.py"
    assert "drop:lr" not in page(response)


@pytest.mark.parametrize("typed", ["val_los", "val_loss", "f1"])
def test_a_misspelt_metric_gets_one_click_to_the_right_one(
    ada: Client, typed: str
) -> None:
    fields = {**EMPTY, "code": kept().digest, "primary_metric": typed}
    shown = preview(ada, fields)["metric_offers"]
    sentence = f"train.py reports val_loss, not {typed}."
    assert (sentence in shown) is (typed == "val_los")
    if typed == "val_los":
        assert 'value="metric:val_loss" data-in-place>Did you mean val_loss?' in shown
