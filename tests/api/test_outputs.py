"""Logs and artifacts: bytes that are handed out and never rendered."""

from __future__ import annotations

import hashlib

import pytest

from experiments import storage
from experiments.models import Artifact, Team, Trial
from tests import factories
from tests.api.conftest import Api


@pytest.fixture
def trial(team: Team) -> Trial:
    return factories.reported_trial(factories.sweep(team), [0.1])


def keep(trial: Trial, path: str, content: bytes) -> Artifact:
    """A file in the outputs of the trial's attempt."""
    attempt = trial.current_attempt
    assert attempt is not None
    sha256 = hashlib.sha256(content).hexdigest()
    storage.write_whole(storage.output_path(attempt.pk, sha256), [content])
    return Artifact.objects.create(
        attempt=attempt, path=path, size=len(content), sha256=sha256
    )


def test_the_log_is_plain_text_as_it_was_written(api: Api, trial: Trial) -> None:
    written = b"epoch 1\n\x1b[31mred\x1b[0m <script>alert(1)</script> \xff\n"
    storage.append_log(trial.current_attempt_id or 0, written)
    answer = api.get(f"/trials/{trial.pk}/log")
    assert answer.status_code == 200
    assert answer.content == written
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]


def test_the_last_bytes_of_a_log(api: Api, trial: Trial) -> None:
    storage.append_log(trial.current_attempt_id or 0, b"0123456789")
    assert api.get(f"/trials/{trial.pk}/log?last=4").content == b"6789"
    assert api.get(f"/trials/{trial.pk}/log?last=0").status_code == 422


def test_a_trial_without_a_log_has_an_empty_one(api: Api, team: Team) -> None:
    trial = factories.trial(factories.sweep(team))
    answer = api.get(f"/trials/{trial.pk}/log")
    assert answer.status_code == 200 and answer.content == b""


def test_artifacts_are_listed_and_handed_out(api: Api, trial: Trial) -> None:
    kept = keep(trial, "plots/page.html", b"<script>alert(1)</script>")
    (item,) = api.get(f"/trials/{trial.pk}/artifacts").json()["items"]
    assert item["id"] == kept.pk and item["path"] == "plots/page.html"
    assert item["size"] == 25 and item["sha256"] == kept.sha256
    answer = api.get(f"/trials/{trial.pk}/artifacts/{kept.pk}")
    assert b"".join(answer.streaming_content) == b"<script>alert(1)</script>"
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"] == 'attachment; filename="page.html"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"].startswith("sandbox")


def test_a_hostile_name_stays_inside_its_header(api: Api, trial: Trial) -> None:
    kept = keep(trial, 'a"; x=\r\nSet-Cookie: b.bin', b"1")
    answer = api.get(f"/trials/{trial.pk}/artifacts/{kept.pk}")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer
    assert "\n" not in answer["Content-Disposition"]


def test_artifacts_come_in_pages(api: Api, trial: Trial) -> None:
    for number in range(3):
        keep(trial, f"{number}.txt", b"%d" % number)
    first = api.get(f"/trials/{trial.pk}/artifacts?limit=2").json()
    path = f"/trials/{trial.pk}/artifacts?limit=2&cursor={first['next']}"
    rest = api.get(path).json()
    names = [item["path"] for item in first["items"] + rest["items"]]
    assert names == ["0.txt", "1.txt", "2.txt"] and rest["next"] is None


def test_an_artifact_of_another_trial_is_a_404(api: Api, trial: Trial) -> None:
    kept = keep(trial, "a.txt", b"a")
    other = factories.trial(factories.sweep(factories.team()))
    assert api.get(f"/trials/{other.pk}/artifacts/{kept.pk}").status_code == 404


def test_deleted_files_are_told_so(api: Api, trial: Trial) -> None:
    kept = keep(trial, "a.txt", b"a")
    storage.delete_attempt_files([kept.attempt_id])
    answer = api.get(f"/trials/{trial.pk}/artifacts/{kept.pk}")
    assert answer.status_code == 404
    assert "deleted" in answer.json()["error"]["message"]
