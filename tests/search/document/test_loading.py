from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.search.document.loading import (
    MAX_CHARACTERS,
    checked_document,
    load_document,
)
from experiments.search.fields import DefinitionError
from tests.in_time import in_time

# Of the processor's time; only the longest documents take more than milliseconds.
SECONDS = 1.0
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=8,
)


@given(value=JSON)
def test_json_is_read_as_it_is(value: object) -> None:
    assert load_document(json.dumps({"x": value})) == {"x": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1.0e-4", 1e-4),
        (".5", 0.5),
        ("-3", -3),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("true", True),
        ("True", True),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("null", None),
        ("~", None),
        ("", None),
        ("2024-01-01", "2024-01-01"),
        ("'1'", "1"),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("[1, 'a', null]", [1, "a", None]),
        ("{a: 1, b: {c: 2}}", {"a": 1, "b": {"c": 2}}),
        ("|\n  two\n  lines", "two\nlines\n"),
        (">-\n  one\n  line", "one line"),
        ("${{search_space.lr}}", "${{search_space.lr}}"),
        ("choice(1, 2)", "choice(1, 2)"),
        ("=", "="),
        ("e1", "e1"),
    ],
)
def test_plain_yaml_scalars_are_those_of_version_1_2(text: str, value: object) -> None:
    found = load_document(f"x: {text}\n")["x"]
    assert found == value and type(found) is type(value)


def test_nan_is_a_number_for_the_fields_to_refuse() -> None:
    found = load_document("x: .nan")["x"]
    assert isinstance(found, float) and math.isnan(found)


def test_an_alias_stands_for_its_anchor() -> None:
    assert load_document("a: &x {b: 1}\nc: *x") == {"a": {"b": 1}, "c": {"b": 1}}


def test_flow_style_that_is_no_json_is_yaml() -> None:
    assert load_document("{a: 1, b: choice(1)}") == {"a": 1, "b": "choice(1)"}


def nested(levels: int) -> str:
    return "x: " + "[" * levels + "]" * levels


LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)
)
DEEP_ALIASES = "a0: &a0 [x]\n" + "".join(
    f"a{n}: &a{n} {'[' * 30}*a{n - 1}{']' * 30}\n" for n in range(1, 150)
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be a mapping of fields, not null"),
        ("- 1", "must be a mapping of fields, not [1]"),
        ("just text", "must be a mapping"),
        ("a: 1\na: 2", 'Line 2, column 1: The field "a" is given twice'),
        ('{"a": 1, "a": 2}', 'The field "a" is given twice'),
        ("1: x", "Line 1, column 1: The field 1 is not text"),
        ("[1]: x", "is not text"),
        ("a: [1", "flow sequence"),
        ("a: 'b", "Line 1"),
        ("a:\n\tb: 1", "Line 2"),
        ("a: b: c", "Line 1, column 5"),
        ("a: *x", "undefined alias"),
        ("a: 1\n---\nb: 2", "single document"),
        ("a: \0", "cannot be read"),
        ('{"a": "\\u0000"}', "NUL"),
        ('{"\\ud800": 1}', "half of a surrogate pair"),
        ("a: \ud800", "cannot be read"),
        ("a: !!python/object/apply:os.system ['x']", "constructor for the tag"),
        ("a: !!python/name:os.system", "constructor for the tag"),
        ("a: !!timestamp 2024-01-01", "constructor for the tag"),
        ("a: !!binary aGk=", "constructor for the tag"),
        ("a: !!set {x}", "constructor for the tag"),
        ("a: !own 1", "constructor for the tag"),
        ("a: !!map [1]", "mapping is expected"),
        (nested(41), "deeper than 40"),
        (nested(100_000), "nest"),
        ('{"x": ' * 100_000, "deeper than 40"),
        ('{"x": ' + "[" * 50 + "]" * 50 + "}", "deeper than 40"),
        ("x: &a [*a]", "recursive"),
        ("x: &a {y: *a}", "recursive"),
        (DEEP_ALIASES, "deeper than 40"),
        (LAUGHS, "counting each alias"),
        ("x: [" + "1," * 40_001 + "]", "more than 40,000"),
        ('{"x": [' + "[1.5]," * 60_000 + "1]}", "more than 100,000"),
        ("a: &a 1\nb: [" + "*a," * 201 + "]", "200 aliases"),
        ("x" * 4_000_001, "4,000,000"),
    ],
)
def test_what_is_no_document_is_refused_in_time(text: str, words: str) -> None:
    told = in_time(SECONDS, lambda: refusal(text))
    assert words in told
    assert len(told) < 500


def refusal(text: str) -> str:
    with pytest.raises(DefinitionError) as caught:
        load_document(text)
    return str(caught.value)


def longest(piece: str, start: str = "", end: str = "") -> str:
    """A text of as many pieces as a document may have characters."""
    most = MAX_CHARACTERS - len(start) - len(end)
    return start + piece * (most // len(piece)) + end


LONGEST = {
    "flow list": longest("1,", "x: [", "]"),
    "flow mapping": longest("a: ,", "x: {", "}"),
    "block list": longest("- 1\n", "x:\n"),
    "block mapping": "".join(f"k{n}: 1\n" for n in range(350_000)),
    "anchors": longest("&a 1,", "x: [", "]"),
    "documents": longest("--- a\n"),
    "integers in JSON": longest("1,", '{"x": [', "1]}"),
    "floats in JSON": longest("1.5,", '{"x": [', "1]}"),
    "texts in JSON": longest('"",', '{"x": [', "1]}"),
    "mappings in JSON": longest("{},", '{"x": [', "1]}"),
    "lists in JSON": longest("[],", '{"x": [', "1]}"),
    "names in JSON": json.dumps({f"k{n}": 1 for n in range(250_000)}),
    "a list as JSON": longest("1,", "[", "1]"),
    "JSON that is cut off": longest("1,", '{"x": ['),
    "lists in lists": '{"x":' + ("[" + "1," * 99_000) * 20 + "1" + "]" * 20 + "}",
    "a name twice": "{" + ",".join(f'"k{n}":""' for n in range(90_000)) + ',"k9":1}',
    "a name twice in YAML": "".join(f"k{n}: 1\n" for n in range(19_000)) + "k9: 1",
}


@pytest.mark.parametrize("name", LONGEST)
def test_a_text_of_more_values_than_any_sweep_is_refused_in_time(name: str) -> None:
    in_time(SECONDS, lambda: refusal(LONGEST[name]))


CODE = longest("    x = {'a': [1, 2], \"b\": y}  # one, two\n")[:3_000_000]
WITH_CODE = {
    "a block": "x: |1\n " + CODE.replace("\n", "\n "),
    "JSON": json.dumps({"x": CODE}),
    "quotes in YAML": "x: " + json.dumps(CODE),
}


@pytest.mark.parametrize("name", WITH_CODE)
def test_code_is_one_value_however_long_it_is(name: str) -> None:
    found = in_time(SECONDS, lambda: load_document(WITH_CODE[name]))["x"]
    assert str(found).strip() == CODE.strip()


@pytest.mark.parametrize(
    "text",
    [
        "x: [" + "1," * 39_000 + "]",
        "".join(f"k{n}: 1.5e-3\n" for n in range(19_900)),
        '{"x": [' + "{}," * 90_000 + "1]}",
    ],
)
def test_a_text_of_as_many_values_as_allowed_is_read_in_time(text: str) -> None:
    assert in_time(SECONDS, lambda: load_document(text))


def test_a_merge_key_is_a_field_like_any_other() -> None:
    assert load_document("a: &a {x: 1}\nb: {<<: *a}")["b"] == {"<<": {"x": 1}}


@pytest.mark.parametrize("digits", [500, 1_000_000])
def test_a_number_of_many_digits_is_no_burden(digits: int) -> None:
    assert load_document("x: " + "9" * digits)["x"] == math.inf
    assert load_document('{"x": ' + "9" * digits + "}")["x"] == math.inf


def test_a_document_from_elsewhere_is_checked_too() -> None:
    assert checked_document({"a": [1, {"b": None}]})
    for value in ({"a": {1: 2}}, {"a": object()}, {"a": (1,)}, [], None, {1: 2}):
        with pytest.raises(DefinitionError):
            checked_document(value)
