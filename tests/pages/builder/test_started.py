"""The form of a sweep that has started: what can change, and from when."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from experiments.models import Event, SavedForm, Sweep, Team
from experiments.sweeps import editing
from experiments.sweeps.creation import sweep_document
from tests import factories
from tests.pages.builder.builder_forms import page
from tests.pages.clients import client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def sweep(physics: Team) -> Sweep:
    made = factories.sweep(physics)
    for x in (0.1, 0.2, 0.7):
        factories.trial(made, params={"x": x}, state="completed", value=x)
    return made


def address(sweep: Sweep) -> str:
    return reverse("sweep_edit", args=(sweep.pk,))


def entries(answer: Any, **texts: str) -> dict[str, str]:
    """What a browser sends from the page: nothing of disabled fields."""
    form = answer.context["form"]
    disabled = {name for name, field in form.fields.items() if field.disabled}
    sent = {name: text for name, text in form.data.items() if name not in disabled}
    found = {
        name: unescape(re.search(rf'name="{name}" value="([^"]*)"', page(answer))[1])
        for name in ("sweep_version", "form_token", "saved_version", "checked_changes")
        if f'name="{name}" value="' in page(answer)
    }
    return {**sent, "team": "physics", **found, "do": "save", **texts}


def save(client: Client, sweep: Sweep, sent: dict[str, str]) -> Any:
    answer = client.post(address(sweep), sent)
    sweep.refresh_from_db()
    return answer


def change(client: Client, sweep: Sweep, **texts: str) -> Any:
    """Open the form, enter the texts, look at the difference and save it."""
    shown = save(client, sweep, entries(client.get(address(sweep)), **texts))
    return save(client, sweep, entries(shown)) if shown.status_code == 200 else shown


def test_only_what_can_change_is_enabled_and_each_says_what_it_means(
    ada: Client, sweep: Sweep
) -> None:
    answer = ada.get(address(sweep))
    fields = answer.context["form"].fields
    enabled = {name for name, field in fields.items() if not field.disabled}
    locked = {"command", "goal", "sampler", "seed", "compute", "max_attempts", "extra"}
    assert not locked & enabled
    assert enabled >= {"max_total_trials", "policy", "tags", "priority", "min_rivals"}
    text = unescape(page(answer))
    assert "Applies from trial 3 on. Trials that exist keep their values." in text
    assert "Applies from the next report on." in text
    assert text.count("Cannot change any more") == 3
    assert "From the next start on; running trials finish." in text
    assert text.count('<fieldset class="builder-parts stack" disabled>') == 2


def test_the_difference_is_shown_before_it_is_saved(ada: Client, sweep: Sweep) -> None:
    before = sweep_document(sweep)
    first = ada.get(address(sweep))
    texts = {"max_total_trials": "9", "tags": "a=b", "row-0-low": "0.5"}
    shown = save(ada, sweep, entries(first, **texts, display_name="two"))
    assert shown.status_code == 200 and sweep_document(sweep) == before
    text = unescape(page(shown))
    assert "Save these changes?" in text
    for line in ("limits.max_total_trials: 4 → 9", "display_name", "tags.a"):
        assert line in text
    assert "x: uniform 0 to 1 → uniform 0.5 to 1" in text
    assert "3 existing trials keep their values." in text
    # Another text than the one that was shown is shown first.
    other = entries(shown, max_total_trials="8")
    shown = save(ada, sweep, other)
    assert "Save these changes?" in page(shown)
    assert save(ada, sweep, entries(shown)).status_code == 302
    assert (sweep.max_total_trials, sweep.name, sweep.tags) == (8, "two", {"a": "b"})
    assert (sweep.space_version, sweep.state) == (2, "running")
    event = Event.objects.filter(sweep=sweep, verb="sweep changed").get()
    assert "New search space from trial 3 on" in event.message


def test_early_termination_and_limits_change_both_ways(
    ada: Client, sweep: Sweep
) -> None:
    texts = {"policy": "median_stopping", "timeout": "2 h", "priority": "5"}
    assert change(ada, sweep, **texts).status_code == 302
    assert sweep.early_termination["type"] == "median_stopping"
    assert (sweep.timeout, sweep.priority) == (7200, 5)
    texts = {"policy": "none", "timeout": "", "priority": ""}
    assert change(ada, sweep, **texts).status_code == 302
    assert (sweep.early_termination, sweep.timeout, sweep.priority) == (None, None, 0)


def test_fields_that_cannot_change_stay_whatever_is_sent(
    ada: Client, sweep: Sweep
) -> None:
    before = sweep_document(sweep)
    sent = {"command": "rm -rf /", "primary_metric": "loss", "seed": "9", "extra": "{}"}
    answer = change(ada, sweep, **sent, compute="other", sampler="grid")
    assert answer.url == sweep.get_absolute_url()
    assert sweep_document(sweep) == before
    assert not Event.objects.filter(verb="sweep changed").exists()


def test_a_change_by_another_person_is_a_conflict_that_loses_nothing(
    ada: Client, sweep: Sweep
) -> None:
    first = ada.get(address(sweep))
    factories.team(ben="member")
    ben = factories.user("ben")
    editing.change_sweep(sweep, {"limits": {"max_total_trials": 7}}, actor=ben)
    mine = entries(first, max_concurrent_trials="3", description="mine")
    answer = save(ada, sweep, mine)
    text = unescape(page(answer))
    assert answer.status_code == 409
    assert "The last change, by ben: max_total_trials: 4 → 7." in text
    assert "The sweep was changed meanwhile." in text
    assert 'value="3"' in text and "mine" in text
    assert (sweep.max_total_trials, sweep.max_concurrent_trials) == (7, 2)
    # After a reload the entries are still those of the earlier version.
    assert SavedForm.objects.get().key == f"started:{sweep.pk}"
    again = entries(ada.get(address(sweep)), sweep_version=mine["sweep_version"])
    assert save(ada, sweep, again).status_code == 409
    kept = save(ada, sweep, entries(answer, max_total_trials="7"))
    assert "limits.max_total_trials" not in page(kept).partition("builder-form")[0]
    assert save(ada, sweep, entries(kept)).status_code == 302
    assert (sweep.max_total_trials, sweep.max_concurrent_trials) == (7, 3)
    assert not SavedForm.objects.exists()


def test_what_is_wrong_is_said_and_nothing_is_saved(ada: Client, sweep: Sweep) -> None:
    texts = {"max_total_trials": "many", "row-0-low": "2"}
    answer = change(ada, sweep, **texts)
    assert answer.status_code == 422
    named = {problem.field for problem in answer.context["problems"]}
    assert "max_total_trials" in named and any("row-0" in name for name in named)
    assert 'value="many"' in page(answer)


def test_yaml_that_changes_another_field_is_refused(ada: Client, sweep: Sweep) -> None:
    first = ada.get(address(sweep))
    yaml = ada.post(address(sweep), entries(first, do="yaml")).context["page"].yaml
    sent = entries(first, yaml_mode="1", do="apply-yaml")
    wrong = yaml.replace("maximize", "minimize")
    answer = ada.post(address(sweep), {**sent, "yaml": wrong})
    found = answer.context["page"].yaml_problems
    assert [(each.path, each.message) for each in found] == [
        ("objective.goal", "Cannot change any more; it is maximize.")
    ]
    more = yaml.replace("max_total_trials: 4", "max_total_trials: 6")
    answer = ada.post(address(sweep), {**sent, "yaml": more})
    assert "limits.max_total_trials: 4 → 6" in page(answer)


def test_the_difference_while_somebody_types(ada: Client, sweep: Sweep) -> None:
    sent = entries(ada.get(address(sweep)), max_total_trials="6")
    url = reverse("sweep_edit_preview", args=(sweep.pk,))
    answer = ada.post(url, sent).json()
    assert "limits.max_total_trials: 4 → 6" in answer["changes"]
    assert answer["problems"] == []
    assert client_of("victor").post(url, sent).status_code == 403


def test_an_ended_sweep_says_what_can_be_done_instead(
    ada: Client, sweep: Sweep
) -> None:
    sent = entries(ada.get(address(sweep)), max_total_trials="6", description="kept")
    Sweep.objects.update(state="cancelled")
    text = page(ada.get(address(sweep)))
    assert f"?clone={sweep.pk}" in text
    assert reverse("sweep_extend", args=(sweep.pk,)) in text
    shown = save(ada, sweep, sent)
    answer = save(ada, sweep, entries(shown))
    assert answer.status_code == 422
    assert "The sweep is cancelled; only" in page(answer) and "kept" in page(answer)
    assert sweep.max_total_trials == 4


def test_the_sweep_s_pages_lead_to_the_form(ada: Client, sweep: Sweep) -> None:
    for part in ("", "settings/"):
        text = page(ada.get(f"{sweep.get_absolute_url()}{part}"))
        assert f'href="{address(sweep)}' in text
    seen = page(client_of("victor").get(sweep.get_absolute_url()))
    assert address(sweep) not in seen
