"""Optuna's storage files: read from a copy, whatever is in them."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.document.definition import parse_document
from experiments.search.fields import DefinitionError
from experiments.search.formats import FinishedTrial, import_sweep
from experiments.search.formats.optuna_space import snapped
from experiments.search.space.space import SearchSpace
from tests.in_time import in_time
from tests.search.formats.storages import (
    OLD,
    RATE,
    TODAY,
    database,
    study,
    trial,
    wine,
)

WINE = wine()
TEXT = """{"study_name": "s", "directions": ["MINIMIZE"], "trials": [{"number": 0,
"state": "COMPLETE", "values": [0.5], "params": {"x": 0.5}, "distributions": {"x":
{"name": "FloatDistribution", "attributes": {"low": 0, "high": 1, "log": false}}}}]}"""
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT"


def _problems(content: bytes, **options: str) -> str:
    with pytest.raises(DefinitionError) as error:
        import_sweep(content, **options)
    return str(error.value)


def test_the_space_is_that_of_the_trials():
    imported = import_sweep(WINE)
    assert imported.format == "optuna"
    assert imported.document["search_space"] == {
        "rate": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1},
        "layers": {"type": "int", "low": 1, "high": 4},
        "kind": {"type": "choice", "values": ["sgd", None, 3]},
    }
    assert imported.document["objective"] == {
        "primary_metric": "r2",
        "goal": "maximize",
    }
    assert imported.document["display_name"] == "wine"
    assert imported.document["tags"] == {"dataset": "red"}


def test_trials_that_have_ended_are_finished_trials():
    assert import_sweep(WINE).trials == (
        FinishedTrial({"rate": 0.3, "layers": 3, "kind": None}, 0.8, "completed"),
        FinishedTrial({"rate": 0.3, "layers": 3, "kind": None}, 0.4, "terminated"),
        FinishedTrial({"rate": 0.3, "layers": 3}, None, "failed"),
    )


def test_the_values_of_trials_lie_in_the_space():
    imported = import_sweep(WINE)
    space = SearchSpace.parse(imported.document["search_space"])
    complete = [trial for trial in imported.trials if trial.state != "failed"]
    assert all(space.contains(trial.params) for trial in complete)


def test_it_becomes_a_valid_document():
    definition = parse_document(import_sweep(WINE).document)
    assert parse_document(definition.dump()) == definition


def test_trials_that_run_are_left_out_with_a_note():
    notes = [note for note in import_sweep(WINE).notes if note.path == "trials"]
    assert [note.kind for note in notes] == ["left out"]


def test_a_study_is_chosen_by_its_name():
    rows = [
        *study(1, "one", "MINIMIZE"),
        *study(2, "two", "MAXIMIZE"),
        *trial(1, 1, "COMPLETE", {"rate": (0.1, RATE)}, value=1),
        *trial(2, 2, "COMPLETE", {"pace": (0.2, RATE)}, value=2),
    ]
    content = database(TODAY, rows)
    chosen = import_sweep(content, name="two")
    assert list(chosen.document["search_space"]) == ["pace"]
    assert [trial.value for trial in chosen.trials] == [2]
    assert '"one" and "two"' in _problems(content)
    assert "2 studies" in _problems(content, name="three")


def test_an_older_schema_is_read_too():
    law = '{"name": "UniformDistribution", "attributes": {"low": 0, "high": 1}}'
    content = database(
        OLD,
        [
            ("INSERT INTO studies VALUES (1, 'old', 'MINIMIZE')", ()),
            ("INSERT INTO trials VALUES (1, 0, 1, 'COMPLETE', 0.5)", ()),
            ("INSERT INTO trials VALUES (2, 1, 1, 'PRUNED', NULL)", ()),
            ("INSERT INTO trial_params VALUES (1, 1, 'x', 0.25, ?)", (law,)),
            ("INSERT INTO trial_params VALUES (2, 2, 'x', 0.75, ?)", (law,)),
            ("INSERT INTO trial_values VALUES (1, 2, 0, 0.9)", ()),
            ("INSERT INTO trial_values VALUES (2, 2, 1, 0.7)", ()),
        ],
    )
    assert import_sweep(content).trials == (
        FinishedTrial({"x": 0.25}, 0.5, "completed"),
        FinishedTrial({"x": 0.75}, 0.7, "terminated"),
    )


def test_several_objectives_are_refused_with_a_sentence():
    rows = [
        *study(1, "both", "MINIMIZE", "MAXIMIZE"),
        *trial(1, 1, "COMPLETE", {"rate": (0.1, RATE)}, value=1),
    ]
    assert "2 objectives" in _problems(database(TODAY, rows))


def test_another_database_is_no_storage():
    said = _problems(database("CREATE TABLE birds (name TEXT)"))
    assert "no table studies, trials or trial_params" in said


def test_a_storage_without_studies_says_so():
    assert "0 studies" in _problems(database(TODAY))


@pytest.mark.parametrize(
    "hostile",
    [
        f"CREATE VIEW studies AS {ENDLESS} i AS study_id, 'x' AS study_name FROM n;",
        "CREATE TABLE studies (a);",
        "CREATE TABLE studies (study_id INTEGER PRIMARY KEY, study_name TEXT"
        " GENERATED ALWAYS AS (hex(zeroblob(20000000))));"
        "INSERT INTO studies VALUES (1);",
    ],
)
def test_a_hostile_schema_is_refused_in_no_time(hostile: str):
    rest = "CREATE TABLE trials (a); CREATE TABLE trial_params (b);"
    content = database(hostile + rest)
    assert in_time(1, lambda: _problems(content))


def test_values_of_the_wrong_types_do_no_harm():
    rows = [
        *study(1, "odd", "SIDEWAYS"),
        *trial(1, 1, "COMPLETE", {"rate": ("text", RATE)}, value=1),
        *trial(2, 1, "DREAMING", {"rate": (b"\xff", RATE)}, value=1),
    ]
    imported = import_sweep(database(TODAY, rows))
    assert len(imported.trials) == 1
    assert imported.document["objective"]["goal"] == "minimize"


def test_distributions_that_are_no_json_are_problems():
    rows = study(1, "odd", "MINIMIZE")
    rows.append(("INSERT INTO trials VALUES (1, 0, 1, 'COMPLETE', NULL, NULL)", ()))
    broken = "INSERT INTO trial_params VALUES (1, 1, 'x', 1, '{')"
    assert "distributions.x" in _problems(database(TODAY, [*rows, (broken, ())]))


def test_too_many_trials_are_refused():
    many = (
        "INSERT INTO trials SELECT value, value, 1, 'COMPLETE', NULL, NULL FROM "
        "(WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n "
        "WHERE value < 6000) SELECT value FROM n)"
    )
    content = database(TODAY, [*study(1, "many", "MINIMIZE"), (many, ())])
    assert "Up to 5,000 can be imported" in _problems(content)


def test_five_thousand_trials_take_less_than_a_second():
    rows = study(1, "many", "MINIMIZE")
    for number in range(1, 5001):
        rows += trial(number, 1, "COMPLETE", {"rate": (0.2, RATE)}, value=number)
    content = database(TODAY, rows)
    assert len(in_time(1, lambda: import_sweep(content)).trials) == 5000


def test_a_storage_in_write_ahead_mode_is_read():
    content = bytearray(WINE)
    content[18:20] = b"\x02\x02"
    assert import_sweep(bytes(content)).trials == import_sweep(WINE).trials


@given(st.integers(16, len(WINE)))
def test_a_file_that_is_cut_off_is_refused_or_read(length: int):
    _only_its_own_error(WINE[:length])


@given(st.lists(st.tuples(st.integers(16, len(WINE) - 1), st.integers(0, 255))))
def test_a_damaged_file_is_refused_or_read(damage: list[tuple[int, int]]):
    content = bytearray(WINE)
    for place, byte in damage:
        content[place] = byte
    _only_its_own_error(bytes(content))


@given(st.binary(max_size=5000))
def test_a_file_that_only_begins_like_one_is_refused(rest: bytes):
    _only_its_own_error(b"SQLite format 3\0" + rest)


def _only_its_own_error(content: bytes) -> None:
    def read() -> None:
        try:
            import_sweep(content)
        except DefinitionError as error:
            assert error.problems

    in_time(1, read)


@pytest.mark.parametrize("value", [1e308, -math.inf, math.nan])
def test_values_far_from_a_stepped_range_stay(value: float):
    dist = {"type": "float", "low": 0.0, "high": 1.0, "step": 0.1}
    assert repr(snapped(dist, value)) == repr(value)
    assert snapped(dist, 0.30000000000000004) == 0.3


def test_trials_that_do_not_meet_constraints_have_no_value():
    rows = [
        *study(1, "pipe", "MINIMIZE"),
        *trial(1, 1, "COMPLETE", {"lr": (0.5, RATE)}, value=0.1),
        *trial(2, 1, "COMPLETE", {"lr": (0.2, RATE)}, value=0.4),
    ]
    table = (
        "CREATE TABLE IF NOT EXISTS trial_system_attributes (trial_system_attribute_id"
        ' INTEGER, trial_id INTEGER, "key" TEXT, value_json TEXT);'
    )
    insert = "INSERT INTO trial_system_attributes VALUES (?, ?, 'constraints', ?)"
    rows += [(insert, (1, 1, "[-1.0, 0.5]")), (insert, (2, 2, "[0.0, -2.0]"))]
    imported = import_sweep(database(TODAY + table, rows))
    assert [each.value for each in imported.trials] == [None, 0.4]
    (note,) = [note for note in imported.notes if note.path == "trials"]
    assert "1 trial does not meet them" in note.message


def test_constraints_of_a_study_as_json():
    document = json.loads(TEXT)
    document["trials"][0]["system_attrs"] = {"constraints": [2]}
    imported = import_sweep(json.dumps(document))
    assert [each.value for each in imported.trials] == [None]
