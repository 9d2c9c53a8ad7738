"""The workers' side: sign on, claim, beat, report, finish; and who is refused."""

from __future__ import annotations

import hashlib
import io
import zipfile
from contextlib import suppress
from typing import Any

import pytest
from django.db import OperationalError
from django.db.models.functions import Now
from django.test import Client

from experiments import lifecycle, storage
from experiments.code import snapshots
from experiments.models import Run, Sweep, Trial, Worker
from experiments.models.environments import whole_environments
from tests import factories

pytestmark = pytest.mark.django_db
BASE = "/api/worker/v1"


class Caller:
    """A worker host or a runner, with its token."""

    def __init__(self, token: str, protocol: str = "2") -> None:
        self.headers = {
            "Authorization": f"Bearer {token}",
            "X-Sweepsite-Protocol": protocol,
        }
        self.client = Client()

    def post(self, path: str, body: Any = None, **kw: Any) -> Any:
        kw.setdefault("content_type", "application/json")
        return self.client.post(f"{BASE}{path}", body, headers=self.headers, **kw)

    def put(self, path: str, body: bytes) -> Any:
        return self.client.put(
            f"{BASE}{path}",
            body,
            content_type="application/octet-stream",
            headers=self.headers,
        )

    def get(self, path: str) -> Any:
        return self.client.get(f"{BASE}{path}", headers=self.headers)


@pytest.fixture
def sweep(settings: Any, tmp_path: Any) -> Sweep:
    settings.HOME = tmp_path
    return factories.sweep(factories.team())


@pytest.fixture
def pool(sweep: Sweep) -> Caller:
    return Caller(factories.worker_token(sweep.pool))


def hello(pool: Caller, **changes: Any) -> Any:
    facts = {"name": "ada-01", "host": "ada-01", "pid": 7, "slots": 2, **changes}
    return pool.post("/hello", facts)


def claimed(pool: Caller, trial: Trial) -> dict[str, Any]:
    worker = hello(pool).json()["worker"]
    answer = pool.post(
        f"/attempts/{trial.current_attempt_id}/claim", {"worker": worker, "slot": 0}
    )
    assert answer.status_code == 200, answer.content
    spec: dict[str, Any] = answer.json()
    return spec


class TestHosts:
    def test_signing_on_again_keeps_the_worker_and_loses_what_it_ran(
        self, pool: Caller, sweep: Sweep
    ) -> None:
        trial = factories.trial(sweep)
        spec = claimed(pool, trial)
        assert hello(pool).status_code == 200
        assert Worker.objects.count() == 1
        trial.refresh_from_db()
        assert trial.state == "queued"
        assert trial.current_attempt_id != spec["attempt"]

    def test_an_idle_slot_is_evidence_that_its_attempt_is_dead(
        self, pool: Caller, sweep: Sweep
    ) -> None:
        spec = claimed(pool, factories.trial(sweep))
        worker = Worker.objects.get().pk
        other = pool.post("/slots/idle", {"worker": worker, "slot": 1})
        assert other.json() == {"lost": []}
        own = pool.post("/slots/idle", {"worker": worker, "slot": 0})
        assert own.json() == {"lost": [spec["attempt"]]}

    def test_a_living_workers_name_is_not_given_to_another_host(
        self, pool: Caller
    ) -> None:
        assert hello(pool, boot_id="one").status_code == 200
        answer = hello(pool, boot_id="two")
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "name_taken"
        assert hello(pool, boot_id="one").status_code == 200

    def test_of_two_that_sign_on_at_one_moment_one_gets_the_name(
        self, pool: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        hello(pool, boot_id="old")
        Worker.objects.update(stopped_at=Now())
        found = Worker.objects.get_or_create

        def meanwhile(**fields: Any) -> Any:
            """Between the look at the row and its taking another host is quicker."""
            answer = found(**fields)
            Worker.objects.update(boot_id="one", seen_at=Now(), stopped_at=None)
            return answer

        monkeypatch.setattr(Worker.objects, "get_or_create", meanwhile)
        assert hello(pool, boot_id="two").status_code == 409
        assert Worker.objects.get().boot_id == "one"

    def test_another_protocol_is_refused_in_words(self, sweep: Sweep) -> None:
        token = factories.worker_token(sweep.pool)
        answer = hello(Caller(token, protocol="0"))
        assert answer.status_code == 426
        assert "protocol 0" in answer.json()["error"]["message"]

    def test_a_worker_of_another_pool_does_not_exist(
        self, pool: Caller, sweep: Sweep
    ) -> None:
        worker = hello(pool).json()["worker"]
        other = factories.pool(factories.team("Other"), "other")
        answer = Caller(factories.worker_token(other)).post("/beat", {"worker": worker})
        assert answer.status_code == 404

    def test_bye_takes_the_slots_away(self, pool: Caller) -> None:
        worker = hello(pool).json()["worker"]
        assert Worker.objects.alive().count() == 1
        pool.post("/bye", {"worker": worker})
        assert Worker.objects.alive().count() == 0


class TestClaims:
    def test_the_spec_has_the_command_with_its_values(
        self, pool: Caller, sweep: Sweep
    ) -> None:
        spec = claimed(pool, factories.trial(sweep, params={"x": 0.25}))
        assert spec["argv"] == ["python", "train.py", "--x", "0.25"]
        assert spec["environment"]["AZUREML_SWEEP_x"] == "0.25"
        assert spec["environment"]["SWEEPSITE_PARAMS"] == '{"x": 0.25}'
        metric = spec["environment"]["SWEEPSITE_PRIMARY_METRIC"]
        assert metric == sweep.primary_metric
        assert spec["runner_token"].startswith("run_")
        assert spec["trial_token"] == spec["environment"]["SWEEPSITE_TOKEN"]
        assert spec["code"] is None

    def test_the_second_claim_is_refused(self, pool: Caller, sweep: Sweep) -> None:
        trial = factories.trial(sweep)
        claimed(pool, trial)
        answer = pool.post(
            f"/attempts/{trial.current_attempt_id}/claim",
            {"worker": Worker.objects.get().pk, "slot": 1},
        )
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "not_claimable"

    def test_a_sweeps_variables_cannot_replace_the_promised_ones(
        self, pool: Caller, sweep: Sweep
    ) -> None:
        variables = {"SWEEPSITE_TOKEN": "forged", "OMP_NUM_THREADS": "1"}
        template = {**sweep.definition["trial"], "environment_variables": variables}
        sweep.definition = {**sweep.definition, "trial": template}
        sweep.save(update_fields=["definition"])
        environment = claimed(pool, factories.trial(sweep))["environment"]
        assert environment["OMP_NUM_THREADS"] == "1"
        assert environment["SWEEPSITE_TOKEN"] != "forged"


class TestAttempts:
    @pytest.fixture
    def trial(self, sweep: Sweep) -> Trial:
        return factories.trial(sweep)

    @pytest.fixture
    def spec(self, pool: Caller, trial: Trial) -> dict[str, Any]:
        return claimed(pool, trial)

    @pytest.fixture
    def runner(self, spec: dict[str, Any]) -> Caller:
        return Caller(spec["runner_token"])

    def path(self, spec: dict[str, Any], action: str) -> str:
        return f"/attempts/{spec['attempt']}/{action}"

    def test_a_stop_comes_with_the_next_beat(
        self, runner: Caller, spec: dict[str, Any], trial: Trial
    ) -> None:
        beat = self.path(spec, "heartbeat")
        assert runner.post(beat, {"elapsed": 1.0, "pid": 5}).json() == {"stop": None}
        trial.refresh_from_db()
        lifecycle.request_stop(trial, reason="user", message="Enough.")
        stop = runner.post(beat, {"elapsed": 2.0}).json()["stop"]
        assert (stop["reason"], stop["message"]) == ("user", "Enough.")

    def test_points_with_text_for_what_json_lacks(
        self, runner: Caller, spec: dict[str, Any], trial: Trial
    ) -> None:
        points = [
            {"name": "accuracy", "step": 0, "value": "NaN"},
            {"name": "accuracy", "step": 1, "value": 0.5},
            {"name": "loss", "step": 1, "value": "-Infinity"},
        ]
        answer = runner.post(self.path(spec, "metrics"), {"points": points})
        assert answer.json() == {"stop": False, "reason": ""}
        trial.refresh_from_db()
        assert (trial.reports, trial.value) == (2, 0.5)

    def test_a_bad_point_is_refused_alone(
        self, runner: Caller, spec: dict[str, Any], trial: Trial
    ) -> None:
        bad = {"name": "a\x00", "step": 0, "value": 1}
        good = {"name": "accuracy", "step": 0, "value": 1}
        answer = runner.post(self.path(spec, "metrics"), {"points": [bad, good]})
        (refused,) = answer.json()["refused"]
        assert (refused["name"], refused["points"]) == ("a?", 1)
        trial.refresh_from_db()
        assert trial.reports == 1

    def test_a_log_chunk_sent_twice_is_kept_once(
        self, runner: Caller, spec: dict[str, Any]
    ) -> None:
        log = self.path(spec, "log")
        plain = {"content_type": "application/octet-stream"}
        sent = ((0, b"one\n", 4), (0, b"one, longer\n", 4), (1, b"\xfftwo\n", 9))
        for sequence, chunk, size in sent:
            answer = runner.post(f"{log}?seq={sequence}", chunk, **plain)
            assert answer.json() == {"next": sequence + 1, "bytes": size}
        assert storage.read_log(spec["attempt"]) == b"one\n\xfftwo\n"

    def test_a_log_that_lies_there_from_elsewhere_is_not_taken_for_this_one_s(
        self, runner: Caller, spec: dict[str, Any]
    ) -> None:
        storage.append_log(spec["attempt"], b"of another attempt of this number\n")
        plain = {"content_type": "application/octet-stream"}
        for sequence, chunk in ((0, b"one\n"), (1, b"two\n")):
            runner.post(f"{self.path(spec, 'log')}?seq={sequence}", chunk, **plain)
        assert storage.read_log(spec["attempt"]) == b"one\ntwo\n"

    def test_a_log_chunk_that_was_not_committed_is_taken_back(
        self,
        runner: Caller,
        spec: dict[str, Any],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def full(*arguments: object) -> None:
            storage.append_log(spec["attempt"], b"two\n")
            raise OperationalError("database or disk is full")

        log = self.path(spec, "log")
        plain = {"content_type": "application/octet-stream"}
        runner.post(f"{log}?seq=0", b"one\n", **plain)
        with monkeypatch.context() as patched:
            patched.setattr("experiments.api.worker._add_to_log", full)
            with suppress(OperationalError):
                runner.post(f"{log}?seq=1", b"two\n", **plain)
        assert storage.read_log(spec["attempt"]) == b"one\n"

    def test_an_output_is_kept_only_when_its_bytes_are_right(
        self, runner: Caller, spec: dict[str, Any], trial: Trial
    ) -> None:
        right = hashlib.sha256(b"weights").hexdigest()
        put = self.path(spec, "artifacts")
        assert (
            runner.put(f"{put}?path=a/m.bin&sha256={right}", b"other").status_code
            == 422
        )
        assert not storage.output_path(spec["attempt"], right).exists()
        for _ in range(2):
            answer = runner.put(f"{put}?path=a/m.bin&sha256={right}", b"weights")
            assert answer.status_code == 201
        trial.refresh_from_db()
        artifact = trial.current_attempt.artifacts.get()
        assert (artifact.path, artifact.size) == ("a/m.bin", 7)
        assert storage.output_path(spec["attempt"], right).read_bytes() == b"weights"

    def test_outputs_have_a_limit(
        self, runner: Caller, spec: dict[str, Any], settings: Any
    ) -> None:
        settings.OUTPUTS_LIMIT_BYTES = 3
        digest = hashlib.sha256(b"weights").hexdigest()
        put = self.path(spec, "artifacts")
        answer = runner.put(f"{put}?path=m&sha256={digest}", b"weights")
        assert answer.status_code == 413

    def test_the_end_said_twice_is_answered_twice_and_counts_once(
        self, runner: Caller, spec: dict[str, Any], trial: Trial
    ) -> None:
        runner.post(
            self.path(spec, "metrics"),
            {"points": [{"name": "accuracy", "step": 0, "value": 1}]},
        )
        finish = self.path(spec, "finish")
        body = {"cause": "exited", "exit_code": 0, "elapsed": 3.5}
        assert runner.post(finish, body).json() == {"state": "completed"}
        body = {"cause": "exited", "exit_code": 1}
        assert runner.post(finish, body).json() == {"state": "completed"}
        trial.refresh_from_db()
        assert trial.current_attempt.elapsed == 3.5

    @pytest.mark.parametrize("field", ["peak_memory", "log_dropped"])
    def test_more_bytes_than_a_database_can_count_are_refused(
        self, runner: Caller, spec: dict[str, Any], field: str
    ) -> None:
        finish = self.path(spec, "finish")
        body = {"cause": "exited", "exit_code": 0, field: 2**63}
        answer = runner.post(finish, body)
        assert answer.status_code == 422
        assert list(answer.json()["error"]["fields"]) == [field]
        kept = runner.post(finish, {**body, field: 2**63 - 1})
        assert kept.json() == {"state": "failed"}

    def test_a_file_to_resume_from_has_no_nul_in_its_name(
        self, runner: Caller, spec: dict[str, Any]
    ) -> None:
        answer = runner.get(self.path(spec, "resume/%00"))
        assert answer.status_code == 422
        assert list(answer.json()["error"]["fields"]) == ["sha256"]

    @pytest.mark.parametrize("action", ["heartbeat", "metrics", "log?seq=0"])
    def test_whatever_comes_after_the_end_is_stale(
        self, runner: Caller, spec: dict[str, Any], action: str
    ) -> None:
        runner.post(self.path(spec, "finish"), {"cause": "released"})
        answer = runner.post(self.path(spec, action), {"points": []})
        assert answer.status_code == 409
        assert answer.json()["error"]["code"] == "stale_attempt"

    def test_an_attempts_token_opens_no_other_attempt(
        self, runner: Caller, spec: dict[str, Any], sweep: Sweep
    ) -> None:
        other = factories.trial(sweep)
        factories.claim(other, slot=1)
        path = f"/attempts/{other.current_attempt_id}/heartbeat"
        assert runner.post(path, {}).status_code == 401

    @pytest.mark.parametrize("token", ["trial_token", "pool"])
    def test_other_tokens_do_not_open_an_attempt(
        self, spec: dict[str, Any], sweep: Sweep, token: str
    ) -> None:
        secret = spec.get(token) or factories.worker_token(sweep.pool)
        answer = Caller(secret).post(self.path(spec, "heartbeat"), {})
        assert answer.status_code == 401


def test_the_code_is_handed_to_its_own_attempt_only(pool: Caller, sweep: Sweep) -> None:
    team = sweep.experiment.team
    snapshot = snapshots.store_files(team, {"train.py": b"print(1)"}, user=None)
    Sweep.objects.update(code=snapshot)
    spec = claimed(pool, factories.trial(sweep))
    runner = Caller(spec["runner_token"])
    path = spec["code"]["url"].partition(BASE)[2]
    body = b"".join(runner.get(path).streaming_content)
    assert hashlib.sha256(body).hexdigest() == spec["code"]["digest"]
    assert zipfile.ZipFile(io.BytesIO(body)).read("train.py") == b"print(1)"
    assert runner.get(path.replace(snapshot.digest, "0" * 64)).status_code == 404
    storage.delete_code(snapshot.digest)
    lost = runner.get(path)
    assert lost.status_code == 410
    assert "Upload the code again" in lost.json()["error"]["message"]
    assert pool.get(path).status_code == 401


@pytest.mark.parametrize("route", ["heartbeat", "finish"])
def test_what_a_trial_runs_on_is_kept_whatever_is_sent(
    pool: Caller, sweep: Sweep, route: str
) -> None:
    trial = factories.trial(sweep)
    spec = claimed(pool, trial)
    runner = Caller(spec["runner_token"])
    sent = {"host": "ada-01", "packages": ["numpy==2.2.1"], "gpus": 7}
    body = {"environment": sent, "cause": "exited", "exit_code": 1}
    for _ in range(2):
        answer = runner.post(f"/attempts/{spec['attempt']}/{route}", body)
        assert answer.status_code == 200
    (found,) = whole_environments(Run.objects.get(trial=trial))
    assert found["host"] == "ada-01"
    assert found["packages"] == ["numpy==2.2.1"]
    assert found["left_out"] == ["gpus is left out: allowed are lists of texts"]
