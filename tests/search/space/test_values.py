"""Which values a parameter may have."""

from __future__ import annotations

import pytest

from experiments.search.document.definition import parse_document
from experiments.search.fields import DefinitionError
from experiments.search.space.distribution import MAX_TEXT_LENGTH, value_problem
from experiments.search.space.params import read_params
from tests.factories import definition_document

HUGE = 10**400
LONG = "x" * (MAX_TEXT_LENGTH + 1)


@pytest.mark.parametrize("sign", (1, -1))
@pytest.mark.parametrize("nested", (False, True))
def test_a_number_beyond_every_float_is_refused(sign: int, nested: bool) -> None:
    value = sign * HUGE
    sentence = value_problem([{"k": value}] if nested else value)
    assert sentence and "at most 1.7e308 in size" in sentence
    assert len(sentence) < 120


@pytest.mark.parametrize("value", (10**308, -(2**64), 2**63, 0, True, 1e308, "x"))
def test_what_a_float_holds_is_allowed(value: object) -> None:
    assert value_problem(value) is None


def test_texts_have_a_limit_that_is_said() -> None:
    assert value_problem(LONG[1:]) is None
    for value in (LONG, [LONG], {"k": [LONG]}, {LONG: 1}):
        sentence = value_problem(value)
        assert sentence and "at most 10,000 characters" in sentence
        assert "has 10,001" in sentence and len(sentence) < 160


@pytest.mark.parametrize("value", (["a\0"], {"a\0": 1}, {"a": ["\0"]}))
def test_nul_is_found_everywhere(value: object) -> None:
    assert "NUL" in (value_problem(value) or "")


@pytest.mark.parametrize("value", (HUGE, LONG), ids=("huge", "long"))
@pytest.mark.parametrize("law", ("choice", "uniform"))
def test_neither_can_be_given_by_hand(value: object, law: str) -> None:
    laws = {
        "choice": {"type": "choice", "values": [1, "a"]},
        "uniform": {"type": "uniform", "min_value": 0, "max_value": 1},
    }
    definition = parse_document(definition_document(search_space={"x": laws[law]}))
    with pytest.raises(DefinitionError) as refusal:
        read_params(definition.search_space, {"x": value})
    assert list(refusal.value.by_path()) == ["params.x"]


@pytest.mark.parametrize("value", (HUGE, LONG), ids=("huge", "long"))
def test_neither_can_be_a_choice_of_a_space(value: object) -> None:
    document = definition_document(
        search_space={"x": {"type": "choice", "values": [1]}}
    )
    document["search_space"]["x"]["values"].append(value)
    with pytest.raises(DefinitionError):
        parse_document(document)
