"""Notes of an import, and the options of its callers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.document.command import render_command, split_command
from experiments.search.fields import DefinitionError
from experiments.search.formats import Note, import_sweep
from experiments.search.formats.mapping import (
    NAME,
    Names,
    asha_policy,
    hyperband_policy,
    joined,
)
from experiments.search.formats.nodes import Log, Node, number_of
from experiments.search.records import Objective
from experiments.search.termination import make_policy
from tests.search.formats.documents import CASES

TEXTS = {case.name: case.text for case in CASES}
WANDB = TEXTS["wandb/bayes_with_hyperband"]
STEP = "trial: {command: fit}, search_space: {x: {type: randint, upper: %d}}"
TWO_STEPS = f"""
type: pipeline
jobs:
  one: {{type: sweep, {STEP % 1}}}
  two: {{type: sweep, {STEP % 2}}}
"""


def test_an_import_has_the_settings_that_identify_its_format():
    imported = import_sweep(WANDB)
    assert imported.format == "wandb"
    assert imported.recognized_by[0] == "method: bayes"


def test_settings_are_counted_a_list_of_plain_values_as_one():
    text = "method: grid\nprogram: a.py\nparameters: {x: {values: [1, 2, 3]}}"
    assert import_sweep(text).settings == 3


def test_a_step_of_a_pipeline_is_chosen_by_its_name():
    imported = import_sweep(TWO_STEPS, name="two")
    assert imported.document["search_space"]["x"]["upper"] == 2
    assert [note.path for note in imported.notes] == ["jobs.one", "jobs.two.limits"]


def test_a_text_can_be_read_as_a_given_format():
    with pytest.raises(DefinitionError, match="spec is required"):
        import_sweep(WANDB, format="katib")
    own = TEXTS["azure/plain_with_object_sampling"]
    assert import_sweep(own, format="sweepsite").notes == ()


def test_a_note_has_the_line_of_its_own_key():
    text = "method: grid\nprogram: a.py\nparameters: {x: {values: [1]}}\nentity: me\n"
    metric, entity = sorted(
        import_sweep(text).notes, key=lambda note: note.path != "metric"
    )
    assert metric.line is None
    assert (entity.path, entity.line, entity.kind) == ("entity", 4, "left out")


def test_a_note_inside_a_list_has_the_line_of_its_item():
    text = (
        "method: grid\nprogram: a.py\nmetric: {name: a}\nparameters: {x: {value: 1}}\n"
        "command:\n  - ${program}\n  - ${envvar:KEY}\n  - ${args}\n"
    )
    assert [(n.path, n.line) for n in import_sweep(text).notes] == [("command.1", 7)]


def test_json_has_lines_too():
    text = '{"method": "grid", "program": "a.py",\n"metric": {"name": "a"},\n'
    text += '"parameters": {"x": {"value": 1}},\n"entity": "me"}'
    assert [note.line for note in import_sweep(text).notes] == [4]


def test_problems_are_reported_together_up_to_a_limit():
    parameters = {f"p{n}": {"distribution": "none"} for n in range(300)}
    text = json.dumps({"method": "random", "program": "a", "parameters": parameters})
    with pytest.raises(DefinitionError) as error:
        import_sweep(text)
    assert 100 <= len(error.value.problems) <= 110


@pytest.mark.parametrize("name", ["arguments_as_json", "arguments_as_a_json_file"])
def test_values_as_json_can_be_read_by_the_program(name: str):
    document = import_sweep(TEXTS[f"wandb/{name}"]).document
    values = {"lr": 0.25, "kind": "sgd", "on": True}
    command = document["trial"]["command"]
    words = render_command(command, values, document.get("inputs", {}))
    text = next(word for word in words if word.startswith("{"))
    assert json.loads(text)["lr"] == 0.25


@given(st.lists(st.text(st.characters(exclude_characters="\0$", codec="utf-8"))))
def test_a_command_is_split_into_the_words_that_were_joined(words: list[str]):
    assert split_command(joined(words)) == words


@given(st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=30))
def test_every_foreign_name_gets_a_valid_unique_one(foreign: list[str]):
    log = Log()
    names = Names(log)
    given_names = [names.give(name, name) for name in foreign]
    assert all(NAME.fullmatch(name) for name in given_names)
    assert len(set(given_names)) == len(foreign)
    assert given_names == [names.give(name, name) for name in foreign]
    changed = sum(
        name != other for name, other in zip(foreign, given_names, strict=True)
    )
    assert len(log.notes) == changed


@given(st.floats(0.1, 50), st.floats(1.1, 200))
def test_successive_halving_becomes_a_valid_policy(first: float, factor: float):
    log = Log()
    policy = asha_policy(Node({}, "rule", log), first, factor)
    assert make_policy(policy, Objective("loss", "minimize")) is not None
    assert [note.path for note in log.notes] == ["rule"]


@given(st.floats(0.1, 50), st.floats(1.1, 200), st.floats(0, 500))
def test_hyperband_becomes_a_valid_policy(first: float, factor: float, last: float):
    log = Log()
    policy = hyperband_policy(Node({}, "rule", log), first, factor, last)
    assert make_policy(policy, Objective("loss", "minimize")) is not None
    assert [note.path for note in log.notes] == ["rule"]


def test_a_note_is_made_once():
    log = Log({"a": 3})
    for _ in range(2):
        log.left_out("a.b", "It is not there.")
    assert log.in_order() == (Note("a.b", 3, "left out", "It is not there."),)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1", 1),
        (" -2.5 ", -2.5),
        ("1e-3", 0.001),
        ("1_000", None),
        ("nan", None),
        ("0x10", None),
        ("", None),
        (True, None),
        ("9" * 200, None),
        ("1e999", None),
    ],
)
def test_only_digits_are_numbers(text: object, number: float | None):
    assert number_of(text) == number
