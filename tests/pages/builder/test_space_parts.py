"""Conditions, constraints and nested choices, as the pages count and show them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import strip_tags

from experiments.models import Sweep
from experiments.pages.builder.filling import form_of
from experiments.pages.builder.preview import Preview, preview_of
from experiments.pages.builder.space.paste import read_pasted
from experiments.pages.compare.comparison import Comparison
from experiments.pages.compare.lead import lead_of
from experiments.pages.compare.table import parameter_rows
from experiments.pages.sweep.search_tile import search_tile
from experiments.pages.sweep.summary import sweep_summary
from experiments.pages.sweep.trial_lines import TrialLines
from experiments.pages.sweep.trial_table import TableQuery, TableRows
from experiments.pages.trial_rows import trial_rows
from experiments.search.document.definition import parse_document
from experiments.search.space.space import SearchSpace
from experiments.sweeps.check import Checked, check_import, read_sweep
from experiments.tracking.axes import axes_of, space_axes
from experiments.tracking.spaces import flat_params, search_space
from tests import factories
from tests.pages.builder.builder_forms import (
    form,
    member,
    page,
    preview,
)

pytestmark = pytest.mark.django_db

NETWORK: dict[str, Any] = {
    "type": "choice",
    "values": [
        {"kind": "conv", "layers": {"type": "int", "low": 1, "high": 3}},
        {"kind": "dense"},
    ],
}
CONDITIONAL: dict[str, Any] = {
    "optimizer": {"type": "choice", "values": ["sgd", "adam"]},
    "momentum": {
        "type": "choice",
        "values": [0.5, 0.9],
        "when": {"optimizer": ["sgd"]},
    },
}
CONV = {"network": {"kind": "conv", "layers": 2}}
DENSE = {"network": {"kind": "dense"}}


def document(space: dict[str, Any], **changes: Any) -> dict[str, Any]:
    trial = {"command": "python train.py"}
    return factories.definition_document(trial=trial, search_space=space, **changes)


def made(space: dict[str, Any], **changes: Any) -> Sweep:
    team = factories.team("Physics")
    return factories.sweep(team, document=document(space, **changes))


def whole(name: str, number: int) -> dict[str, Any]:
    return {name: {"type": "choice", "values": list(range(number))}}


def shown_of(found: dict[str, Any], **texts: str) -> Preview:
    """The form of a document, with some of its fields typed over."""
    return preview_of(form_of(parse_document(found)).with_data(**texts))


# --- checking ---------------------------------------------------------------------


def check(found: dict[str, Any]) -> Checked:
    return check_import(read_sweep(json.dumps(found)))


def test_a_check_pictures_the_parameters_of_branches_and_when_they_count() -> None:
    checked = check(document({**CONDITIONAL, "network": NETWORK}))
    assert {"network", "network.layers"} <= set(checked.histograms)
    assert checked.histograms["momentum"].share == pytest.approx(0.5, abs=0.1)


def test_a_check_pictures_only_what_the_constraints_let_pass() -> None:
    checked = check(document(whole("a", 4), constraints=["a <= 1"]))
    assert checked.histograms["a"].counts[2:] == (0, 0)


@pytest.mark.parametrize(
    ("space", "constraints", "words"),
    [
        ({"x": "uniform(0, 1)"}, [], "infinitely many"),
        (whole("a", 3000) | whole("b", 3000), ["min(a, b) < b"], "about 4,500,000"),
    ],
)
def test_a_check_tells_infinitely_many_from_too_many_to_count(
    space: dict[str, Any], constraints: list[str], words: str
) -> None:
    checked = check(document(space, constraints=constraints))
    assert (checked.combinations, checked.combinations_words) == (None, words)


# --- the form ---------------------------------------------------------------------


def test_a_form_with_a_mistake_elsewhere_still_counts_with_conditions() -> None:
    found = document(CONDITIONAL, constraints=["optimizer == 'sgd'"])
    shown = shown_of(found, primary_metric="")
    assert shown.combinations == "2"
    assert shown.draws is not None
    assert {row[0][0] for row in shown.draws.rows} == {"sgd"}


def test_a_draw_says_which_parameters_are_not_set() -> None:
    shown = shown_of(document(CONDITIONAL), primary_metric="").draws
    assert shown is not None
    unset = {row[0][0] for row in shown.rows if row[1][0] == "not set"}
    assert unset == {"adam"}


def test_a_form_tells_infinitely_many_from_too_many_to_count() -> None:
    space = whole("a", 3000) | whole("b", 3000)
    shown = shown_of(document(space, constraints=["min(a, b) < b"]))
    assert shown.combinations == "about 4,500,000"
    assert "grid" not in shown.sampler_problems


def test_a_parameter_of_a_branch_may_stand_in_a_grids_way() -> None:
    rate = {"type": "uniform", "min_value": 0, "max_value": 1}
    branch = {"kind": "conv", "rate": rate}
    network = {"type": "choice", "values": [branch, {"kind": "dense"}]}
    shown = shown_of(document({"network": network}))
    assert shown.combinations == "infinitely many"
    assert shown.sampler_problems["grid"].endswith("network.rate has none.")


def test_draws_of_a_nested_choice_have_a_column_for_each_parameter() -> None:
    shown = shown_of(document({"network": NETWORK})).draws
    assert shown is not None
    assert list(shown.names) == ["network", "network.layers"]
    assert {row[0][0] for row in shown.rows} <= {"conv", "dense"}


PASTED = """
optimizer: {type: choice, values: [sgd, adam]}
momentum: {type: uniform, min_value: 0, max_value: 1, when: {optimizer: [WHICH]}}
"""


@pytest.mark.parametrize("which", ["sgd", "unknown"])
def test_a_pasted_condition_is_kept_right_or_wrong(which: str) -> None:
    pasted = read_pasted(PASTED.replace("WHICH", which), base=2.0)
    (momentum,) = (row for row in pasted.rows if row["name"] == "momentum")
    assert (momentum["when"], momentum["when_values"]) == ("optimizer", which)


def test_a_pasted_condition_that_is_wrong_is_told(client: Client) -> None:
    text = PASTED.replace("WHICH", "unknown")
    sent = form([], do="paste", paste=text)
    made = member(client).post(reverse("sweep_create"), sent).context["form"]
    assert any("when" in problem.path for problem in made.problems)


def test_the_answer_to_scripts_counts_with_conditions(client: Client) -> None:
    rows = [
        {"name": "optimizer", "kind": "choice", "values": "sgd, adam"},
        {
            "name": "momentum",
            "kind": "choice",
            "values": "0.5, 0.9",
            "extra": '{"when": {"optimizer": ["sgd"]}}',
        },
    ]
    answer = preview(member(client), form(rows, primary_metric=""))
    assert answer["problems"] and answer["combinations"] == "3"


# --- the search tile ----------------------------------------------------------------


def test_a_grid_counts_the_combinations_that_conditions_and_constraints_allow() -> None:
    space = {**CONDITIONAL, **whole("a", 3)}
    sweep = made(
        space,
        constraints=["a <= 1"],
        sampling_algorithm={"type": "grid"},
        limits={"max_total_trials": 40},
    )
    for _ in range(6):
        factories.trial(sweep, state="completed", value=0.5)
    Sweep.objects.update(state="completed", exhausted=True)
    sweep.refresh_from_db()
    tile = search_tile(sweep_summary(sweep, now=timezone.now()))
    assert tile.title == "All tried"
    assert tile.text.startswith("6 of 6 combinations tried.")


def test_a_grid_that_is_too_large_to_count_claims_no_number() -> None:
    sweep = made(
        whole("a", 3000) | whole("b", 3000),
        constraints=["min(a, b) < b"],
        sampling_algorithm={"type": "grid"},
        limits={"max_total_trials": 40},
    )
    factories.trial(sweep, state="completed", value=0.5)
    tile = search_tile(sweep_summary(sweep, now=timezone.now()))
    assert tile.text.startswith("1 combination tried. The budget ends at 40.")


# --- values inside of nested choices --------------------------------------------------


def test_a_nested_value_is_told_by_its_branch_and_its_parameters() -> None:
    space = SearchSpace.parse({"network": NETWORK})
    assert flat_params(space, CONV) == {"network": "conv", "network.layers": 2}
    assert flat_params(space, DENSE) == {"network": "dense"}
    strange = {"network": 7, "other": 1}
    assert flat_params(space, strange) == strange


def test_branches_that_read_the_same_are_numbered() -> None:
    layers = {"type": "choice", "values": [1, 2]}
    values = [{"layers": layers}, {"layers": {"type": "choice", "values": [3]}}]
    space = SearchSpace.parse({"network": {"type": "choice", "values": values}})
    shown = [flat_params(space, {"network": {"layers": n}}) for n in (1, 3)]
    assert [each["network"] for each in shown] == ["layers (1)", "layers (2)"]


def test_charts_have_an_axis_for_each_parameter_of_a_branch() -> None:
    axes = space_axes(SearchSpace.parse({"network": NETWORK}))
    assert [(axis["name"], axis["kind"]) for axis in axes] == [
        ("network", "choice"),
        ("network.layers", "number"),
    ]
    assert axes[0]["values"] == ["conv", "dense"]


def test_rows_and_places_hold_the_values_inside_of_branches() -> None:
    sweep = made({"network": NETWORK})
    trial = factories.trial(sweep, state="completed", value=0.5, params=CONV)
    (row,) = trial_rows(sweep, [trial], now=timezone.now(), best_id=None)
    assert row["params"] == {"network": "conv", "network.layers": 2}
    assert axes_of(sweep)["network.layers"].place(2) == 0.5
    assert axes_of(sweep)["network"].place("conv") == 0.25


def test_the_table_has_columns_that_sort_by_values_inside_of_branches() -> None:
    sweep = made({"network": NETWORK})
    for layers in (2, 3, 1):
        params = {"network": {"kind": "conv", "layers": layers}}
        factories.trial(sweep, state="cancelled", params=params)
    query = QueryDict("sort=p.network.layers")
    asked = TableQuery(sweep, query, few=False)
    places = TableRows(asked).order
    assert asked.columns.data.numbers[places].tolist() == [2, 0, 1]
    lines = TrialLines.of(asked, places, now=timezone.now())
    columns = [column for column in asked.shown if column.group == "Parameters"]
    assert [column.title for column in columns] == ["network", "network.layers"]
    cells = [strip_tags(lines.cells(column)[0]) for column in columns]
    assert cells == ["conv", "1"]


def test_a_comparison_names_the_parameters_inside_of_branches() -> None:
    sweep = made({"network": NETWORK})
    trials = [
        factories.trial(sweep, state="completed", value=value, params=params)
        for value, params in ((0.9, CONV), (0.5, DENSE))
    ]
    rows = parameter_rows(Comparison(trials, timezone.now()))
    assert {row.name: [cell.text for cell in row.cells] for row in rows} == {
        "network": ["conv", "dense"],
        "network.layers": ["2", "not set"],
    }


def test_a_trials_page_places_the_values_inside_of_branches(client: Client) -> None:
    browser, sweep = member(client), made({"network": NETWORK})
    factories.trial(sweep, state="completed", value=0.9, params=DENSE)
    trial = factories.trial(sweep, state="completed", value=0.5, params=CONV)
    rows = browser.get(trial.get_absolute_url()).context["parameters"]
    found = [(row.name, row.value, row.rival_is_set) for row in rows]
    assert found == [("network", "conv", True), ("network.layers", 2, False)]
    assert rows[1].picture is not None


# --- trials from elsewhere --------------------------------------------------------


@pytest.mark.parametrize("state", ["completed", "terminated", "failed"])
def test_an_imported_trial_ended_elsewhere(state: str) -> None:
    sweep = made(whole("a", 3))
    trial = factories.trial(sweep, state=state, value=0.5, origin="imported")
    (row,) = trial_rows(sweep, [trial], now=timezone.now(), best_id=None)
    assert row["status"] == "Imported"


def test_the_page_of_an_imported_trial_does_not_say_that_it_ran(client: Client) -> None:
    browser, sweep = member(client), made(whole("a", 3))
    trial = factories.trial(sweep, state="completed", value=0.5, origin="imported")
    text = page(browser.get(trial.get_absolute_url()))
    assert "Trial 0 was imported" in text
    assert "ran to the end" not in text


def test_a_comparison_does_not_say_when_an_imported_trial_ended() -> None:
    sweep = made(whole("a", 3))
    best = factories.trial(sweep, state="completed", value=0.9)
    other = factories.trial(sweep, state="terminated", value=0.5, origin="imported")
    (note,) = lead_of(Comparison([best, other], timezone.now())).notes
    assert "after report" not in note
    assert note.endswith("and was imported.")


def test_a_document_that_no_longer_reads_has_no_axes() -> None:
    sweep = made(whole("a", 3))
    sweep.definition["search_space"] = {"a": "nonsense"}
    assert len(search_space(sweep)) == 0
    assert axes_of(sweep) == {}
