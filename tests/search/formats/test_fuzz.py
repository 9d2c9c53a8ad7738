"""Any text or bytes are imported, or refused with reasons, in time."""

from __future__ import annotations

import copy
import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.search.fields import DefinitionError
from experiments.search.formats import FORMATS, definition_of, import_sweep
from tests.in_time import in_time
from tests.search.formats.documents import CASES

TEXTS = [case.text for case in CASES]
LOADED = [
    yaml.safe_load(case.text)
    for case in CASES
    if not case.problems and "script" not in case.name and "calls" not in case.name
]
ODD = st.sampled_from(
    [None, True, 0, -1, 1e308, -1e308, 1e-308, 10**400, float("nan"), float("inf"), ""]
) | st.sampled_from(["x", "1", [], {}, [[]], [None], {"a": {}}, ["uniform", [0, 1]]])


def _only_its_own_error(content: str | bytes, **options: str) -> None:
    def read() -> None:
        try:
            definition_of(import_sweep(content, **options), new_seed=lambda: 0)
        except DefinitionError as error:
            assert error.problems
            assert all(problem.message for problem in error.problems)

    in_time(1, read)


@given(st.text())
def test_any_text(text: str):
    _only_its_own_error(text)


@given(st.binary())
def test_any_bytes(content: bytes):
    _only_its_own_error(content)


@given(st.text(st.characters(codec="ascii"), max_size=60), st.sampled_from([*FORMATS]))
def test_any_text_read_as_a_given_format(text: str, name: str):
    _only_its_own_error("search_space: {" + text, format=name)
    _only_its_own_error("{" + text + "}", format=name)


@settings(max_examples=200)
@given(st.data())
def test_documents_with_pieces_cut_out_or_put_in(data: st.DataObject):
    text = data.draw(st.sampled_from(TEXTS))
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 30, len(text))))
    other = data.draw(st.sampled_from(TEXTS))
    place = data.draw(st.integers(0, len(other)))
    _only_its_own_error(text[:start] + other[place : place + 20] + text[end:])


def _places(value: object) -> list[tuple[object, object]]:
    pairs = list(value.items()) if isinstance(value, dict) else []
    pairs += list(enumerate(value)) if isinstance(value, list) else []
    found = [(value, key) for key, _ in pairs]
    return found + [place for _, item in pairs for place in _places(item)]


@settings(max_examples=300)
@given(st.sampled_from(LOADED), st.data())
def test_documents_with_a_value_of_another_kind(document: dict, data: st.DataObject):
    document = json.loads(json.dumps(document))
    for _ in range(data.draw(st.integers(1, 3))):
        places = _places(document)
        if not places:
            break
        inside, key = data.draw(st.sampled_from(places))
        inside[key] = copy.deepcopy(data.draw(ODD))
    _only_its_own_error(json.dumps(document))
    _only_its_own_error(yaml.safe_dump(document))


@settings(max_examples=300)
@given(st.sampled_from(LOADED), st.data())
def test_a_key_with_an_extra_letter_is_reported(document: dict, data: st.DataObject):
    document = json.loads(json.dumps(document))
    # A null has no effect under any name.
    telling = [(item, _keys_with_values(item)) for item in _mappings(document)]
    inside, keys = data.draw(st.sampled_from([both for both in telling if both[1]]))
    key = data.draw(st.sampled_from(keys))
    place = data.draw(st.integers(0, len(key)))
    wrong = f"{key[:place]}q{key[place:]}"
    value = inside.pop(key)
    inside[wrong] = value
    try:
        imported = import_sweep(json.dumps(document))
        definition_of(imported, new_seed=lambda: 0)
    except DefinitionError as error:
        assert error.problems
        return
    outside = [note.path for note in imported.notes if note.kind == "left out"]
    told = f"{imported.document} {imported.trials} {imported.notes}"
    assert wrong in told or any(_is_around(path, document, inside) for path in outside)


def _keys_with_values(mapping: dict) -> list[str]:
    return [key for key, value in mapping.items() if value is not None]


def _mappings(value: object) -> list[dict]:
    inner = value.values() if isinstance(value, dict) else ()
    inner = value if isinstance(value, list) else inner
    found = [value] if isinstance(value, dict) else []
    return found + [item for part in inner for item in _mappings(part)]


def _is_around(path: str, document: object, mapping: dict) -> bool:
    """Whether a mapping is at a path or inside it."""
    rest = path
    while rest and not isinstance(document, str | int | float | None):
        keys = range(len(document)) if isinstance(document, list) else [*document]
        taken = [
            key for key in map(str, keys) if rest == key or rest.startswith(f"{key}.")
        ]
        if not taken:
            return False
        key = max(taken, key=len)
        document = document[int(key) if isinstance(document, list) else key]
        rest = rest[len(key) + 1 :]
    return any(item is mapping for item in _mappings(document))


@settings(max_examples=150)
@given(st.sampled_from(LOADED), st.sampled_from([*FORMATS]))
def test_documents_read_as_something_else(document: dict, name: str):
    _only_its_own_error(json.dumps(document), format=name)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{letter}: &{letter} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, letter in zip("abcdefgh", "bcdefghi", strict=True)
)
ITEM = "- {name: a, parameterType: x, feasibleSpace: {min: q}, zzz: 1}\n"
KATIB = "apiVersion: kubeflow.org/v1beta1\nkind: Experiment\nspec:\n  parameters:\n"
HOSTILE = {
    "aliases": BOMB,
    "brackets": "method: random\nparameters: " + "[" * 100_000,
    "braces": "{" * 100_000,
    "json braces": '{"a":' * 50_000,
    "dashes": "- " * 100_000,
    "keys": "? " * 100_000,
    "quotes": "a: '" + "''" * 1_000_000,
    "long list": "method: random\nparameters: [" + "1," * 1_000_000 + "1]",
    "long json": '{"method": "random", "parameters": [' + "1," * 1_900_000 + "1]}",
    "no lines": '{"name": "\\ud83d\\ude00", "type": "sweep", "search_space": {'
    + ", ".join(f'"p{n}": {{"type": "choice"}}' for n in range(30_000))
    + "}}",
    "many keys": "method: random\n" + "".join(f"k{n}: 1\n" for n in range(20_000)),
    "many parameters": "method: random\nparameters:\n"
    + "".join(f"  p{n}: {{distribution: unifrom}}\n" for n in range(10_000)),
    "one name": "method: random\nparameters:\n"
    + "".join(f"  'p{'-' * (n % 190)}{n}': {{value: 1}}\n" for n in range(10_000)),
    "many items": KATIB + ITEM * 4_000,
    "long keys": "method: random\nparameters:\n"
    + "".join(f"{' ' * n}{'k' * 9_000}:\n" for n in range(2, 32))
    + "".join(f"{' ' * 32}q{n}: 1\n" for n in range(10_000)),
    "digits": "method: random\nrun_cap: " + "9" * 1_000_000,
    "powers": "RandomParameterSampling({'x': uniform(0, 9**9**9**9)})",
    "calls": "RandomParameterSampling(" * 5_000,
    "parentheses": "x = choice(" + "(" * 40_000,
    "minus": "x = choice(" + "-" * 40_000 + "1)",
    "entities": "<?xml version='1.0'?><!DOCTYPE x>" * 1_000,
    "tags": "!!python/object/apply:os.system ['true']",
    "tagged": "method: !!python/name:os.system random\nparameters: {}",
    "tabs": "\t" * 1_000_000,
    "colons": ":" * 1_000_000,
    "spaces": "a:" + " " * 3_000_000,
    "lines": "\n" * 3_000_000,
    "letters": "x" * 3_900_000,
    "too long": "#" * 5_000_000,
    "macros": "program: a\nmethod: random\nparameters: {a: {value: 1}}\ncommand: ['"
    + "${args}" * 20_000
    + "']",
    "open macros": "program: a\nmethod: random\nparameters: {a: {value: 1}}\n"
    "command: ['" + "${args:" * 100_000 + "']",
    "many arguments": "program: a\nmethod: random\nparameters: {"
    + ", ".join(f"p{n}: {{value: 1}}" for n in range(900))
    + "}\ncommand: ["
    + "'${args}', " * 2_000
    + "]",
    "long program": f"program: &p {'p' * 1_000_000}\nmethod: random\n"
    "parameters: {a: {value: 1}}\ncommand: ['" + "${program}" * 1_000 + "']",
    "long groups": f"program: a\nmethod: random\nparameters: {{? {'g' * 900_000}\n"
    "  : {parameters: {" + ", ".join(f"p{n}: {{value: 1}}" for n in range(900)) + "}}}",
    "open references": KATIB
    + "  - {name: a, parameterType: double, feasibleSpace: {min: 0, max: 1}}\n"
    "  trialTemplate: {trialSpec: {spec: {containers: [{name: a, command: ['"
    + "${trialParameters." * 40_000
    + "']}]}}}",
    "shared words": f"x: &x {'w' * 500_000}\nprogram: a\nmethod: random\n"
    "parameters: {a: {value: 1}}\ncommand: [" + "*x, " * 190 + "]",
    "nuls": "\0" * 100_000,
    "surrogates": "method: random\nparameters: {'\ud800': {value: 1}}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_refused_or_read_within_a_second(name: str):
    _only_its_own_error(HOSTILE[name])


@pytest.mark.parametrize("name", ["aliases", "brackets", "braces", "dashes", "tags"])
def test_hostile_text_is_refused_with_a_reason(name: str):
    with pytest.raises(DefinitionError):
        import_sweep(HOSTILE[name])


def test_code_of_many_commas_is_read_within_a_second():
    code = "f(1, 2, 3)\n" * 100_000
    own = {"trial": {"command": "fit", "code": {"files": {"fit.py": code}}}}
    own |= {"search_space": {"x": "uniform(0, 1)"}, "display_name": "\N{CAT}"}
    imported = in_time(1, lambda: import_sweep(json.dumps(own)))
    assert imported.document == own


def test_text_in_another_encoding_is_refused_with_the_byte():
    with pytest.raises(DefinitionError, match="byte 10 is not"):
        import_sweep("method: müde".encode("latin-1"))


def test_a_byte_order_mark_does_no_harm():
    text = TEXTS[0]
    assert import_sweep(b"\xef\xbb\xbf" + text.encode()) == import_sweep(text)


def test_an_unknown_format_is_refused():
    with pytest.raises(DefinitionError, match="did you mean wandb"):
        import_sweep("a: 1", format="wandbb")
