"""Logs and artifacts: bytes that are handed out and never rendered."""

from __future__ import annotations

import io
import zipfile

import pytest

from experiments import storage
from experiments.cleanup import trash
from experiments.models import Team, Trial
from experiments.runner.log_marks import Marker, Stream
from tests import factories
from tests.api.conftest import Api


@pytest.fixture
def trial(team: Team) -> Trial:
    return factories.reported_trial(factories.sweep(team), [0.1])


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


def test_a_log_by_stream_and_with_times(api: Api, trial: Trial) -> None:
    marker = Marker(lambda: 1_764_547_200)
    log = marker.mark(b"one\n", Stream.OUT) + marker.mark(b"\r1 %\r2 %\n", Stream.ERR)
    storage.append_log(trial.current_attempt_id or 0, log)
    url = f"/trials/{trial.pk}/log"
    assert api.get(url).content == b"one\n\r1 %\r2 %\n"
    assert api.get(f"{url}?stream=err").content == b"\r1 %\r2 %\n"
    assert api.get(f"{url}?stream=out&times=true").content == (
        b"2025-12-01T00:00:00Z\tone\n"
    )
    assert api.get(f"{url}?times=true&last=5").content == b"\t2 %\n"
    assert api.get(f"{url}?stream=both").status_code == 422


def test_all_outputs_and_those_of_the_best_trial_are_a_zip(
    api: Api, trial: Trial
) -> None:
    best = f"/sweeps/{trial.sweep_id}/best/outputs"
    assert api.get(best).status_code == 404
    Trial.objects.filter(pk=trial.pk).update(state="completed")
    assert api.get(best).json()["error"]["code"] == "no_outputs"
    factories.output(trial, "../a/b.txt", b"text")
    for url in (best, f"/trials/{trial.pk}/outputs"):
        answer = api.get(url)
        content = b"".join(answer.streaming_content)
        assert int(answer["Content-Length"]) == len(content)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            assert archive.read("a/b.txt") == b"text"
    Trial.objects.update(state="completed")
    trash.move_trial_files(Trial.objects.all(), actor=None)
    assert api.get(best).status_code == 404


def test_outputs_of_other_teams_are_not_there(api: Api, trial: Trial) -> None:
    sweep = factories.sweep(factories.team("Others"))
    other = factories.reported_trial(sweep, [0.1], state="completed")
    factories.output(other, "a.txt", b"a")
    for url in (f"/sweeps/{sweep.pk}/best/outputs", f"/trials/{other.pk}/outputs"):
        assert api.get(url).status_code == 404


def test_a_trial_without_a_log_has_an_empty_one(api: Api, team: Team) -> None:
    trial = factories.trial(factories.sweep(team))
    answer = api.get(f"/trials/{trial.pk}/log")
    assert answer.status_code == 200 and answer.content == b""


def test_artifacts_are_listed_and_handed_out(api: Api, trial: Trial) -> None:
    kept = factories.output(trial, "plots/page.html", b"<script>alert(1)</script>")
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
    kept = factories.output(trial, 'a"; x=\r\nSet-Cookie: b.bin', b"1")
    answer = api.get(f"/trials/{trial.pk}/artifacts/{kept.pk}")
    assert answer.status_code == 200
    assert "Set-Cookie" not in answer
    assert "\n" not in answer["Content-Disposition"]


def test_artifacts_come_in_pages(api: Api, trial: Trial) -> None:
    for number in range(3):
        factories.output(trial, f"{number}.txt", b"%d" % number)
    first = api.get(f"/trials/{trial.pk}/artifacts?limit=2").json()
    path = f"/trials/{trial.pk}/artifacts?limit=2&cursor={first['next']}"
    rest = api.get(path).json()
    names = [item["path"] for item in first["items"] + rest["items"]]
    assert names == ["0.txt", "1.txt", "2.txt"] and rest["next"] is None


def test_an_artifact_of_another_trial_is_a_404(api: Api, trial: Trial) -> None:
    kept = factories.output(trial, "a.txt", b"a")
    other = factories.trial(factories.sweep(factories.team()))
    assert api.get(f"/trials/{other.pk}/artifacts/{kept.pk}").status_code == 404


def test_deleted_files_are_told_so(api: Api, trial: Trial) -> None:
    kept = factories.output(trial, "a.txt", b"a")
    storage.delete_attempt_files([kept.attempt_id])
    answer = api.get(f"/trials/{trial.pk}/artifacts/{kept.pk}")
    assert answer.status_code == 404
    assert "deleted" in answer.json()["error"]["message"]
