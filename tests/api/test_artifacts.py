"""An attempt's files at the site: kept whole, replaced, forgotten, and resumed from."""

from __future__ import annotations

import errno
import hashlib
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from django.core.cache import cache
from django.test import Client

from experiments import lifecycle, storage
from experiments.api.attempt_spec import attempt_spec
from experiments.models import Artifact, Sweep, Trial
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sweep(settings: Any, tmp_path: Path) -> Sweep:
    settings.HOME = tmp_path
    document = factories.definition_document(
        resources={"outputs": "1 KB", "memory": "8 GiB", "open_files": 512},
        limits={"max_total_trials": 4, "stop_grace": "2 m"},
        retries={"on_failure": 3, "when_cut_off": "ride_out"},
    )
    return factories.sweep(factories.team(), document=document)


class Runner:
    """What a runner does for the trial's next attempt, which it takes."""

    def __init__(self, trial: Trial) -> None:
        claim = factories.claim(trial)
        self.attempt = claim.attempt
        self.spec = attempt_spec(claim)
        self.headers = {
            "Authorization": f"Bearer {claim.runner_token.secret}",
            "X-Sweepsite-Protocol": "2",
        }

    def call(self, method: str, action: str, body: bytes = b"", **query: str) -> Any:
        path = f"/api/worker/v1/attempts/{self.attempt.pk}/{action}?{urlencode(query)}"
        return Client().generic(
            method, path, body, "application/octet-stream", headers=self.headers
        )

    def put(self, path: str, body: bytes, **query: str) -> Any:
        digest = hashlib.sha256(body).hexdigest()
        return self.call("PUT", "artifacts", body, path=path, sha256=digest, **query)

    def fail(self, trial: Trial) -> None:
        outcome = lifecycle.Outcome(cause="exited", exit_code=1)
        lifecycle.finish_attempt(self.attempt, outcome)
        trial.refresh_from_db()


@pytest.fixture
def trial(sweep: Sweep) -> Trial:
    return factories.trial(sweep)


def stored(attempt: int) -> list[bytes]:
    folder = storage.output_path(attempt, "x").parent
    return sorted(path.read_bytes() for path in folder.iterdir())


def test_a_file_that_is_sent_again_takes_the_place_of_the_first(trial: Trial) -> None:
    runner = Runner(trial)
    for body in (b"one", b"two"):
        assert runner.put("m.bin", body).status_code == 201
    assert stored(runner.attempt.pk) == [b"two"]
    assert Artifact.objects.get().size == 3


def test_bytes_that_another_file_shares_stay(trial: Trial) -> None:
    runner = Runner(trial)
    runner.put("a", b"same")
    runner.put("b", b"same")
    runner.put("a", b"other")
    assert stored(runner.attempt.pk) == [b"other", b"same"]
    assert runner.put("b", b"same").status_code == 201
    assert stored(runner.attempt.pk) == [b"other", b"same"]


def test_a_removed_file_is_forgotten_with_its_bytes(trial: Trial) -> None:
    runner = Runner(trial)
    runner.put("a", b"one")
    for deleted in (1, 0):
        answer = runner.call("DELETE", "artifacts", path="a")
        assert answer.json() == {"deleted": deleted}
    assert stored(runner.attempt.pk) == []


def test_the_document_s_limit_counts(trial: Trial) -> None:
    runner = Runner(trial)
    assert runner.spec["outputs_limit_bytes"] == 1000
    assert runner.put("a", b"x" * 600).status_code == 201
    answer = runner.put("b", b"x" * 600)
    assert answer.status_code == 413
    message = answer.json()["error"]["message"]
    assert message == (
        "b has 600 bytes, with 600 of other outputs; all together may have 1,000."
    )
    assert runner.put("a", b"y" * 900).status_code == 201, "the old one makes room"


def test_a_body_that_was_cut_leaves_nothing(trial: Trial) -> None:
    runner = Runner(trial)
    digest = hashlib.sha256(b"whole").hexdigest()
    answer = runner.call("PUT", "artifacts", b"who", path="a", sha256=digest)
    assert answer.status_code == 422
    assert (stored(runner.attempt.pk), Artifact.objects.count()) == ([], 0)


def test_a_full_disk_is_said_and_leaves_nothing(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    runner = Runner(trial)
    monkeypatch.setattr("os.fsync", full)
    answer = runner.put("a", b"one")
    assert answer.status_code == 507
    assert answer.json()["error"]["code"] == "disk_full"
    assert (stored(runner.attempt.pk), Artifact.objects.count()) == ([], 0)


def test_a_disk_without_room_for_a_folder_is_said_as_well(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    runner = Runner(trial)
    monkeypatch.setattr("pathlib.Path.mkdir", full)
    assert runner.put("a", b"one").status_code == 507


def test_the_next_attempt_gets_the_whole_files(trial: Trial) -> None:
    first = Runner(trial)
    assert first.spec["resume_from"] is None
    first.put("a/m.bin", b"weights")
    first.put("torn.bin", b"half", whole="false")
    first.fail(trial)
    second = Runner(trial)
    digest = hashlib.sha256(b"weights").hexdigest()
    url = f"/api/worker/v1/attempts/{second.attempt.pk}/resume/{digest}"
    (file,) = second.spec["resume_from"]["files"]
    assert second.spec["resume_from"]["attempt"] == 1
    assert file.pop("url").endswith(url)
    assert file == {"path": "a/m.bin", "sha256": digest, "size": 7}
    answer = second.call("GET", f"resume/{digest}")
    assert b"".join(answer.streaming_content) == b"weights"
    second.attempt.refresh_from_db()
    assert (second.attempt.resumed_from, second.attempt.resumed_files) == (1, 1)


def test_one_that_left_nothing_is_passed_over(trial: Trial) -> None:
    first = Runner(trial)
    first.put("m.bin", b"weights")
    first.fail(trial)
    Runner(trial).fail(trial)
    third = Runner(trial)
    assert third.spec["resume_from"]["attempt"] == 1


def test_only_earlier_attempts_of_the_same_trial_are_open(
    sweep: Sweep, trial: Trial
) -> None:
    own, other = Runner(trial), Runner(factories.trial(sweep))
    own.put("m.bin", b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert other.call("GET", f"resume/{digest}").status_code == 404
    assert own.call("GET", f"resume/{digest}").status_code == 404, "its own are later"
    own.fail(trial)
    assert own.call("GET", f"resume/{digest}").status_code == 409
    second = Runner(trial)
    second.headers["Authorization"] = own.headers["Authorization"]
    assert second.call("GET", f"resume/{digest}").status_code == 401


def test_deleted_files_are_said_to_be_gone(trial: Trial) -> None:
    first = Runner(trial)
    first.put("m.bin", b"weights")
    first.fail(trial)
    storage.delete_attempt_files([first.attempt.pk])
    digest = hashlib.sha256(b"weights").hexdigest()
    answer = Runner(trial).call("GET", f"resume/{digest}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "deleted"


def test_the_spec_has_the_document_s_limits(trial: Trial) -> None:
    spec = Runner(trial).spec
    assert spec["limits"] == {"memory_bytes": 8 << 30, "open_files": 512}
    assert (spec["grace"], spec["when_cut_off"]) == (120, "ride_out")


def test_a_stop_comes_with_the_document_s_grace(trial: Trial) -> None:
    runner = Runner(trial)
    lifecycle.ask_release(trial.sweep)
    stop = runner.call("POST", "heartbeat", b"{}").json()["stop"]
    assert (stop["reason"], stop["grace"]) == ("paused", 120)
    lifecycle.request_stop(trial, reason="user", message="Enough.")
    stop = runner.call("POST", "heartbeat", b"{}").json()["stop"]
    assert (stop["reason"], stop["message"]) == ("user", "Enough.")


def test_a_log_that_finds_no_room_is_told_so_and_may_go_on(
    trial: Trial, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    runner = Runner(trial)
    with monkeypatch.context() as patched:
        patched.setattr(storage, "append_log", full)
        assert runner.call("POST", "log", b"lost", seq="0").status_code == 507
    assert runner.call("POST", "log", b"kept", seq="0").json()["next"] == 1
    assert storage.read_log(runner.attempt.pk) == b"kept"


def test_an_upload_that_is_cut_midway_leaves_nothing(
    trial: Trial, live_server: Any
) -> None:
    runner = Runner(trial)
    address = urlsplit(live_server.url)
    query = urlencode({"path": "a", "sha256": "0" * 64})
    path = f"/api/worker/v1/attempts/{runner.attempt.pk}/artifacts?{query}"
    lines = [f"PUT {path} HTTP/1.1", f"Host: {address.netloc}", "Content-Length: 900"]
    lines += [f"{name}: {value}" for name, value in runner.headers.items()]
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall("\r\n".join([*lines, "", "x" * 450]).encode())
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10)
        while connection.recv(4096):
            pass
    assert (stored(runner.attempt.pk), Artifact.objects.count()) == ([], 0)


def test_a_teams_outputs_have_a_limit(sweep: Sweep, settings: Any) -> None:
    settings.TEAM_OUTPUTS_LIMIT_BYTES = 100
    cache.clear()
    runner = Runner(factories.trial(sweep))
    assert runner.put("a", b"x" * 90).status_code == 201
    cache.clear()
    answer = runner.put("b", b"x" * 90)
    assert answer.status_code == 413
    assert "SWEEPSITE_TEAM_OUTPUTS_MB" in answer.json()["error"]["message"]
    assert runner.attempt.artifacts.count() == 1
