"""The feeds of the table of trials: rows, groups, places, matches and completion."""

from __future__ import annotations

import json
import re
import time
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from experiments.models import Sweep
from experiments.pages.sweep.trial_export import raw_values, unlike
from experiments.search.filters.columns import SeveralColumn
from tests import factories
from tests.pages.clients import client_of

pytestmark = pytest.mark.django_db

FEEDS = ("rows.json", "find.json", "matching.json", "complete.json")
NAMES = (
    *("q", "sort", "cols", "group", "from", "count", "find", "at"),
    *("since", "group_of", "rail", "page", "state"),
)
SPACE = {
    "lr": {"type": "uniform", "min_value": 0, "max_value": 1},
    "optimizer": {"type": "choice", "values": ["sgd", "adam"]},
    "seed": {"type": "choice", "values": [1, 2]},
}


@pytest.fixture
def sweep() -> Sweep:
    document = factories.definition_document(search_space=SPACE)
    document["trial"] = {"command": "python train.py"}
    team = factories.team(ada="member")
    sweep = factories.sweep(team, document=document, state="completed")
    for lr in (0.1, 0.2, 0.3):
        for seed in (1, 2):
            params = {"lr": lr, "optimizer": "sgd", "seed": seed}
            value = round(lr + seed / 100, 2)
            factories.trial(sweep, state="completed", value=value, params=params)
    factories.trial(sweep, state="failed", params={"lr": 0.9, "optimizer": "adam"})
    return sweep


@pytest.fixture
def client(sweep: Sweep) -> Client:
    return client_of("ada")


def feed(client: Client, sweep: Sweep, name: str = "rows", **query: Any) -> Any:
    answer = client.get(f"/sweeps/{sweep.pk}/{name}.json", query)
    assert answer.status_code == 200
    return answer.json()


def shown(answer: Any) -> list[int]:
    return [row["n"] for row in answer["rows"]]


def test_a_range_of_the_rows_that_match(client: Client, sweep: Sweep) -> None:
    query = {"q": "optimizer = sgd and lr > 0.15", "sort": "-value", "from": 1}
    answer = feed(client, sweep, count=2, **query)
    assert (answer["total"], answer["matching"]) == (7, 4)
    assert shown(answer) == [4, 3]
    assert answer["best"]["n"] == 5 and answer["best"]["index"] == 0
    assert 'data-number="4" data-rank="2"' in answer["rows"][0]["html"]
    assert [c["field"] for c in answer["conditions"]] == ["p.optimizer", "p.lr"]
    assert answer["conditions"][0]["q_without"] == "lr > 0.15"


def test_rows_that_did_not_change_come_without_html(
    client: Client, sweep: Sweep
) -> None:
    hours = {number: timezone.now() - timedelta(hours=number) for number in (1, 2)}
    sweep.trials.update(updated_at=hours[2])
    sweep.trials.filter(number=6).update(updated_at=hours[1])
    mark = feed(client, sweep)["mark"]
    assert feed(client, sweep, since=mark) == {"changed": False, "mark": mark}
    sweep.trials.filter(number=2).update(value=0.05, updated_at=timezone.now())
    answer = feed(client, sweep, since=mark)
    assert {row["n"] for row in answer["rows"] if "html" in row} == {2, 6}
    assert "html" in answer["best"]


def test_a_shown_rank_that_moved_is_a_change(client: Client, sweep: Sweep) -> None:
    sweep.trials.update(updated_at=timezone.now() - timedelta(hours=1))
    mark = feed(client, sweep, cols="number,rank")["mark"]
    sweep.trials.filter(number=0).update(value=0.9, updated_at=timezone.now())
    answer = feed(client, sweep, since=mark, cols="number,rank")
    assert all("html" in row for row in answer["rows"])


def test_seeds_are_groups_that_open(client: Client, sweep: Sweep) -> None:
    answer = feed(client, sweep, group="seeds", sort="-value", count=2)
    assert (answer["matching"], answer["trials"]) == (4, 7)
    assert shown(answer) == [4, 2]
    html = answer["rows"][0]["html"]
    assert 'data-group="4" data-numbers="4-5"' in html and 'value="4,5"' in html
    # Student's t for one degree of freedom, times the standard error.
    assert re.search(r"0\.315\d* <span class=\"ink-3\">± 0\.064<", html)
    opened = feed(client, sweep, group="seeds", group_of=4)
    assert shown(opened) == [4, 5]
    assert 'data-of="4"' in opened["rows"][0]["html"]


@pytest.mark.parametrize(
    ("text", "index"),
    [("trial:3", 2), ("rank:1", 0), ("value:0.2", 3), ("rank:1e999", None)],
)
def test_where_a_row_is(
    client: Client, sweep: Sweep, text: str, index: int | None
) -> None:
    found = feed(client, sweep, "find", find=text, sort="-value")
    assert found.get("index") == index
    assert (index is None) == ("error" in found)


def test_all_numbers_that_match_and_the_rail(client: Client, sweep: Sweep) -> None:
    found = feed(client, sweep, "matching", q="not failed and number != 3")
    assert (found["count"], found["numbers"]) == (5, "0-2,4-5")
    ticked = feed(client, sweep, "find", find="trials:3,99", sort="-value")
    assert ticked == {"indexes": [2]}
    both = feed(client, sweep, "find", find="trials:0-3", group="seeds")["indexes"]
    assert both == sorted(set(both)) and len(both) <= 4
    assert "error" in feed(client, sweep, "find", find="trials:x")
    rail = feed(client, sweep, rail=1, sort="-value")["rail"]
    assert rail["steps"] == ["completed"] * 6 + ["failed"]
    assert rail["marks"][0] == {"index": 0, "text": "0.3200"}


def test_a_wrong_filter_says_where_and_keeps_the_page(
    client: Client, sweep: Sweep
) -> None:
    found = feed(client, sweep, q="🙂 lr < 1")
    assert (found["error"]["start"], found["error"]["end"]) == (0, 2)
    found = feed(client, sweep, q="optimiser = sgd")
    assert found["error"]["message"].endswith("Did you mean optimizer?")
    page = client.get(f"/sweeps/{sweep.pk}/trials/", {"q": "lr <"}).content.decode()
    assert "Something is missing after" in page
    assert page.count("<tr data-row=") == 7


def test_what_each_condition_removes_when_nothing_matches(
    client: Client, sweep: Sweep
) -> None:
    found = feed(client, sweep, q="lr > 0.25 and number < 2")
    assert [(e["text"], e["removes"]) for e in found["empty"]] == [
        ("lr > 0.25", 4),
        ("number < 2", 5),
    ]


def test_completion_counts_what_is_typed_so_far(client: Client, sweep: Sweep) -> None:
    found = feed(client, sweep, "complete", q="optimizer = s", at=13)
    assert [item["insert"] for item in found["items"]] == ["sgd"]
    assert (found["from"], found["to"]) == (12, 13)
    assert found["count"] == 0
    assert feed(client, sweep, "complete", q="lr < 0.15")["count"] == 2
    half = feed(client, sweep, "complete", q="not failed and lr < 0.15 and opt")
    assert (half["count"], half["error"]["start"]) == (2, 29)


def exported(client: Client, sweep: Sweep, path: str, **query: Any) -> str:
    answer = client.get(f"/sweeps/{sweep.pk}/{path}", query)
    assert answer.status_code == 200, answer.content
    parts = answer.streaming_content if answer.streaming else [answer.content]
    return b"".join(parts).decode()


def test_tags_of_many_trials_are_exported_in_little_time() -> None:
    column = SeveralColumn.of([["a", "b"] if row % 2 else [] for row in range(100_000)])
    query: Any = SimpleNamespace(columns=SimpleNamespace(column=lambda key: column))
    started = time.process_time()
    found = raw_values(query, "tags", np.arange(100_000)[::-1])
    assert time.process_time() - started < 1
    assert found[:3] == ["a, b", "", "a, b"]


def test_what_is_shown_as_csv_and_json(client: Client, sweep: Sweep) -> None:
    query = {"q": "lr > 0.15", "sort": "-value", "cols": "number,value,p.optimizer"}
    text = exported(client, sweep, "export.csv", **query, numbers="2,4-6")
    head = "trial,accuracy,optimizer\n"
    assert text == f"{head}5,0.32,sgd\n4,0.31,sgd\n2,0.21,sgd\n6,,adam\n"
    rows = json.loads(exported(client, sweep, "export.json", **query))
    assert rows[0] == {"trial": 5, "accuracy": 0.32, "optimizer": "sgd"}
    assert len(rows) == 5
    assert unlike(["lr", "lr", "lr"]) == ["lr", "lr (2)", "lr (3)"]
    assert json.loads(exported(client, sweep, "export.json", q="lr > 2")) == []
    wrong = client.get(f"/sweeps/{sweep.pk}/export.csv", {"q": "lrr > 2"})
    assert wrong.status_code == 400
    assert b"Did you mean lr?" in wrong.content


def test_configurations_to_copy(client: Client, sweep: Sweep) -> None:
    text = exported(client, sweep, "trials/copy/", numbers="0,6")
    assert text == (
        'trials = {\n    0: {"lr": 0.1, "optimizer": "sgd", "seed": 1},\n'
        '    6: {"lr": 0.9, "optimizer": "adam"},\n}\n'
    )
    text = exported(client, sweep, "trials/copy/", **{"numbers": "6", "as": "yaml"})
    assert text == "'6':\n  lr: 0.9\n  optimizer: adam\n"


@settings(
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.text(
                st.sampled_from("lr<=1 (and)value,-p.:\"'`²\0🙂\ud800e9"), max_size=24
            )
            for name in NAMES
        },
    )
)
def test_nonsense_never_breaks_a_feed(
    client: Client, sweep: Sweep, query: dict[str, str]
) -> None:
    sent = {name: text.encode("utf-8", "surrogatepass") for name, text in query.items()}
    for path in (*FEEDS, "trials/", "export.csv", "trials/copy/"):
        answer = client.get(f"/sweeps/{sweep.pk}/{path}", sent)
        assert answer.status_code in (200, 302, 400, 404)
