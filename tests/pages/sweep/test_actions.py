"""What people do to a sweep from its page."""

from __future__ import annotations

import pytest
from django.utils.html import escape

from experiments.models import Event, Sweep
from experiments.pages.form_fields import write_duration
from experiments.pages.sweep.forms import LimitsForm
from tests import factories
from tests.pages.clients import client_of

pytestmark = pytest.mark.django_db
ACTIONS = ("start", "pause", "resume", "cancel", "archive")


@pytest.fixture
def sweep() -> Sweep:
    return factories.sweep(factories.team(ada="member", vic="viewer"))


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


def test_a_get_changes_nothing_and_some_ask_first(sweep: Sweep) -> None:
    factories.claim(factories.trial(sweep))
    client = client_of("ada")
    assert client.get(f"/sweeps/{sweep.pk}/resume/").status_code == 302
    text = client.get(f"/sweeps/{sweep.pk}/pause/").content.decode()
    assert "1 trial runs now" in text and 'value="requeue"' in text
    text = client.get(f"/sweeps/{sweep.pk}/cancel/").content.decode()
    assert "1 running trial stops, 3 trials are not started; results are kept" in text
    assert client.get(f"/sweeps/{sweep.pk}/explode/").status_code == 404
    sweep.refresh_from_db()
    assert sweep.state == "running"


def test_a_sweep_that_still_goes_on_is_not_put_out_of_sight(sweep: Sweep) -> None:
    factories.claim(factories.trial(sweep))
    answer = client_of("ada").post(f"/sweeps/{sweep.pk}/archive/", follow=True)
    assert "is running. Only drafts and ended sweeps" in (answer.content.decode())
    sweep.refresh_from_db()
    assert sweep.archived_at is None
    assert not Event.objects.filter(sweep=sweep, verb="sweep archived").exists()


def test_an_archived_sweep_can_be_brought_back(sweep: Sweep) -> None:
    act(sweep, "cancel")
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
    told = "&quot;0&quot; is not allowed. Enter a whole number from 1 to 100,000."
    assert told in answer.content.decode()
    sweep.refresh_from_db()
    assert (sweep.max_total_trials, sweep.timeout) == (4, None)


@pytest.mark.parametrize(
    ("typed", "seconds"),
    [("90", 90), ("90 s", 90), ("2 h", 7200), ("1 d 4 h", 100_800)],
)
def test_limits_of_time_are_typed_and_shown_in_units(
    sweep: Sweep, typed: str, seconds: float
) -> None:
    client, url = client_of("ada"), f"/sweeps/{sweep.pk}/settings/"
    assert client.post(url, limits(trial_timeout=typed)).status_code == 302
    sweep.refresh_from_db()
    assert sweep.trial_timeout == seconds
    assert f'value="{write_duration(seconds)}"' in client.get(url).content.decode()


@pytest.mark.parametrize(
    "typed",
    ["-5", "soon", "1e9", "9" * 400, "4000 d", "\U0001f600", "<script>", "2 h x"],
)
def test_what_is_no_duration_is_named_and_stays(sweep: Sweep, typed: str) -> None:
    answer = client_of("ada").post(
        f"/sweeps/{sweep.pk}/settings/", limits(timeout=typed)
    )
    text = answer.content.decode()
    assert answer.status_code == 422
    assert f'value="{escape(typed)}"' in text, "what was typed stays"
    assert (
        escape(f'"{typed[:30]}') in text
        and "such as 90, or a number with a unit" in text
    )
    sweep.refresh_from_db()
    assert sweep.timeout is None


@pytest.mark.parametrize("typed", ["-1", "9" * 5000, "1.5", "\U0001f600", "<script>"])
def test_what_is_no_number_is_named_and_stays(sweep: Sweep, typed: str) -> None:
    wrong = {"max_failed_trials": typed, "max_total_trials": ""}
    answer = client_of("ada").post(f"/sweeps/{sweep.pk}/settings/", limits(**wrong))
    text = answer.content.decode()
    assert answer.status_code == 422
    assert escape(f'"{typed[:30]}') in text and f'value="{escape(typed)}"' in text
    assert text.count("Enter a whole number from 1 to 100,000.") == 2


def test_the_same_time_in_other_words_is_no_change(sweep: Sweep) -> None:
    Sweep.objects.filter(pk=sweep.pk).update(timeout=5400)
    url = f"/sweeps/{sweep.pk}/settings/"
    client_of("ada").post(url, limits(timeout="90 m"))
    assert not Event.objects.filter(sweep=sweep, verb="sweep changed").exists()
    client_of("ada").post(url, limits(timeout="2 h"))
    event = Event.objects.get(sweep=sweep, verb="sweep changed")
    assert event.message == "timeout: 1 h 30 m → 2 h."


@pytest.mark.parametrize("seconds", [246.00000000000003, 245.99999999999997, 0.1 + 0.2])
def test_an_unchanged_form_changes_no_limit(sweep: Sweep, seconds: float) -> None:
    Sweep.objects.filter(pk=sweep.pk).update(timeout=seconds, trial_timeout=seconds)
    sweep.refresh_from_db()
    shown = LimitsForm(sweep)
    sent = {name: shown[name].value() for name in shown.fields}
    form = LimitsForm(sweep, {k: v for k, v in sent.items() if v is not None})
    assert form.is_valid() and form.changed() == []
    form = LimitsForm(sweep, {**form.data, "max_total_trials": 9})
    assert form.is_valid() and form.changed() == ["max_total_trials"]


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
