"""sweep list, show, best and export."""

from __future__ import annotations

import csv
import io
import json
import re

import pytest
import yaml

from experiments.models import Metric, Sweep, Team
from experiments.search.document.definition import parse_document
from experiments.search.wording import UNSEEN
from tests import factories
from tests.management.conftest import Run


@pytest.fixture
def team() -> Team:
    return factories.team("Physics")


@pytest.fixture
def sweep(team: Team) -> Sweep:
    made = factories.sweep(team)
    factories.reported_trial(made, [0.2, 0.7], state="completed")
    factories.trial(made, params={"x": -0.5})
    return made


def test_the_list_has_the_newest_first(run: Run, sweep: Sweep, team: Team) -> None:
    factories.sweep(team, state="draft")
    lines = run("sweep", "list").out.splitlines()
    assert "digits-2 draft" in lines[0] and "digits-1 running" in lines[1]
    assert "1/4" in lines[1] and "best accuracy 0.7 (trial 0)" in lines[1]


def test_an_empty_list_is_empty(run: Run) -> None:
    assert run("sweep", "list").out == ""


@pytest.mark.parametrize("name", ["id", "digits-1"])
def test_show_takes_an_id_or_a_label(run: Run, sweep: Sweep, name: str) -> None:
    ran = run("sweep", "show", sweep.pk if name == "id" else name)
    assert ran.code == 0
    assert f"/sweeps/{sweep.pk}/" in ran.out and "maximize accuracy" in ran.out


@pytest.mark.parametrize("name", ["999", "digits-9", "letters-1", "digits", "-", "-1x"])
def test_an_unknown_name_is_refused(run: Run, sweep: Sweep, name: str) -> None:
    ran = run("sweep", "show", "--", name)
    assert ran.code == 1 and "There is no sweep" in ran.err


def test_a_label_of_two_teams_needs_an_id(run: Run, sweep: Sweep) -> None:
    other = factories.sweep(factories.team("Chemistry"))
    ran = run("sweep", "show", "digits-1")
    assert ran.code == 1
    assert str(sweep.pk) in ran.err and str(other.pk) in ran.err


def test_best_prints_value_and_configuration(run: Run, sweep: Sweep) -> None:
    lines = run("sweep", "best", "digits-1").out.splitlines()
    assert lines[0].startswith("digits-1/0 (id ")
    assert lines[1] == "accuracy: 0.7"
    assert json.loads(lines[2]) == {"x": 0.0}


def test_best_without_a_value_is_refused(run: Run, team: Team) -> None:
    ran = run("sweep", "best", factories.sweep(team).pk)
    assert ran.code == 1 and "accuracy" in ran.err


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_a_document_comes_back_with_what_was_changed(
    run: Run, sweep: Sweep, form: str
) -> None:
    Sweep.objects.filter(pk=sweep.pk).update(max_total_trials=9, trial_timeout=120)
    ran = run("sweep", "export", "digits-1", "--format", form)
    assert re.search(r'trial_timeout"?: 120\b(?!\.)', ran.out), "as a person writes it"
    document = json.loads(ran.out) if form == "json" else yaml.safe_load(ran.out)
    assert parse_document(document).limits.max_total_trials == 9


def table(run: Run, sweep: Sweep) -> list[dict[str, str]]:
    ran = run("sweep", "export", sweep.pk, "--format", "csv")
    return list(csv.DictReader(io.StringIO(ran.out)))


def test_the_table_has_a_row_a_trial(run: Run, sweep: Sweep) -> None:
    first, second = table(run, sweep)
    assert first["number"] == "0" and first["state"] == "completed"
    assert first["value"] == "0.7" and first["metrics.accuracy"] == "0.7"
    assert first["elapsed"] == "10.0"
    assert second["params.x"] == "-0.5", "a number, and no formula"
    assert second["value"] == "" and second["metrics.accuracy"] == ""


def test_a_text_is_never_a_formula(run: Run, sweep: Sweep) -> None:
    factories.trial(sweep, params={"x": "=1+1", "y": "@cmd", "z": [1], "b": True})
    row = table(run, sweep)[2]
    assert row["params.x"] == "'=1+1" and row["params.y"] == "'@cmd"
    assert row["params.z"] == "[1]" and row["params.b"] == "true"


def test_what_is_inside_a_choice_has_columns_of_its_own(run: Run, team: Team) -> None:
    deep = {"type": "choice", "values": [{"a": 1}, "none"]}
    space = {
        "net": {
            "type": "choice",
            "values": [{"kind": "conv", "layers": "choice(2, 4)", "deep": deep}, 3],
        },
        "only": {
            "type": "choice",
            "values": [{"width": {"type": "randint", "upper": 9}}],
        },
        "m": {"type": "uniform", "min_value": 0, "max_value": 1, "when": {"net": 3}},
    }
    document = factories.definition_document(
        search_space=space, trial={"command": "true"}
    )
    sweep = factories.sweep(team, document=document)
    for net, rest in (
        ({"kind": "conv", "layers": 2, "deep": {"a": 1}}, {"only": {"width": 5}}),
        ({"kind": "conv", "layers": 4, "deep": "none"}, {"only": {"width": 6}}),
        (3, {"only": {"width": 7}, "m": 0.5, "late": {"x": "=1", "none": {}}}),
    ):
        factories.trial(sweep, params={"net": net, **rest})
    rows = table(run, sweep)
    columns = [name for name in rows[0] if name.startswith("params.")]
    assert columns == [
        *("params.net", "params.net.kind", "params.net.layers", "params.net.deep"),
        *("params.net.deep.a", "params.only.width", "params.m"),
        *("params.late.x", "params.late.none"),
    ]
    assert [[row[name] for name in columns] for row in rows] == [
        ["", "conv", "2", "", "1", "5", "", "", ""],
        ["", "conv", "4", "none", "", "6", "", "", ""],
        ["3", "", "", "", "", "7", "0.5", "'=1", "{}"],
    ]


def test_a_long_table_is_whole(run: Run, team: Team) -> None:
    sweep = factories.sweep(team, max_total_trials=2_000)
    last = factories.trial(sweep)
    last.sweep.trials.bulk_create(
        type(last)(experiment=last.experiment, sweep=sweep, number=n, params={"x": n})
        for n in range(1, 1_203)
    )
    rows = table(run, sweep)
    assert [row["number"] for row in rows] == [str(n) for n in range(1_203)]


def test_characters_that_a_terminal_obeys_are_shown(run: Run, sweep: Sweep) -> None:
    Sweep.objects.update(primary_metric="a\x1b[2J\u202e")
    Metric.objects.update(name="=a\u202eccuracy")
    assert r"a\x1b[2J\u202e" in run("sweep", "list").out
    table = run("sweep", "export", sweep.pk, "--format", "csv").out
    assert r"metrics.=a\u202eccuracy" in table
    assert not UNSEEN.search(table)
