"""The table of documents, each with its expected result."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from experiments.search.document.definition import parse_document
from experiments.search.fields import DefinitionError
from experiments.search.formats import FORMATS, definition_of, import_sweep
from tests.search.formats.documents import CASES, GOOD, INVALID, Case

WRONG = [case for case in CASES if case.problems]


def test_the_table_has_sixty_documents_of_every_format():
    assert len(CASES) >= 60
    assert {case.format for case in GOOD} == set(FORMATS)


@pytest.mark.parametrize("case", GOOD)
def test_a_document_becomes_what_is_expected(case: Case):
    imported = import_sweep(case.text)
    assert imported.format == case.format
    assert imported.document == case.document
    assert imported.recognized_by


@pytest.mark.parametrize("case", GOOD)
def test_every_change_has_its_path_line_and_sentence(case: Case):
    notes = import_sweep(case.text).notes
    found = [[note.kind, note.path, str(note.line or "-")] for note in notes]
    assert found == [row[:3] for row in case.notes]
    assert [note.message for note in notes] == [row[3] for row in case.notes]


@pytest.mark.parametrize("case", [case for case in CASES if case.trials])
def test_finished_trials_are_imported(case: Case):
    trials = import_sweep(case.text).trials
    assert [[t.params, t.value, t.state] for t in trials] == case.trials


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_document_has_every_problem_with_its_path(case: Case):
    with pytest.raises(DefinitionError) as error:
        definition_of(import_sweep(case.text))
    assert [list(problem) for problem in error.value.problems] == case.problems


@pytest.mark.parametrize("case", GOOD)
def test_the_result_is_a_valid_document(case: Case):
    document = import_sweep(case.text).document
    if case.name.endswith(INVALID):
        with pytest.raises(DefinitionError):
            parse_document(document)
    else:
        definition = parse_document(document, new_seed=lambda: 0)
        assert parse_document(definition.dump()) == definition


@pytest.mark.parametrize("case", GOOD)
def test_a_note_is_about_a_line_of_the_text(case: Case):
    for note in import_sweep(case.text).notes:
        assert note.kind in ("left out", "changed")
        assert note.message.endswith(".")
        assert note.line is None or 1 <= note.line <= case.text.count("\n")


def _mappings(value: object, path: str = "") -> Iterator[tuple[str, dict]]:
    if isinstance(value, dict):
        yield path, value
        for key, item in value.items():
            yield from _mappings(item, f"{path}.{key}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _mappings(item, f"{path}.{index}")


def _is_reported(text: str) -> bool:
    """Whether an unknown key is in the document, in a note or in a problem."""
    try:
        imported = import_sweep(text)
    except DefinitionError as error:
        return "zzz" in str(error)
    # A mapping that is left out has one note at its path.
    return "zzz" in f"{imported.document} {imported.notes}"


STRANGE = "zzz_unknown"
YAML_CASES = [
    case
    for case in GOOD
    if case.format not in ("sweepsite",) and "script" not in case.name
    if "bare_space_of_calls" not in case.name
]


@pytest.mark.parametrize("case", YAML_CASES)
def test_an_unknown_key_is_never_lost(case: Case):
    import json

    import yaml

    whole = yaml.safe_load(case.text)
    left_out = [row[1] for row in case.notes if row[0] == "left out"]
    for path, mapping in _mappings(whole):
        place = path.removeprefix(".")
        if any(place == out or place.startswith(f"{out}.") for out in left_out):
            continue
        mapping[STRANGE] = {"zzz": 1}
        assert _is_reported(json.dumps(whole)), f"lost at {place or 'the top'}"
        del mapping[STRANGE]


@pytest.mark.parametrize("case", GOOD)
def test_the_same_text_gives_the_same_sweep(case: Case):
    assert import_sweep(case.text) == import_sweep(case.text.encode())
