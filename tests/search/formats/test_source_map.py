"""Suggestions for misspelled names, and our fields in another system's text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.fields import DefinitionError, Problem
from experiments.search.formats import InvalidImportError, definition_of, import_sweep
from experiments.search.formats.imported import SourceMap
from experiments.search.formats.nodes import edit_distance, suggested_name

AZURE = ("search_space", "sampling_algorithm", "early_termination", "trial", "limits")
WORDS = st.text("abcde", max_size=7)


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("comand", ["command", "code"], "command"),
        ("trail", AZURE, "trial"),
        ("serch_space", AZURE, "search_space"),
        ("searchSpace", AZURE, "search_space"),
        ("early_stopping", AZURE, "early_termination"),
        ("sampling", AZURE, "sampling_algorithm"),
        ("samplng_algo", AZURE, "sampling_algorithm"),
        ("mni", ["min", "max"], "min"),
        ("minimum", ["min", "max"], "min"),
        ("gaol", ["goal", "name"], "goal"),
        ("max_concurent", ["max_concurrent_trials"], "max_concurrent_trials"),
        ("parralelTrialCount", ["parallelTrialCount"], "parallelTrialCount"),
        ("maxTrials", ["maxTrialCount", "parallelTrialCount"], "maxTrialCount"),
    ],
)
def test_a_misspelled_name_gets_a_suggestion(
    name: str, known: list[str], meant: str
) -> None:
    assert suggested_name(name, known) == meant


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("newer_setting", ["queue_settings", "settings"]),
        ("envFrom", ["env", "image"]),
        ("uid", ["name", "labels"]),
        ("OurSampler", ["GridSampler", "QMCSampler"]),
        ("new_in_the_cloud", ["controller", "entity"]),
        ("", ["a"]),
        ("x" * 5_000, ["x"]),
    ],
)
def test_a_name_of_its_own_is_not_taken_for_another(
    name: str, known: list[str]
) -> None:
    assert suggested_name(name, known) is None


@given(WORDS, WORDS, WORDS)
def test_slips_are_a_distance(one: str, two: str, three: str) -> None:
    assert (edit_distance(one, two) == 0) == (one == two)
    assert edit_distance(one, two) == edit_distance(two, one)
    assert edit_distance(one, two) <= max(len(one), len(two))
    assert edit_distance(one + three, two + three) <= edit_distance(one, two)


def test_two_letters_exchanged_are_one_slip() -> None:
    assert edit_distance("trail", "trial") == 1
    assert edit_distance("ca", "abc") == 3


def source_map() -> SourceMap:
    lines = {"parameters.d": 4, "parameters.d.max": 5, "parameters.d.values.1": 6}
    found = SourceMap(lines)
    found.put("search_space.d_1", "parameters.d")
    found.put("search_space.d_1.max_value", "parameters.d.max")
    found.put("search_space.d_1.low", "parameters.d._value", name="")
    found.put_whole("limits", "jobs.a.limits")
    return found


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("search_space.d_1.max_value", "parameters.d.max"),
        ("search_space.d_1", "parameters.d"),
        ("search_space.d_1.when", "parameters.d"),
        ("limits.timeout", "jobs.a.limits.timeout"),
        ("compute", "compute"),
        ("", ""),
    ],
)
def test_a_path_of_ours_becomes_one_of_the_text(here: str, there: str) -> None:
    assert source_map().path(here) == there


def test_a_sentence_has_the_names_of_the_text_but_not_in_quotes() -> None:
    message = 'max_value must be above low, not "max_value".'
    found = source_map().translate([Problem("search_space.d_1.max_value", message)])
    assert found == [
        Problem("parameters.d.max", 'max must be above low, not "max_value".')
    ]


def test_the_line_is_that_of_the_innermost_known_field() -> None:
    assert source_map().line("parameters.d.max") == 5
    assert source_map().line("parameters.d.min") == 4
    assert source_map().line("trial") is None


WANDB = """program: a.py
method: random
metric: {name: loss, goal: minimize}
run_cap: 9
parameters: {d: {min: 3, max: 1}%s}
"""


def test_a_range_problem_alone_has_the_path_of_the_file() -> None:
    with pytest.raises(DefinitionError) as error:
        definition_of(import_sweep(WANDB % ""))
    assert list(error.value.by_path()) == ["parameters.d.max"]


def test_a_problem_of_the_file_does_not_hide_one_of_its_ranges() -> None:
    with pytest.raises(InvalidImportError) as error:
        import_sweep(WANDB % ", e: {distribution: unifrom}")
    assert set(error.value.by_path()) == {
        "parameters.d.max",
        "parameters.e.distribution",
    }
    assert error.value.imported.format == "wandb"


def test_a_consequence_of_a_problem_is_not_reported() -> None:
    with pytest.raises(InvalidImportError) as error:
        import_sweep(WANDB.replace("d: {min: 3, max: 1}", "d: 3") % "")
    assert list(error.value.by_path()) == ["parameters.d"]
