"""Output files on a page: the tree, one open file, downloads."""

from __future__ import annotations

import hashlib
import io
import zipfile

import pytest
from django.test import Client

from experiments import storage
from experiments.models import Artifact, Trial
from tests import factories
from tests.pages.clients import page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_data_folder")]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def trial() -> Trial:
    sweep = factories.sweep(factories.team())
    return factories.reported_trial(sweep, [0.5], state="completed")


def keep(trial: Trial, path: str, body: bytes) -> Artifact:
    attempt_id, sha = trial.current_attempt_id or 0, hashlib.sha256(body).hexdigest()
    storage.write_whole(storage.output_path(attempt_id, sha), [body])
    return Artifact.objects.create(
        attempt_id=attempt_id, path=path, size=len(body), sha256=sha
    )


def test_files_are_a_tree_with_sizes(ada: Client, trial: Trial) -> None:
    keep(trial, "runs/1/model.pt", b"x" * 2_000)
    keep(trial, "runs/readme.txt", b"x" * 1_000)
    html = page(ada, trial.get_absolute_url())
    assert "2 files, 3.0 kB" in html and 'id="folder/runs/1" open' in html
    assert "Download all, 3.0 kB" in html


def test_an_open_file_is_shown_as_text(ada: Client, trial: Trial) -> None:
    kept = keep(trial, f"{HOSTILE}.csv", f"a,{HOSTILE}\n1,2\n".encode())
    for place in (f"?metric=x&file={kept.pk}", f"outputs/part?file={kept.pk}"):
        html = page(ada, f"{trial.get_absolute_url()}{place}")
        assert HOSTILE not in html
        assert "<td>1</td>" in html and kept.sha256 in html
    assert f"metric=x&amp;file={kept.pk}#outputs" in page(
        ada, f"{trial.get_absolute_url()}?metric=x"
    )


def test_many_files_are_found_by_name(ada: Client, trial: Trial) -> None:
    for number in range(40):
        keep(trial, f"deep/{number}.txt", b"%d" % number)
    html = page(ada, f"{trial.get_absolute_url()}outputs/part")
    assert 'id="folder/deep" open' not in html
    found = page(ada, f"{trial.get_absolute_url()}outputs/part?files=EEP/39")
    assert 'id="folder/deep" open' in found and "39 more files" in found


def test_a_picture_runs_nothing(ada: Client, trial: Trial) -> None:
    kept = keep(trial, "a.svg", b"<svg onload='alert(1)'/>")
    url = f"{trial.get_absolute_url()}outputs/{kept.pk}/picture"
    assert url in page(ada, f"{trial.get_absolute_url()}?file={kept.pk}")
    answer = ada.get(url)
    assert answer["Content-Type"] == "image/svg+xml"
    assert answer["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    assert answer["X-Content-Type-Options"] == "nosniff"
    text = keep(trial, "a.html", b"<script>")
    answer = ada.get(f"{trial.get_absolute_url()}outputs/{text.pk}/picture")
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")


def test_all_files_and_the_best_trials_are_one_link(ada: Client, trial: Trial) -> None:
    keep(trial, "a/b.txt", b"text")
    for url in (
        f"{trial.get_absolute_url()}outputs.zip",
        f"{trial.sweep.get_absolute_url()}best/outputs.zip",  # type: ignore[union-attr]
    ):
        answer = ada.get(url)
        content = b"".join(answer.streaming_content)  # type: ignore[attr-defined]
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.read("a/b.txt") == b"text"
        assert f"-{trial.number}.zip" in answer["Content-Disposition"]


@pytest.mark.parametrize("place", ["outputs.zip", "outputs/part", "outputs/{}/picture"])
def test_other_teams_see_no_files(client: Client, trial: Trial, place: str) -> None:
    kept = keep(trial, "a.png", b"\x89PNG\r\n\x1a\n")
    factories.team("Others", otto="admin")
    client.force_login(factories.user("otto"))
    url = f"{trial.get_absolute_url()}{place.format(kept.pk)}"
    assert client.get(url).status_code == 404


def test_deleted_files_are_out_of_sight(ada: Client, trial: Trial) -> None:
    kept = keep(trial, "a.txt", b"a")
    storage.delete_attempt_files([kept.attempt_id])
    for place in ("outputs.zip", f"outputs/{kept.pk}/"):
        answer = ada.get(f"{trial.get_absolute_url()}{place}")
        assert answer.status_code == 404
    html = page(ada, f"{trial.get_absolute_url()}?file={kept.pk}")
    assert "was removed to free space" in html


def test_folders_without_an_end_are_names(ada: Client, trial: Trial) -> None:
    keep(trial, "a/" * 240 + "deep.txt", b"x")
    html = page(ada, trial.get_absolute_url())
    assert "a/a/deep.txt" in html and html.count('id="folder/') == 20
