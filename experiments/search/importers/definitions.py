"""What an import gives, parsed: its problems in the words of the text that was read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from experiments.search.definition import SweepDefinition, parse_document
from experiments.search.importers.imported import Imported
from experiments.search.importers.places import Places
from experiments.search.problems import DefinitionError, Problem
from experiments.search.records import JSONValue
from experiments.search.samplers import fresh_seed


def definition_of(
    imported: Imported,
    document: Mapping[str, object] | None = None,
    *,
    new_seed: Callable[[], int] = fresh_seed,
) -> SweepDefinition:
    """The definition of an import, or of a `document` that was made of its own.

    Raises DefinitionError with the paths of the file that was read, and with our own
    path for what does not come from it.
    """
    given = imported.document if document is None else document
    try:
        return parse_document(given, new_seed=new_seed)
    except DefinitionError as error:
        raise DefinitionError(imported.places.told(error.problems)) from error


def all_problems(
    own: Sequence[Problem], document: Mapping[str, JSONValue], places: Places
) -> list[Problem]:
    """The importer's own problems and those of what could be read, by line.

    A problem of the document that follows from one of the importer's is left out.
    """
    found = list(own)
    try:
        parse_document(document)
    except DefinitionError as error:
        paths = [problem.path for problem in own]
        found += [
            problem
            for problem in places.told(error.problems)
            if not any(_belongs(problem.path, path) for path in paths)
        ]
    last = 1 + max(places.lines.values(), default=0)
    return sorted(found, key=lambda problem: places.line(problem.path) or last)


def _belongs(one: str, other: str) -> bool:
    """Whether one field is the other, or is inside it."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")
