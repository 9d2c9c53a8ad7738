"""Texts of the builder's fields: what they mean, and that writing keeps the meaning."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.pages import form_fields
from experiments.pages.builder.space.kinds import natural_text
from experiments.search.document.loading import load_document
from experiments.search.document.yaml import line_of, lines_by_path, yaml_text

PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(
        ["16", "1e-4", "true", "None", "no", "-", "[a]", "'", " x ", "a,b"]
    )
)
VALUES = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=3), max_leaves=6)


def as_json(value: object) -> str:
    """Text that tells 1, 1.0, true and "1" apart."""
    return json.dumps(value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("16, 32, 64", [16, 32, 64]),
        ('"16", 32', ["16", 32]),
        ("sgd, adam", ["sgd", "adam"]),
        ("'sgd', \"adam w\"", ["sgd", "adam w"]),
        ("true, false, null", [True, False, None]),
        ("True, None", [True, None]),
        ("1, 1.0, 1e-4, .5", [1, 1.0, 1e-4, 0.5]),
        ("[16, 32]", [16, 32]),
        ("[1, 2], [3]", [[1, 2], [3]]),
        ("[[relu, tanh]]", [["relu", "tanh"]]),
        ("16,,32,", [16, 32]),
        ("", []),
        ("it's, a b", ["it's", "a b"]),
        ("\N{MINUS SIGN}3", [-3]),
        ("NaN", ["NaN"]),
    ],
)
def test_a_list_of_values_is_read_with_their_types(text: str, values: object) -> None:
    assert as_json(form_fields.read_values(text)) == as_json(values)


@pytest.mark.parametrize(
    "text",
    ['16, "32', "[1, 2", "'a", '"a" b', "{a: 1}", "[" * 30 + "]" * 30, '{"a": NaN}'],
)
def test_a_list_that_cannot_be_read_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(form_fields.ValuesError) as refused:
        form_fields.read_values(text)
    assert str(refused.value).endswith(".")


@given(st.lists(VALUES, max_size=4))
def test_values_that_were_written_are_read_as_the_same(values: list[object]) -> None:
    text = form_fields.write_values(values)  # type: ignore[arg-type]
    assert as_json(form_fields.read_values(text)) == as_json(values)


@given(
    st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
def test_an_input_that_was_written_is_read_as_the_same(value: object) -> None:
    text = form_fields.write_plain(value)  # type: ignore[arg-type]
    assert "\n" not in text
    assert as_json(form_fields.read_plain(text)) == as_json(value)


@given(st.text())
def test_a_variable_that_was_written_is_read_as_the_same(value: str) -> None:
    text = form_fields.write_quoted(value)
    assert "\n" not in text
    assert form_fields.read_quoted(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("40", 40),
        (" 0.50 ", 0.5),
        ("1e400", "1e400"),
        ("abc", "abc"),
        ("1,000", "1,000"),
        ("9" * 500, "9" * 500),
        ("\u0663", "\u0663"),
    ],
)
def test_what_is_no_number_stays_the_text_that_it_is(text: str, value: object) -> None:
    assert as_json(form_fields.read_number(text)) == as_json(value)


def test_bounds_are_shown_in_natural_units_only_where_those_are_exact() -> None:
    assert natural_text(math.log(0.0001), math.e) == "0.0001"
    assert natural_text(-4, 10.0) == "0.0001"
    assert natural_text(-9.2, math.e) is None


# A document's text must not contain NUL.
TEXT = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=12)
SCALARS = PLAIN.filter(lambda value: not isinstance(value, str)) | TEXT
LISTED = SCALARS | st.lists(SCALARS, max_size=3)
DOCUMENTS = st.dictionaries(
    TEXT,
    st.dictionaries(
        TEXT, LISTED | st.dictionaries(TEXT, LISTED, max_size=3), max_size=3
    )
    | SCALARS,
    min_size=1,
    max_size=4,
)


@given(DOCUMENTS)
def test_yaml_of_a_document_reads_back_as_the_same_document(document: object) -> None:
    text = yaml_text(document)  # type: ignore[arg-type]
    assert as_json(load_document(text)) == as_json(document)


def test_every_field_of_a_text_has_its_line() -> None:
    text = "trial:\n  command: x\nsearch_space:\n  lr: {type: float,\n    low: 0}\n"
    lines = lines_by_path(text)
    assert line_of("search_space.lr.low", lines) == 5
    assert line_of("search_space.lr.high", lines) == 4
    assert line_of("limits.timeout", lines) is None
