"""Rows for tests, made as the application makes them.

``user("ada")`` is the same person each time in a test.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from experiments import lifecycle, storage
from experiments.models import (
    ApiToken,
    Artifact,
    Attempt,
    CodeSnapshot,
    Experiment,
    Membership,
    Metric,
    Pool,
    Sweep,
    Team,
    Trial,
    User,
    Worker,
    WorkerToken,
)
from experiments.models.trials import TRIAL_ENDS, AttemptState
from experiments.scheduling.dispatch import Dispatch
from experiments.search.document.definition import parse_document
from experiments.sweeps import creation
from experiments.tokens import new_token, token_digest
from experiments.tracking import ingest, series


def user(name: str = "ada", **fields: Any) -> User:
    """The person of that name; their password is ``correct horse battery``."""
    known = User.objects.filter(username=name).first()
    return known or User.objects.create_user(
        name, password="correct horse battery", **fields
    )


def team(name: str = "Physics", **roles: str) -> Team:
    """A team with a pool ``default``; ``ada="member"`` gives it a person."""
    found, made = Team.objects.get_or_create(
        name=name, defaults={"slug": name.lower().replace(" ", "-")}
    )
    if made:
        pool(found)
    for person, role in roles.items():
        Membership.objects.update_or_create(
            team=found, user=user(person), defaults={"role": role}
        )
    return found


def pool(team: Team, name: str = "default") -> Pool:
    found, _ = Pool.objects.get_or_create(name=name)
    found.teams.add(team)
    return found


def api_token(user: User, scope: str = "write", **fields: Any) -> str:
    """A new token's secret."""
    token = new_token("swp")
    ApiToken.objects.create(
        user=user, scope=scope, prefix=token.prefix, digest=token.digest, **fields
    )
    return token.secret


def revoked_token(user: User) -> str:
    """The secret of a token that was withdrawn."""
    secret = api_token(user)
    ApiToken.objects.filter(digest=token_digest(secret)).update(revoked_at=Now())
    return secret


def worker_token(pool: Pool) -> str:
    """A new worker credential's secret."""
    token = new_token("wrk")
    WorkerToken.objects.create(pool=pool, prefix=token.prefix, digest=token.digest)
    return token.secret


def experiment(team: Team, name: str = "digits", **fields: Any) -> Experiment:
    found = creation.find_or_create_experiment(team, name, user=None)
    for field, value in fields.items():
        setattr(found, field, value)
    found.save()
    return found


def definition_document(**changes: Any) -> dict[str, Any]:
    """A small valid sweep document; a change to None leaves the field out."""
    document: dict[str, Any] = {
        "experiment_name": "digits",
        "trial": {"command": "python train.py --x ${{search_space.x}}"},
        "search_space": {"x": {"type": "uniform", "min_value": 0.0, "max_value": 1.0}},
        "sampling_algorithm": {"type": "random", "seed": 7},
        "objective": {"primary_metric": "accuracy", "goal": "maximize"},
        "limits": {"max_total_trials": 4, "max_concurrent_trials": 2},
        **changes,
    }
    return {name: value for name, value in document.items() if value is not None}


def sweep(
    team: Team,
    *,
    state: str = "running",
    user: User | None = None,
    document: dict[str, Any] | None = None,
    **fields: Any,
) -> Sweep:
    """A sweep of the document, moved to a state; ``fields`` are set on its row."""
    definition = parse_document(document or definition_document())
    made = creation.create_sweep(team, definition, user=user)
    now = timezone.now()
    if state != "draft":
        fields.setdefault("started_at", now)
    if state in {"completed", "cancelled", "failed"}:
        fields.setdefault("ended_at", now)
    Sweep.objects.filter(pk=made.pk).update(state=state, **fields)
    made.refresh_from_db()
    return made


def conditional_sweep() -> Sweep:
    """A sweep with a parameter that only one optimizer has."""
    momentum = {"type": "uniform", "min_value": 0.5, "max_value": 0.99}
    space = {
        "lr": {"type": "loguniform", "min_value": -9, "max_value": -1},
        "optimizer": {"type": "choice", "values": ["sgd", "adamw"]},
        "momentum": {**momentum, "when": {"optimizer": "sgd"}},
    }
    command = {"command": "python train.py --lr ${{search_space.lr}}"}
    document = definition_document(search_space=space, trial=command)
    return sweep(team(), document=document)


def trial(
    sweep: Sweep,
    *,
    state: str = "queued",
    value: float | None = None,
    elapsed: float | None = None,
    params: dict[str, Any] | None = None,
    **fields: Any,
) -> Trial:
    """The sweep's next trial with its first attempt, as rows: much quicker than by the
    lifecycle, which tests of its own cover.

    An ended trial has a finished attempt of ``elapsed`` seconds; for one that runs and
    reports use ``claim`` and ``report``.
    """
    number, now = sweep.next_number(), timezone.now()
    made = Trial.objects.create(
        experiment_id=sweep.experiment_id,
        sweep=sweep,
        number=number,
        params=params or {"x": number / 10},
        origin="random",
    )
    attempt = Attempt(trial=made, n=1, pool_id=sweep.pool_id)
    if state in TRIAL_ENDS:
        fields = {"started_at": now, "ended_at": now, **fields}
        attempt.state, attempt.elapsed = AttemptState.FINISHED, elapsed
        attempt.claimed_at = attempt.ended_at = now
    attempt.save()
    Trial.objects.filter(pk=made.pk).update(
        current_attempt=attempt, state=state, value=value, last_value=value, **fields
    )
    made.refresh_from_db()
    return made


def run(
    team: Team, name: str = "", *, experiment_name: str = "digits", **fields: Any
) -> Trial:
    """A single run, which runs; ``fields`` are those of lifecycle.start_run()."""
    claim = lifecycle.start_run(experiment(team, experiment_name), name=name, **fields)
    return claim.attempt.trial


def worker(pool: Pool, name: str = "host", *, slots: int = 2) -> Worker:
    found, _ = Worker.objects.get_or_create(
        pool=pool, name=name, defaults={"host": name, "slots": slots}
    )
    return found


def claim(trial: Trial, *, slot: int = 0) -> lifecycle.Claim:
    """A worker takes the queued trial, which runs from now on; with its tokens."""
    attempt = trial.current_attempt
    if attempt is None:
        raise ValueError(f"trial {trial} has no attempt")
    if attempt.pool is None:
        raise ValueError(f"{trial} is a run, which no worker takes")
    won = lifecycle.claim_attempt(attempt.pk, worker=worker(attempt.pool), slot=slot)
    if won is None:
        raise ValueError(f"attempt {attempt} is not to be had")
    trial.refresh_from_db()
    return won


def lose(attempt: Attempt | None) -> None:
    """The attempt's worker dies without a word."""
    if attempt is None:
        raise ValueError("there is no attempt to lose")
    lifecycle.lose_attempt(attempt, reason="worker_died", message="The worker died.")


def report(
    trial: Trial,
    values: Sequence[float],
    *,
    name: str = "accuracy",
    first_step: int = 0,
) -> ingest.Reply:
    """The running trial reports the values at consecutive steps."""
    points = [ingest.Point(name, first_step + i, v) for i, v in enumerate(values)]
    reply = ingest.record(trial.current_attempt_id or 0, points)
    trial.refresh_from_db()
    return reply


def points(attempt: Attempt | None, name: str = "accuracy") -> list[tuple[int, float]]:
    """Step and value of an attempt's points, in the order of arrival."""
    found = Metric.objects.filter(attempt=attempt, name=name)
    for records in series.read(found.values_list("pk", flat=True)).values():
        return list(records[["step", "value"]].tolist())
    return []


def point_count() -> int:
    """Of all metrics."""
    metrics = Metric.objects.values_list("pk", flat=True)
    return sum(map(len, series.read(metrics).values()))


def reported_trial(
    sweep: Sweep, values: Sequence[float], *, state: str = "running", **fields: Any
) -> Trial:
    """A trial that was claimed and has reported the values, then left in a state."""
    made = trial(sweep, **fields)
    attempt = claim(made).attempt
    report(made, values)
    if state == "completed":
        lifecycle.finish_attempt(
            attempt, lifecycle.Outcome(cause="exited", exit_code=0, elapsed=10.0)
        )
    elif state != "running":
        reason = "policy" if state == "terminated" else "user"
        lifecycle.request_stop(made, reason=reason, message="Enough.")
        made.refresh_from_db()
        lifecycle.finish_attempt(
            attempt, lifecycle.Outcome(cause="stopped", elapsed=2.0)
        )
    made.refresh_from_db()
    return made


def place_trial(sweep: Sweep) -> Trial | None:
    """The next trial of this sweep alone. None: there is no place for it."""
    return Dispatch([sweep]).serve(sweep)


def output(trial: Trial, path: str, content: bytes) -> Artifact:
    """A file in the outputs of the trial's attempt."""
    attempt = trial.current_attempt
    assert attempt is not None
    sha256 = hashlib.sha256(content).hexdigest()
    storage.write_whole(storage.output_path(attempt.pk, sha256), [content])
    return Artifact.objects.create(
        attempt=attempt, path=path, size=len(content), sha256=sha256
    )


def stored_files(snapshot: CodeSnapshot) -> dict[str, bytes]:
    """The files of a code snapshot, by their paths."""
    with zipfile.ZipFile(storage.code_path(snapshot.digest)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
