"""What people do to a sweep from its page."""

from __future__ import annotations

import pytest
from django.test import Client

from experiments.models import Event, Sweep
from tests import factories

pytestmark = pytest.mark.django_db
ACTIONS = ("start", "pause", "resume", "cancel", "archive")


@pytest.fixture
def sweep() -> Sweep:
    return factories.sweep(factories.team(ada="member", vic="viewer"))


def client_of(name: str, **options: object) -> Client:
    client = Client(**options)
    client.force_login(factories.user(name))
    return client


def act(sweep: Sweep, verb: str, *, user: str = "ada") -> int:
    answer = client_of(user).post(f"/sweeps/{sweep.pk}/{verb}/")
    sweep.refresh_from_db()
    return answer.status_code


def test_a_sweep_is_paused_resumed_and_cancelled(sweep: Sweep) -> None:
    for verb, state in (
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "running"),
        ("cancel", "cancelled"),
    ):
        assert act(sweep, verb) == 302
        assert sweep.state == state


def test_a_draft_is_started(sweep: Sweep) -> None:
    draft = factories.sweep(sweep.experiment.team, state="draft")
    assert act(draft, "start") == 302
    assert draft.state == "running"


def test_what_is_not_possible_is_said_and_changes_nothing(sweep: Sweep) -> None:
    act(sweep, "cancel")
    client = client_of("ada")
    answer = client.post(f"/sweeps/{sweep.pk}/resume/", follow=True)
    assert "only a paused sweep can be resumed" in answer.content.decode()
    sweep.refresh_from_db()
    assert sweep.state == "cancelled"


def test_viewers_may_do_none_of_it(sweep: Sweep) -> None:
    for verb in ACTIONS:
        assert act(sweep, verb, user="vic") == 403
    assert client_of("vic").post(f"/sweeps/{sweep.pk}/settings/").status_code == 403
    assert sweep.state == "running"


def test_strangers_find_nothing_to_do_it_to(sweep: Sweep) -> None:
    factories.team("Biology", eve="admin")
    for verb in ACTIONS:
        assert act(sweep, verb, user="eve") == 404


def test_a_post_without_its_token_is_refused(sweep: Sweep) -> None:
    client = client_of("ada", enforce_csrf_checks=True)
    for verb in ACTIONS:
        assert client.post(f"/sweeps/{sweep.pk}/{verb}/").status_code == 403


def test_a_get_changes_nothing_and_cancel_asks_first(sweep: Sweep) -> None:
    factories.claim(factories.trial(sweep))
    client = client_of("ada")
    assert client.get(f"/sweeps/{sweep.pk}/pause/").status_code == 302
    text = client.get(f"/sweeps/{sweep.pk}/cancel/").content.decode()
    assert "1 running trial stops, 3 trials are not started; results are kept" in text
    assert client.get(f"/sweeps/{sweep.pk}/explode/").status_code == 404
    sweep.refresh_from_db()
    assert sweep.state == "running"


def test_an_archived_sweep_can_be_brought_back(sweep: Sweep) -> None:
    act(sweep, "archive")
    assert sweep.archived_at is not None
    act(sweep, "archive")
    assert sweep.archived_at is None
    verbs = Event.objects.filter(sweep=sweep).values_list("verb", flat=True)
    assert {"sweep archived", "sweep restored"} <= set(verbs)


def limits(**changes: object) -> dict[str, object]:
    return {"max_total_trials": 4, "max_concurrent_trials": 2, **changes}


def test_members_change_limits_while_it_lives(sweep: Sweep) -> None:
    client = client_of("ada")
    answer = client.post(
        f"/sweeps/{sweep.pk}/settings/", limits(max_total_trials=9, timeout=90)
    )
    assert answer.status_code == 302
    sweep.refresh_from_db()
    assert (sweep.max_total_trials, sweep.timeout) == (9, 90)
    client.post(f"/sweeps/{sweep.pk}/settings/", limits(max_total_trials=9))
    sweep.refresh_from_db()
    assert sweep.timeout is None


def test_a_wrong_limit_is_said_at_its_field_and_nothing_is_kept(sweep: Sweep) -> None:
    answer = client_of("ada").post(
        f"/sweeps/{sweep.pk}/settings/", limits(max_total_trials=0, timeout=5)
    )
    assert answer.status_code == 422
    assert "greater than or equal to 1" in answer.content.decode()
    sweep.refresh_from_db()
    assert (sweep.max_total_trials, sweep.timeout) == (4, None)


def test_an_ended_sweep_keeps_its_limits(sweep: Sweep) -> None:
    act(sweep, "cancel")
    client = client_of("ada")
    assert (
        "Set limits" not in client.get(f"/sweeps/{sweep.pk}/settings/").content.decode()
    )
    answer = client.post(f"/sweeps/{sweep.pk}/settings/", limits(max_total_trials=9))
    assert answer.status_code == 422
    sweep.refresh_from_db()
    assert sweep.max_total_trials == 4
