"""Recorded values say when a share of the best value is no measure of anything."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from experiments.models import Sweep, Trial
from experiments.search.records import Objective
from experiments.sweeps.warnings import own_slack_warning, slack_warnings
from tests import factories
from tests.pages.builder.builder_forms import X, form, member, page, preview

pytestmark = pytest.mark.django_db
BANDIT: dict[str, Any] = {"type": "bandit", "slack_factor": 0.1}
LOSS = Objective("loss", "minimize")
NEAR_ZERO = (0.0001, 0.3, 0.5, 0.9)
USUAL = (10.0, 10.5, 11.0, 12.0)


def sweep_of(values: tuple[float, ...], policy: dict[str, Any] | None = None) -> Sweep:
    document = factories.definition_document(
        objective={"primary_metric": "loss", "goal": "minimize"},
        early_termination=policy,
    )
    made = factories.sweep(factories.team("Physics"), document=document)
    for value in values:
        factories.trial(made, state="completed", value=value)
    return made


def test_values_near_zero_or_below_speak_against_a_factor() -> None:
    near = slack_warnings(BANDIT, LOSS, sweep_of(NEAR_ZERO).trials.all())
    assert [warning.path for warning in near] == ["early_termination.slack_factor"]
    assert "slack_amount" in near[0].message
    negative = slack_warnings(BANDIT, LOSS, sweep_of((-5.0, -4.5, -4.0)).trials.all())
    assert "negative" in negative[0].message
    assert not slack_warnings(BANDIT, LOSS, sweep_of(USUAL).trials.all())


def test_a_factor_inside_a_combination_is_doubted_in_its_field() -> None:
    inside = {"type": "any_of", "policies": [{"type": "asha"}, BANDIT]}
    warnings = slack_warnings(inside, LOSS, sweep_of(NEAR_ZERO).trials.all())
    assert [warning.path for warning in warnings] == ["early_termination.policies"]


@pytest.mark.parametrize(
    "settings",
    [
        None,
        "bandit",
        7,
        {"type": "bandit"},
        {"type": "bandit", "slack_amount": 0.1},
        {"type": "median_stopping"},
    ],
)
def test_without_a_factor_nothing_is_asked(
    settings: object, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(0):
        assert not slack_warnings(settings, LOSS, Trial.objects.all())


def test_values_of_another_metric_or_of_failed_trials_say_nothing() -> None:
    sweep_of(NEAR_ZERO)
    other = Objective("loss", "maximize")
    assert not slack_warnings(BANDIT, other, Trial.objects.all())
    Trial.objects.update(state="failed")
    assert not slack_warnings(BANDIT, LOSS, Trial.objects.all())


def warnings(client: Client, **texts: str) -> list[str]:
    bandit = {"policy": "bandit", "slack_factor": "0.1"}
    loss = {"primary_metric": "loss", "goal": "minimize"}
    fields = form([X], **{**bandit, **loss, **texts})
    found = preview(client, fields)["warnings"]
    return [each["message"] for each in found if each["field"] == "slack_factor"]


def test_the_form_warns_by_the_values_of_the_same_experiment(client: Client) -> None:
    member(client)
    sweep_of(NEAR_ZERO)
    assert "almost every trial would end" in warnings(client)[0]
    assert not warnings(client, experiment_name="new")
    assert not warnings(client, policy="median_stopping")
    assert not warnings(client, goal="no goal")


def test_another_teams_values_stay_with_it(client: Client) -> None:
    member(client)
    made = sweep_of(NEAR_ZERO)
    other = factories.team("Chemistry")
    type(made.experiment).objects.filter(pk=made.experiment_id).update(team=other)
    assert not warnings(client)


def test_a_copy_into_another_experiment_warns_by_the_sweep_it_is_of(
    client: Client,
) -> None:
    member(client)
    source = sweep_of(NEAR_ZERO, BANDIT)
    other = factories.experiment(factories.team("Physics"), "elsewhere")
    html = page(client.get(f"/sweeps/new/?clone={source.pk}&experiment={other.pk}"))
    assert "almost every trial would end" in html


def test_a_running_sweep_suggests_other_settings(client: Client) -> None:
    member(client)
    made = sweep_of(NEAR_ZERO, BANDIT)
    assert "almost every trial would end" in own_slack_warning(made)
    html = page(client.get(made.get_absolute_url()))
    assert "almost every trial would end" in html
    assert f'href="/sweeps/{made.pk}/simulator/"' in html
    Sweep.objects.filter(pk=made.pk).update(state="completed")
    html = page(client.get(made.get_absolute_url()))
    assert "almost every trial would end" not in html


def test_the_form_asks_once_however_many_values_there_are(
    client: Client, django_assert_num_queries: Any
) -> None:
    member(client)
    made = sweep_of(NEAR_ZERO)
    texts = {"primary_metric": "loss", "goal": "minimize", "policy": "bandit"}
    amount = form([X], **texts, slack_amount="0.1")
    factor = form([X], **texts, slack_factor="0.1")
    with CaptureQueriesContext(connection) as usual:
        preview(client, amount)
    for _ in range(2):
        with django_assert_num_queries(len(usual) + 1):
            preview(client, factor)
        for value in NEAR_ZERO:
            factories.trial(made, state="completed", value=value)
