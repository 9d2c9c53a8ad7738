"""Django's administration: what staff may look at, and the few things they may do."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from experiments import storage
from experiments.cleanup import purge, trash
from experiments.models import (
    Artifact,
    Attempt,
    CleanupRule,
    Decision,
    EnvironmentPart,
    Event,
    Invitation,
    LoggedModel,
    LoginLimit,
    Membership,
    Metric,
    Orphan,
    SavedView,
    SpaceUsage,
    SpaceVersion,
    Sweep,
    SweepTemplate,
    TrashItem,
    Trial,
    TrialRequest,
    User,
)
from tests import factories

pytestmark = pytest.mark.django_db

READ_ONLY = (Attempt, Artifact, Decision, Event, Metric, Sweep, Trial)
OURS = [model for model in admin.site._registry if model.__module__.startswith("exp")]


@pytest.fixture(autouse=True)
def own_data_folder(settings: Any, tmp_path: Path) -> None:
    settings.HOME = tmp_path


@pytest.fixture
def root() -> Client:
    person = factories.user("root", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(person)
    return client


def changelist(model: type) -> str:
    return reverse(f"admin:experiments_{model.__name__.lower()}_changelist")


def fill(trials: int) -> Sweep:
    """A sweep of trials, each with an attempt, points, a report, a file, an event."""
    team = factories.team("Physics", ada="member")
    sweep = factories.sweep(team, user=factories.user("ada"))
    for index in range(trials):
        trial = factories.reported_trial(sweep, [0.1, 0.2], state="completed")
        attempt = trial.current_attempt
        assert attempt is not None
        Artifact.objects.create(
            attempt=attempt, path=f"file-{index}", size=1, sha256="0" * 64
        )
        Decision.objects.create(
            trial=trial, attempt=attempt, policy="bandit", n=1, rivals=0, stop=False
        )
        Event.objects.create(team=team, sweep=sweep, trial=trial, verb="seen")
    return sweep


def queries(client: Client, url: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)


# What nobody else sees, keys that let people in, and rows that only programs read.
HIDDEN = {"SavedForm", "BrowserSession", "Segment", "ReportVersion", "LogForwarding"}
# What a person has put away says nothing to others.
HIDDEN |= {"DismissedAdvice"}
# Each person's own, and webhooks, which have pages of their own.
HIDDEN |= {"Notification", "NotificationChannel", "NotificationDelivery"}
HIDDEN |= {"ExperimentWatch"}
# How requests that come twice are known.
HIDDEN |= {"IdempotencyKey"}


def test_every_table_has_a_list_that_is_searched_and_filtered(root: Client) -> None:
    fill(1)
    fill_other_tables()
    every = {
        model.__name__ for model in apps.get_app_config("experiments").get_models()
    }
    assert every - {model.__name__ for model in OURS} == HIDDEN
    for model in OURS:
        page = admin.site._registry[model]
        assert page.search_fields and (page.list_filter or model is LoginLimit), model
        assert root.get(changelist(model)).status_code == 200, model
        assert root.get(f"{changelist(model)}?q=7").status_code == 200, model


def test_secrets_of_second_factors_have_no_page() -> None:
    names = {model.__name__ for model in admin.site._registry}
    assert not names & {"Authenticator", "SocialAccount", "SocialApp", "SocialToken"}


def test_a_new_quota_counts_at_once(root: Client) -> None:
    team = factories.team()
    SpaceUsage.objects.create(day=date.today(), team=team, kind="logs", bytes=9)
    url = reverse("admin:experiments_team_change", args=(team.pk,))
    form = {"name": "Physics", "slug": "physics", "quota_bytes": "8"}
    form |= {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0"}
    assert root.post(url, form).status_code == 302
    team.refresh_from_db()
    assert team.quota_bytes == 8 and team.over_quota_since is not None
    verbs = Event.objects.filter(team=team).values_list("verb", flat=True)
    assert {"quota changed", "quota used up"} <= set(verbs)


def fill_other_tables(number: int = 0) -> None:
    """A row of each table that no trial fills, with another team and person."""
    person = factories.user(f"other-{number}")
    team = factories.team(f"Other {number}", **{person.username: "member"})
    sweep = factories.sweep(team, user=person)
    attempt = factories.trial(sweep).current_attempt
    day, end = date.today(), timezone.now()
    SpaceUsage.objects.create(
        day=day, team=team, sweep=sweep, owner=person, kind="logs"
    )
    Orphan.objects.create(kind="code", name=f"{number:064}")
    TrashItem.objects.create(team=team, kind="logs", name="logs", moved_by=person)
    CleanupRule.objects.create(team=team, created_by=person, bytes=number)
    SweepTemplate.objects.create(
        team=team, name=f"t{number}", document={}, created_by=person
    )
    SavedView.objects.create(
        experiment=sweep.experiment, page="trials", name=f"v{number}", owner=person
    )
    SpaceVersion.objects.create(
        sweep=sweep, version=1, document={}, until=number, changed_by=person
    )
    TrialRequest.objects.create(sweep=sweep, requested_by=person)
    Invitation.objects.create(
        team=team, digest=f"{number:064}", created_by=person, expires_at=end
    )
    LoggedModel.objects.create(
        experiment=sweep.experiment, name="model", attempt=attempt
    )
    EnvironmentPart.objects.create(digest=f"{number:064}", value=[])
    LoginLimit.objects.create(key=f"{number:016}")


def test_lists_ask_no_more_for_thirty_rows(root: Client) -> None:
    sweep = fill(1)
    factories.run(sweep.experiment.team, created_by=factories.user("ada"))
    fill_other_tables()
    few = {model: queries(root, changelist(model)) for model in OURS}
    fill(29)
    for index in range(28):
        person = factories.user(f"person-{index}")
        run = factories.run(sweep.experiment.team, created_by=person)
        factories.report(run, [0.1])
        factories.api_token(person)
        other = factories.team(f"Team {index}", **{person.username: "member"})
        factories.worker_token(factories.pool(other, f"pool-{index}"))
        factories.worker(factories.pool(other, f"pool-{index}"), f"host-{index}")
        factories.experiment(other, created_by=person)
        factories.sweep(other, user=person)
        fill_other_tables(index + 1)
    many = {model: queries(root, changelist(model)) for model in OURS}
    assert [model for model in OURS if many[model] > few[model] + 1] == []


@pytest.mark.parametrize("model", READ_ONLY, ids=lambda model: model.__name__)
def test_what_machines_write_is_only_read(root: Client, model: type) -> None:
    fill(1)
    row = model._default_manager.first()  # type: ignore[attr-defined]
    name = f"admin:experiments_{model.__name__.lower()}"
    assert root.get(reverse(f"{name}_add")).status_code == 403
    assert root.post(reverse(f"{name}_delete", args=(row.pk,))).status_code == 403
    assert root.post(reverse(f"{name}_change", args=(row.pk,)), {}).status_code == 403
    assert root.get(reverse(f"{name}_change", args=(row.pk,))).status_code == 200


def test_secrets_are_in_no_page(root: Client) -> None:
    sweep = fill(1)
    secret = factories.worker_token(sweep.pool)
    attempt = Attempt.objects.get()
    token = sweep.pool.tokens.get(prefix=secret[:8])
    page = root.get(f"/admin/experiments/attempt/{attempt.pk}/change/").content.decode()
    assert attempt.runner_token_digest and attempt.runner_token_digest not in page
    page = root.get(f"/admin/experiments/workertoken/{token.pk}/change/").content
    assert token.digest.encode() not in page


def act(client: Client, model: type, action: str, *rows: int, **more: str) -> str:
    data = {"action": action, "_selected_action": list(rows), **more}
    return client.post(changelist(model), data, follow=True).content.decode()


def test_cancelling_stops_sweeps_and_is_logged(root: Client) -> None:
    sweep = fill(1)
    page = act(root, Sweep, "cancel", sweep.pk)
    sweep.refresh_from_db()
    assert sweep.state == "cancelled"
    assert "1 sweeps cancelled" in page
    event = Event.objects.get(verb="sweep cancelled")
    assert event.actor == User.objects.get(username="root")


def test_archiving_leaves_running_sweeps_where_they_are(root: Client) -> None:
    running, ended = fill(0), factories.sweep(factories.team(), state="completed")
    act(root, Sweep, "archive", running.pk, ended.pk)
    running.refresh_from_db()
    ended.refresh_from_db()
    assert running.archived_at is None
    assert ended.archived_at is not None
    assert Event.objects.filter(verb="sweep archived", sweep=ended).count() == 1


def test_deleting_a_sweep_asks_and_counts_what_is_lost(root: Client) -> None:
    sweep = fill(2)
    Sweep.objects.update(state="completed")
    Attempt.objects.filter(trial__number=0).update(log_bytes=1_210)
    page = act(root, Sweep, "delete_with_files", sweep.pk)
    for fact in ("<strong>1</strong> sweeps", "<strong>2</strong> trials"):
        assert fact in page
    assert "<strong>4</strong> metric points" in page
    assert "1.2 kB" in page
    assert Sweep.objects.filter(pk=sweep.pk).exists()


def empty_trash() -> None:
    trash.delete_now(TrashItem.objects.all(), actor=None)
    purge.purge_trash()


def test_a_confirmed_deletion_hides_the_sweep_until_the_job_deletes_it(
    root: Client,
) -> None:
    sweep = fill(1)
    Sweep.objects.update(state="completed")
    page = act(root, Sweep, "delete_with_files", sweep.pk, confirmed="yes")
    assert "1 item, 1 B, moved to the trash." in page
    assert sweep.label not in page
    empty_trash()
    assert not Trial.objects.exists()
    event = Event.objects.get(verb="sweep moved to trash")
    assert event.actor == User.objects.get(username="root")


def test_running_sweeps_are_not_deleted(root: Client) -> None:
    sweep = fill(1)
    page = act(root, Sweep, "delete_with_files", sweep.pk, confirmed="yes")
    assert "not over yet. Cancel first, then move to the trash." in page
    assert Trial.objects.count() == 1


def test_staff_without_the_permission_see_no_such_action(client: Client) -> None:
    sweep = fill(1)
    clerk = factories.user("clerk", is_staff=True)
    client.force_login(clerk)
    response = client.post(
        changelist(Sweep), {"action": "cancel", "_selected_action": [sweep.pk]}
    )
    assert response.status_code == 403
    sweep.refresh_from_db()
    assert sweep.state == "running"


def test_files_of_a_trial_go_and_its_numbers_stay(
    root: Client, settings: Any, tmp_path: Path
) -> None:
    settings.HOME = tmp_path
    fill(1)
    trial = Trial.objects.get()
    attempt = Attempt.objects.get()
    storage.append_log(attempt.pk, b"hello")
    Attempt.objects.update(log_bytes=5)
    assert "6 B" in act(root, Trial, "delete_files", trial.pk)
    page = act(root, Trial, "delete_files", trial.pk, confirmed="yes")
    assert "2 items, 6 B, moved to the trash." in page
    empty_trash()
    trial.refresh_from_db()
    assert trial.outputs_removed_at is not None
    assert storage.read_log(attempt.pk) == b""
    assert not Artifact.objects.exists()
    assert factories.point_count() == 2
    assert Event.objects.filter(verb="trash deleted").count() == 2


def test_files_of_a_live_trial_stay(root: Client) -> None:
    sweep = fill(0)
    trial = factories.reported_trial(sweep, [0.5])
    page = act(root, Trial, "delete_files", trial.pk, confirmed="yes")
    assert "not over yet" in page
    trial.refresh_from_db()
    assert trial.outputs_removed_at is None


def test_hostile_names_are_text(root: Client) -> None:
    sweep = fill(1)
    Sweep.objects.update(state="completed", name="<script>alert(1)</script>")
    sweep.experiment.slug = "<b>x</b>"
    sweep.experiment.save()
    for page in (
        root.get(changelist(Sweep)).content.decode(),
        act(root, Sweep, "delete_with_files", sweep.pk),
    ):
        assert "<script>alert" not in page
        assert "<b>x</b>" not in page


def test_the_administration_has_no_login_form_of_its_own(client: Client) -> None:
    response = client.get("/admin/", follow=True)
    assert response.redirect_chain[-1][0].startswith("/login/?next=/admin/")
    client.force_login(factories.user("ada"))
    assert client.get("/admin/", follow=True).status_code == 403


def test_the_queues_pages_are_for_staff_only(client: Client) -> None:
    response = client.get("/django-rq/", follow=True)
    assert response.redirect_chain[-1][0] == "/login/?next=/django-rq/"
    client.force_login(factories.user("ada"))
    assert client.get("/django-rq/", follow=True).status_code == 403


@pytest.mark.parametrize(
    ("model", "field"),
    [
        *(("team", "name"), ("experiment", "name")),
        *(("pool", "python"), ("user", "last_name")),
    ],
)
def test_characters_that_nobody_sees_are_refused(
    root: Client, model: str, field: str
) -> None:
    sweep = fill(0)
    experiment = sweep.experiment
    rows = {"team": experiment.team, "experiment": experiment, "pool": sweep.pool}
    row = rows.get(model) or factories.user("ada")
    page = reverse(f"admin:experiments_{model}_change", args=(row.pk,))
    answer = root.post(page, {field: "Eve\u202ecod.exe"})
    assert r"Eve\u202ecod.exe has the character \u202e" in answer.content.decode()


MANAGEMENT = {"TOTAL_FORMS": 0, "INITIAL_FORMS": 0}
LOST_ACCESS = ("demoted", "moved", "removed", "one of many", "inactive", "deleted")


@pytest.mark.parametrize("how", LOST_ACCESS)
def test_who_loses_access_loses_the_tokens_of_their_runs(
    root: Client, how: str
) -> None:
    team = factories.team("Physics", ada="member", max="member")
    ada, of_max = factories.user("ada"), factories.user("max")
    own, other = (factories.run(team, created_by=who) for who in (ada, of_max))
    member = Membership.objects.get(user=ada)
    fields = {"user": ada.pk, "team": team.pk, "role": "member"}
    if how in ("demoted", "moved"):
        to = (
            {"role": "viewer"} if how == "demoted" else {"user": factories.user("x").pk}
        )
        url = reverse("admin:experiments_membership_change", args=(member.pk,))
        assert root.post(url, {**fields, **to}).status_code == 302
    elif how == "removed":
        url = reverse("admin:experiments_membership_delete", args=(member.pk,))
        assert root.post(url, {"post": "yes"}).status_code == 302
    elif how == "inactive":
        url = reverse("admin:experiments_user_change", args=(ada.pk,))
        form = {f"memberships-{k}": v for k, v in MANAGEMENT.items()}
        joined = {"date_joined_0": "2026-01-01", "date_joined_1": "10:00"}
        answer = root.post(url, {"username": "ada", **joined, **form})
        assert answer.status_code == 302, answer.context["errors"]
    else:
        model, pk = (User, ada.pk) if how == "deleted" else (Membership, member.pk)
        act(root, model, "delete_selected", pk, post="yes")
    left = Attempt.objects.exclude(trial_token_digest="").values_list(
        "trial", flat=True
    )
    assert [*left] == [other.pk] and own.pk != other.pk
