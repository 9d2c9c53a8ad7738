"""Whole listings as CSV and as JSON lines."""

from __future__ import annotations

import csv
import json
from io import StringIO
from typing import Any

import pytest

from experiments.api.outputs import ArtifactOut
from experiments.models import Sweep, Team
from tests import factories
from tests.api.conftest import Api


@pytest.fixture
def sweep(team: Team) -> Sweep:
    sweep = factories.sweep(team, max_total_trials=20)
    for number in range(7):
        factories.trial(sweep, params={"x": number / 10}, state="completed", value=0.5)
    return sweep


def text_of(answer: Any) -> str:
    assert answer.status_code == 200
    return b"".join(answer.streaming_content).decode()


def test_jsonl_has_all_trials_as_the_listing_has_them(api: Api, sweep: Sweep) -> None:
    path = f"/sweeps/{sweep.pk}/trials"
    answer = api.get(f"{path}?format=jsonl&limit=2")
    lines = [json.loads(line) for line in text_of(answer).splitlines()]
    assert lines == api.get(f"{path}?limit=500").json()["items"]
    assert answer["Content-Type"] == "application/jsonl; charset=utf-8"


def test_csv_has_a_column_for_each_field(api: Api, sweep: Sweep) -> None:
    answer = api.get(f"/sweeps/{sweep.pk}/trials?format=csv&q=x > 0.25&sort=-x")
    rows = list(csv.DictReader(StringIO(text_of(answer))))
    assert [row["params.x"] for row in rows] == ["0.6", "0.5", "0.4", "0.3"]
    assert rows[0]["state"] == "completed" and rows[0]["stopping"] == "false"


def test_a_file_has_more_than_one_page(api: Api, team: Team) -> None:
    for number in range(501):
        factories.experiment(team, f"e{number}")
    assert len(text_of(api.get("/experiments?format=jsonl")).splitlines()) == 501


def test_a_formula_stays_text(api: Api, team: Team) -> None:
    factories.experiment(team, "=1+1")
    rows = list(csv.DictReader(StringIO(text_of(api.get("/experiments?format=csv")))))
    assert rows[0]["name"] == "'=1+1"


def test_rows_of_the_database_are_written_as_their_schema_says(
    api: Api, sweep: Sweep
) -> None:
    trial = factories.trial(sweep, state="completed")
    factories.output(trial, "a.txt", b"1")
    answer = api.get(f"/trials/{trial.pk}/artifacts?format=jsonl")
    (row,) = map(json.loads, text_of(answer).splitlines())
    assert row["path"] == "a.txt" and set(row) == set(ArtifactOut.model_fields)


@pytest.mark.parametrize("query", ["filter=oops", "sort=oops", "cursor=oops"])
def test_what_is_refused_is_so_before_the_file_begins(
    api: Api, sweep: Sweep, query: str
) -> None:
    answer = api.get(f"/sweeps/{sweep.pk}/trials?format=csv&{query}")
    assert answer.status_code == 422
    assert query.partition("=")[0] in answer.json()["error"]["fields"]


def test_another_format_is_refused(api: Api) -> None:
    answer = api.get("/sweeps?format=parquet")
    assert answer.status_code == 422 and "format" in answer.json()["error"]["fields"]
