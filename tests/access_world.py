"""One team's objects, and everybody who may or may not reach them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from experiments import lifecycle, storage
from experiments.code import snapshots
from experiments.models import (
    ApiToken,
    Artifact,
    CleanupRule,
    Invitation,
    NotificationChannel,
    Removable,
    ReportLink,
    SavedForm,
    SavedView,
    Sweep,
    SweepTemplate,
    Team,
    TrashItem,
    TrialRequest,
)
from experiments.models.environments import note_environment
from tests import factories

OK = range(200, 300)
UNKNOWN = range(401, 402)
FORBIDDEN = range(403, 404)
MISSING = range(404, 405)
# The state of the object may speak against it, but not the caller's rights.
ALLOWED = (*OK, 409)

# People who log in. `stranger` is an admin of another team, `superuser` an
# administrator of the installation who is in no team.
PEOPLE = {
    "viewer": "vera",
    "member": "ada",
    "admin": "root",
    "stranger": "otto",
    "superuser": "sue",
}


@dataclass(frozen=True)
class World:
    """One team's sweep with a running trial, and everybody's secret."""

    ids: Mapping[str, int]
    secrets: Mapping[str, str | None]
    # The digest of the sweep's code.
    code: str


def make_world(team: Team) -> World:
    """``team`` has the member ada and the viewer vera."""
    factories.team("Physics", root="admin")
    factories.team("Chemistry", otto="admin")
    factories.user("sue", is_superuser=True, is_staff=True)
    sweep = factories.sweep(team)
    best = factories.trial(sweep, state="completed", value=0.5)
    trial, other = factories.trial(sweep), factories.trial(sweep)
    claim, another = factories.claim(trial), factories.claim(other, slot=1)
    sha256 = hashlib.sha256(b"1").hexdigest()
    storage.write_whole(storage.output_path(claim.attempt.pk, sha256), [b"1"])
    file = {"path": "a.txt", "size": 1, "sha256": sha256}
    artifact = Artifact.objects.create(attempt=claim.attempt, **file)
    assert best.current_attempt is not None
    storage.write_whole(storage.output_path(best.current_attempt.pk, sha256), [b"1"])
    Artifact.objects.create(attempt=best.current_attempt, **file)
    code = snapshots.store_files(team, {"train.py": b"print(1)"}, user=None)
    Sweep.objects.filter(pk=sweep.pk).update(preflight={"state": "passed"}, code=code)
    note_environment(trial, {"packages": ["numpy==2.2.1"]})
    trial_request = TrialRequest.objects.create(
        sweep=sweep, params=trial.params, origin="by_hand"
    )
    template = SweepTemplate.objects.create(team=team, name="saved", document={})
    view = SavedView.objects.create(
        experiment=sweep.experiment, page="trials", name="the team's"
    )
    SavedForm.objects.create(
        user=factories.user("ada"), team=team, key="new", data="command=x"
    )
    run, other_run = (
        lifecycle.start_run(sweep.experiment, name="by hand") for _ in range(2)
    )
    secrets = {
        "nobody": None,
        "viewer": factories.api_token(factories.user("vera")),
        "reading member": factories.api_token(factories.user("ada"), "read"),
        "member": factories.api_token(factories.user("ada")),
        "admin": factories.api_token(factories.user("root"), "admin"),
        "stranger": factories.api_token(factories.user("otto"), "admin"),
        "superuser": factories.api_token(factories.user("sue"), "admin"),
        "own trial": claim.trial_token.secret,
        "other trial": another.trial_token.secret,
        "own run": run.token.secret,
        "other run": other_run.token.secret,
        "worker": factories.worker_token(sweep.pool),
        "other worker": factories.worker_token(
            factories.pool(factories.team("Chemistry"), "other")
        ),
        "runner": claim.runner_token.secret,
        "other runner": another.runner_token.secret,
        "revoked": factories.revoked_token(factories.user("ada")),
        "inactive": factories.api_token(factories.user("gone", is_active=False)),
    }
    service = factories.user("ci", service_team=team)
    invitation = Invitation.objects.create(
        team=team,
        role="member",
        digest="0" * 64,
        expires_at=timezone.now() + timedelta(days=1),
    )
    link = ReportLink.objects.create(
        sweep=sweep,
        digest="1" * 64,
        created_by=factories.user("ada"),
        expires_at=timezone.now() + timedelta(days=1),
    )
    rule = CleanupRule.objects.create(team=team, selection={"kind": "logs"})
    channel = NotificationChannel.objects.create(
        team=team, kind="slack", name="ours", kinds="failed"
    )
    item = TrashItem.add(Removable.LOGS, "digits-1", team.pk, sweep=sweep)
    host = factories.worker(sweep.pool)
    ids = {
        "rule_id": rule.pk,
        "channel_id": channel.pk,
        "report_link_id": link.pk,
        "item_id": item.pk,
        "service_account_id": service.pk,
        "invitation_id": invitation.pk,
        "sweep_id": sweep.pk,
        "experiment_id": sweep.experiment_id,
        "run_id": run.attempt.trial_id,
        "trial_id": trial.pk,
        "attempt_id": claim.attempt.pk,
        "artifact_id": artifact.pk,
        "request_id": trial_request.pk,
        "template_id": template.pk,
        "view_id": view.pk,
        "credential_id": sweep.pool.tokens.latest("pk").pk,
        "worker_id": host.pk,
        "host_id": host.pk,
        "user_id": factories.user("vera").pk,
        "member_id": factories.user("vera").pk,
        "person_id": factories.user("vera").pk,
        "token_id": ApiToken.objects.filter(user__username="ada", revoked_at=None)
        .latest("pk")
        .pk,
    }
    return World(ids, secrets, code.digest)
