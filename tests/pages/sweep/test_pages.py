"""A sweep's four pages: who sees them, what they say, and what hostile text does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client

from experiments import storage
from experiments.models import Artifact, Event, Sweep
from tests import factories
from tests.pages.clients import client_of, sweep_page

pytestmark = pytest.mark.django_db
HOSTILE = '<script>alert("x")</script>'
PAGES = ("", "trials/", "settings/", "events/", "feed.json", "document.yaml")


@pytest.fixture(autouse=True)
def own_files(settings: Any, tmp_path: Path) -> None:
    """Logs are files named by an attempt's number, which every test counts anew."""
    settings.HOME = tmp_path


@pytest.fixture
def sweep() -> Sweep:
    team = factories.team(ada="member", vic="viewer")
    return factories.sweep(team, user=factories.user("ada"))


def test_members_and_viewers_see_every_page(sweep: Sweep) -> None:
    factories.trial(sweep, state="completed", value=0.5)
    for user in ("ada", "vic"):
        for path in PAGES:
            answer = client_of(user).get(f"/sweeps/{sweep.pk}/{path}")
            assert answer.status_code == 200, (user, path)


def test_for_other_teams_there_is_no_such_sweep(sweep: Sweep) -> None:
    factories.team("Biology", eve="admin")
    for path in (*PAGES, "cancel/"):
        answer = client_of("eve").get(f"/sweeps/{sweep.pk}/{path}")
        assert answer.status_code == 404, path


def test_a_visitor_is_sent_to_the_login_page(sweep: Sweep) -> None:
    for path in PAGES:
        answer = Client().get(f"/sweeps/{sweep.pk}/{path}")
        assert answer.status_code == 302, path
        assert answer["Location"].startswith("/login/")


def test_viewers_get_no_buttons_that_change_anything(sweep: Sweep) -> None:
    text = sweep_page(sweep, user="vic")
    for word in ("Pause", "Cancel sweep", "Clone with changes"):
        assert word not in text
        assert word in sweep_page(sweep)
    assert "Set limits" not in sweep_page(sweep, "settings/", user="vic")


def test_the_facts_line_says_what_is_searched_and_how(sweep: Sweep) -> None:
    text = re.sub(r"<[^>]+>", "", sweep_page(sweep))
    for fact in ("maximize accuracy", "random sampler", "no early termination"):
        assert fact in text
    assert "pool default, 2 at a time" in text
    assert "by ada" in text


def test_a_draft_can_be_edited_and_started(sweep: Sweep) -> None:
    draft = factories.sweep(sweep.experiment.team, state="draft")
    text = sweep_page(draft)
    assert f"/sweeps/{draft.pk}/edit/" in text
    assert f"/sweeps/{draft.pk}/start/" in text
    assert "data-chart=" not in text


def test_the_best_trial_is_marked_and_pinned(sweep: Sweep) -> None:
    best = factories.trial(sweep, state="completed", value=0.9)
    factories.trial(sweep, state="completed", value=0.5)
    rows = re.findall(r'<tr data-row="(\d+)".*?( class="is-best")?>', sweep_page(sweep))
    assert rows[0] == (str(best.pk), ' class="is-best"')
    assert rows[1][1] == ""


def test_the_link_to_all_trials_shows_once_rows_are_left_out(sweep: Sweep) -> None:
    for count in (1, 10):
        for _ in range(count):
            factories.trial(sweep, state="completed", value=0.5)
        link = re.search(
            r'<a class="show-all" data-show-all([^>]*)>', sweep_page(sweep)
        )
        assert link is not None
        assert ("hidden" in link[1]) == (count == 1)


def test_charts_get_the_trials_with_their_curves(sweep: Sweep) -> None:
    factories.reported_trial(sweep, [0.5, 0.75])
    found = re.search(
        r'<script id="sweep-model" type="application/json">(.*?)</script>',
        sweep_page(sweep),
    )
    assert found is not None
    model = json.loads(found[1])
    assert model["objective"] == {"metric": "accuracy", "goal": "maximize"}
    assert [point[:2] for point in model["trials"][0]["curve"]] == [[1, 0.5], [2, 0.75]]
    assert model["space"] == [
        {
            "name": "x",
            "kind": "number",
            "log": False,
            "low": 0.0,
            "high": 1.0,
            "values": [],
        }
    ]


def test_of_many_trials_the_newest_are_drawn_and_the_page_says_so(
    sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.pages.sweep.charts.MAX_TRIALS", 3)
    for value in (0.1, 0.9, 0.2, 0.3, 0.4, 0.5):
        factories.trial(sweep, state="completed", value=value)
    text = sweep_page(sweep)
    assert "The newest 3 of 6 trials" in text
    model = json.loads(re.search(r'sweep-model"[^>]*>(.*?)</script>', text)[1])
    assert sorted(row["number"] for row in model["trials"]) == [0, 1, 3, 4, 5]


def test_a_page_costs_the_same_however_many_trials_there_are(
    sweep: Sweep, django_assert_max_num_queries: Any
) -> None:
    client, costs = client_of("ada"), []
    for _ in range(3):
        for _ in range(10):
            factories.reported_trial(sweep, [0.5, 0.6], state="completed")
        for path in ("", "trials/"):
            with django_assert_max_num_queries(45) as queries:
                client.get(f"/sweeps/{sweep.pk}/{path}")
            costs.append(len(queries))
    # The first time, some parts come into this process's caches.
    assert costs[2:4] == costs[4:]


def test_hostile_names_values_and_messages_stay_text() -> None:
    team = factories.team(ada="member")
    document = factories.definition_document(
        display_name=HOSTILE,
        description=HOSTILE,
        trial={"command": "python train.py"},
        search_space={"x": {"type": "choice", "values": [HOSTILE, "b"]}},
        objective={"primary_metric": HOSTILE, "goal": "maximize"},
    )
    sweep = factories.sweep(team, document=document)
    params = {"x": HOSTILE}
    factories.trial(sweep, state="completed", value=0.5, params=params)
    failed = factories.trial(
        sweep, state="failed", params=params, reason="exit_code", message=HOSTILE
    )
    storage.append_log(failed.current_attempt_id or 0, HOSTILE.encode())
    Event.objects.create(sweep=sweep, team=team, verb=HOSTILE, message=HOSTILE)
    for state in ("running", "completed"):
        Sweep.objects.filter(pk=sweep.pk).update(state=state)
        for path in ("", "trials/", "settings/", "events/"):
            assert "<script>alert" not in sweep_page(sweep, path), (state, path)
    Sweep.objects.filter(pk=sweep.pk).update(state="failed")
    assert "<script>alert" not in sweep_page(sweep)


def failed_sweep(**fields: object) -> Sweep:
    team = factories.team(ada="member")
    sweep = factories.sweep(team, **fields)
    for _ in range(3):
        trial = factories.trial(
            sweep, state="failed", reason="exit_code", message="Exit code 1"
        )
        trial.attempts.update(exit_code=1)
        log = b"Traceback\n  File 'train.py'\n\x1b[31mMemoryError: no room\x1b[0m\n"
        storage.append_log(trial.current_attempt_id or 0, log)
    return sweep


def test_a_failed_sweep_shows_why_instead_of_answers() -> None:
    sweep = failed_sweep(
        state="failed", reason="first_trials_failed", max_total_trials=60
    )
    text = sweep_page(sweep)
    assert "The first 3 of 60 trials failed, so the sweep was stopped." in text
    assert "All 3 ended the same way: exit code 1" in text
    assert "MemoryError: no room" in text
    assert "57 trials were not started." in text
    assert "let fewer trials share" in text
    assert "tiles-sweep" not in text


def test_a_pause_after_failures_shows_the_failure_beside_the_answers() -> None:
    sweep = failed_sweep(state="paused", reason="max_failed_trials")
    Sweep.objects.filter(pk=sweep.pk).update(max_failed_trials=3)
    factories.trial(sweep, state="completed", value=0.5)
    text = sweep_page(sweep)
    assert "The sweep was paused after 3 failed trials." in text
    assert "tiles-sweep" in text
    assert "Resume" in text


def test_a_metric_that_was_never_reported_is_named_in_the_advice() -> None:
    team = factories.team(ada="member")
    sweep = factories.sweep(team, state="failed", reason="all_failed")
    factories.trial(sweep, state="failed", reason="no_metric", message="No metric.")
    text = sweep_page(sweep)
    assert "it ended without reporting <strong>accuracy</strong>" in text
    assert "call sweepsite_client.log(step=step, accuracy=value)" in text


def test_a_finished_sweep_gives_the_best_configuration_ready_to_use() -> None:
    team = factories.team(ada="member")
    sweep = factories.sweep(team, state="completed", reason="max_total_trials")
    best = factories.trial(
        sweep, state="completed", value=0.9, params={"x": 0.1234567890123}
    )
    Artifact.objects.create(
        attempt=best.current_attempt, path="model.npz", size=84_000, sha256="0" * 64
    )
    text = sweep_page(sweep)
    assert "python train.py --x 0.1234567890123" in text
    assert '&quot;x&quot;: <span class="value">0.1234567890123</span>,' in text
    assert "x: 0.1234567890123" in text
    assert "model.npz" in text
    assert "84 kB" in text


def test_a_running_sweep_has_no_best_configuration_yet(sweep: Sweep) -> None:
    factories.trial(sweep, state="completed", value=0.9)
    assert "The best configuration" not in sweep_page(sweep)


def test_the_document_is_exported_as_it_would_be_submitted(sweep: Sweep) -> None:
    client = client_of("ada")
    answer = client.get(f"/sweeps/{sweep.pk}/document.yaml")
    assert answer["Content-Disposition"] == 'attachment; filename="digits-1.yaml"'
    as_yaml = yaml.safe_load(answer.content)
    assert as_yaml["objective"]["primary_metric"] == "accuracy"
    assert client.get(f"/sweeps/{sweep.pk}/document.json").json() == as_yaml
    assert client.get(f"/sweeps/{sweep.pk}/document.xml").status_code == 404


def test_events_tell_who_did_what(sweep: Sweep) -> None:
    client_of("ada").post(f"/sweeps/{sweep.pk}/pause/")
    text = sweep_page(sweep, "events/")
    assert "sweep paused" in text
    assert "sweep created" in text
    assert "ada" in text


def test_values_of_failed_trials_are_not_denied() -> None:
    sweep = failed_sweep(state="failed", reason="all_failed")
    sweep.trials.filter(number__lt=2).update(value=0.5)
    text = sweep_page(sweep)
    assert "None reported accuracy" not in text
    assert "2 reported accuracy before failing; a failed trial is never the" in text


def test_what_a_failed_sweep_cut_off_is_no_best_configuration() -> None:
    sweep = failed_sweep(state="failed", reason="first_trials_failed")
    factories.trial(sweep, state="cancelled", reason="first_trials_failed", value=0.9)
    text = sweep_page(sweep)
    assert "ready to use" not in text
    assert "data-compare-best hidden" in text
    assert "1 trial had reported accuracy when the sweep was stopped" in text


def test_trials_that_all_ran_out_of_time_are_told_of_instead_of_answers() -> None:
    sweep = factories.sweep(
        factories.team(ada="member"), state="completed", reason="max_total_trials"
    )
    Sweep.objects.filter(pk=sweep.pk).update(trial_timeout=5)
    for _ in range(3):
        factories.trial(sweep, state="cancelled", reason="trial_timeout")
    text = sweep_page(sweep)
    assert "All 3 trials ran out of their time of 5 s before they reported" in text
    assert "Ran out of its time of 5 s" in text
    assert "tiles-sweep" not in text


def test_a_sweep_that_ended_without_a_value_says_so() -> None:
    sweep = factories.sweep(factories.team(ada="member"), state="cancelled")
    factories.trial(sweep, state="cancelled", reason="user")
    assert "No best trial" in sweep_page(sweep)


def test_a_sweep_without_a_creator_is_of_the_command_line() -> None:
    sweep = factories.sweep(factories.team("Physics", ada="member"))
    assert "from the command line" in sweep_page(sweep)
    for url in ("/", sweep.experiment.get_absolute_url(), "/experiments/"):
        text = client_of("ada").get(url).content.decode()
        assert "command line" in text
