"""Reads a sweep of any known format and shows what it would try. Stores nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from experiments.search.document.definition import SweepDefinition
from experiments.search.document.loading import load_document
from experiments.search.fields import DefinitionError, Problem
from experiments.search.formats import (
    Beside,
    Imported,
    InvalidImportError,
    definition_of,
    import_sweep,
    nothing_beside,
)
from experiments.search.formats.detect import FORMAT_READERS
from experiments.search.preview import (
    BINS,
    Histogram,
    sampled_configurations,
    space_histograms,
)
from experiments.search.samplers import Sampler, make_sampler
from experiments.search.space.sampling import InfeasibleError

MAX_CONFIGURATIONS = 10
# An unknown document with one of these fields is ours, with mistakes.
OURS = frozenset({"trial", "search_space", "objective", "limits"})


def read_sweep(
    content: str | bytes,
    *,
    part: str = "",
    format: str = "",
    beside: Beside = nothing_beside,
) -> Imported:
    """A text or file of any known format. Raises DefinitionError.

    `part` names one of several steps or studies, `beside` reads files in the content's
    folder. A document of no known format that has
    our fields is read as ours, so that each mistake is reported.
    """
    try:
        return import_sweep(content, name=part, format=format, beside=beside)
    except InvalidImportError:
        raise
    except DefinitionError:
        if format or not _is_ours(content):
            raise
    return import_sweep(content, format="sweepsite")


def _is_ours(content: str | bytes) -> bool:
    text = content if isinstance(content, str) else content.decode(errors="replace")
    try:
        document = load_document(text)
    except DefinitionError:
        return False
    known = any(reader.recognize(document) for reader in FORMAT_READERS)
    return not known and not OURS.isdisjoint(document)


@dataclass(frozen=True)
class Checked:
    """A valid definition and a preview of its search space.

    ``combinations`` is None when there are infinitely many, or too many to count with
    the constraints; ``combinations_words`` says which. ``histograms`` are
    those of all axes, parameters inside nested choices included.
    """

    definition: SweepDefinition
    combinations: int | None
    combinations_words: str
    histograms: dict[str, Histogram]
    configurations: list[dict[str, Any]]


def check_import(imported: Imported, *, bins: int = BINS) -> Checked:
    """Read the document and draw from its search space.

    Raises DefinitionError with paths in the text that was read. A histogram has at
    most `bins` bins.
    """
    definition = definition_of(imported)
    space = definition.search_space
    sampler = make_sampler(definition.sampling_algorithm, space)
    return Checked(
        definition=definition,
        combinations=space.count(),
        combinations_words=space.count_words(),
        histograms=space_histograms(space, bins=bins),
        configurations=_configurations(sampler),
    )


def _configurations(sampler: Sampler) -> list[dict[str, Any]]:
    try:
        return sampled_configurations(sampler, MAX_CONFIGURATIONS)
    except InfeasibleError as error:
        raise DefinitionError([Problem("constraints", str(error))]) from error
