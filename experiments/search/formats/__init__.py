"""Sweeps of other systems: read from their own files, and written for them.

The content decides the format. Every setting that cannot be converted gets a note with
its path and line; nothing is left out silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from experiments.search.document.definition import SweepDefinition, parse_document
from experiments.search.document.entry import read_entry
from experiments.search.document.loading import MAX_CHARACTERS, load_document
from experiments.search.document.yaml import lines_of
from experiments.search.fields import (
    DefinitionError,
    Problem,
    listed,
    shown,
    unknown_name,
)
from experiments.search.formats.azure_scripts import azure_script, read_script
from experiments.search.formats.detect import FORMAT_READERS, FORMATS, FormatReader
from experiments.search.formats.export_azure import export_azure
from experiments.search.formats.export_katib import export_katib
from experiments.search.formats.export_optuna import export_optuna
from experiments.search.formats.export_wandb import export_wandb
from experiments.search.formats.imported import (
    Beside,
    FinishedTrial,
    Imported,
    InvalidImportError,
    Note,
    SourceMap,
    nothing_beside,
)
from experiments.search.formats.nodes import Log, Node
from experiments.search.formats.optuna_storage import MAGIC, read_storage
from experiments.search.formats.python_text import PythonText
from experiments.search.records import JSONValue
from experiments.search.samplers import fresh_seed

EXPORTERS: Mapping[str, Callable[[Node], str]] = {
    "azure": export_azure,
    "wandb": export_wandb,
    "katib": export_katib,
    "optuna": export_optuna,
}


def export_sweep(
    document: Mapping[str, object], format: str
) -> tuple[str, tuple[Note, ...]]:
    """A valid sweep document as text for another system, one of EXPORTERS, with notes.

    Raises DefinitionError for another format, or for a document that is not in its
    canonical form (`SweepDefinition.dump`).
    """
    if format not in EXPORTERS:
        message = unknown_name(format, EXPORTERS, kind="format to export")
        raise DefinitionError([Problem("", message)])
    log = Log(suggests=False)
    text = EXPORTERS[format](Node(document, "", log))
    log.diagnostics.raise_if_any()
    return text, log.in_order()


def definition_of(
    imported: Imported,
    document: Mapping[str, object] | None = None,
    *,
    new_seed: Callable[[], int] = fresh_seed,
) -> SweepDefinition:
    """The definition of an import, or of a `document` that was made from its document.

    Raises DefinitionError with paths in the file; fields that do not come from the file
    have their paths in our document.
    """
    given = imported.document if document is None else document
    try:
        return read_entry(given, new_seed=new_seed)
    except DefinitionError as error:
        raise DefinitionError(imported.source_map.translate(error.problems)) from error


def all_problems(
    own: Sequence[Problem], document: Mapping[str, JSONValue], source_map: SourceMap
) -> list[Problem]:
    """The importer's problems and those of the document it could read, by line.

    Leaves out problems of the document that follow from the importer's.
    """
    found = list(own)
    try:
        parse_document(document)
    except DefinitionError as error:
        paths = [problem.path for problem in own]
        found += [
            problem
            for problem in source_map.translate(error.problems)
            if not any(_belongs(problem.path, path) for path in paths)
        ]
    last = 1 + max(source_map.lines.values(), default=0)
    return sorted(found, key=lambda problem: source_map.line(problem.path) or last)


def _belongs(one: str, other: str) -> bool:
    """Whether one field is the other, or one is inside the other."""
    return one == other or one.startswith(f"{other}.") or other.startswith(f"{one}.")


def import_sweep(
    content: str | bytes,
    *,
    name: str = "",
    format: str = "",
    beside: Beside = nothing_beside,
) -> Imported:
    """A sweep of any known format as a sweep document of this site.

    `name` chooses a step of a pipeline or a study of a storage that holds several.
    `format`, one of FORMATS, skips the detection. `beside` reads other files in the
    folder of the content, which it may name. Raises DefinitionError, with paths in
    the content, when it cannot be read or its format is not known. Raises
    InvalidImportError when it breaks the rules of its own format; that error also has
    the problems of the sweep document that it would become.
    """
    if format and format not in FORMATS:
        raise _refusal(unknown_name(format, FORMATS, kind="format"))
    if isinstance(content, bytes):
        if content.startswith(MAGIC) and format in ("", "optuna"):
            return _storage(content, name)
        content = _decoded(content)
    content = content.removeprefix("\ufeff")
    if format in ("", "azure") and (script := azure_script(content)) is not None:
        return _script(script, name, beside)
    return _document(content, name, format, beside)


def _storage(content: bytes, name: str) -> Imported:
    log = Log()
    document = read_storage(content, log, name=name)
    return _imported("optuna", document, log, ["SQLite", "studies", "trials"], 0)


def _script(script: PythonText, name: str, beside: Beside) -> Imported:
    log = Log(beside=beside)
    document = read_script(script, log, name)
    return _imported("azure", document, log, ["Python that uses Azure's SDK"], 0)


def _document(content: str, name: str, format: str, beside: Beside) -> Imported:
    lines = lines_of(content)
    loaded = load_document(content)
    reader, settings = _recognized(loaded, format)
    log = Log(lines, beside=beside)
    document = reader.read(Node(loaded, "", log), name)
    return _imported(reader.format, document, log, settings, _leaves(loaded))


def _recognized(
    document: Mapping[str, object], format: str
) -> tuple[FormatReader, list[str]]:
    for reader in FORMAT_READERS:
        settings = reader.recognize(document)
        if settings and format in ("", reader.format):
            return reader, settings
    if format:
        # Its reader then reports what is missing.
        readers = [reader for reader in FORMAT_READERS if reader.format == format]
        return readers[-1], []
    known = listed(FORMATS.values(), last="or")
    fields = listed(map(shown, list(document)[:5])) or "nothing"
    raise _refusal(
        f"This is not {known}. It has {fields}. A sweep has at least search_space, "
        "trial and objective (this site and Azure ML), method and parameters (W&B), "
        "kind: Experiment (Katib), searchSpace (NNI) or distributions (Optuna)."
    )


def _imported(
    format: str,
    document: Mapping[str, object],
    log: Log,
    recognized_by: list[str],
    settings: int,
) -> Imported:
    imported = Imported(
        format=format,
        document=document,  # type: ignore[arg-type]
        notes=log.in_order(),
        trials=tuple(log.trials),
        recognized_by=tuple(recognized_by),
        settings=settings,
        source_map=log.source_map,
    )
    own = log.diagnostics.problems
    if own:
        problems = all_problems(own, imported.document, log.source_map)
        raise InvalidImportError(problems, imported)
    return imported


def _leaves(value: object) -> int:
    """The number of values apart from mappings; a list of plain values counts as 1."""
    if isinstance(value, Mapping):
        return sum(map(_leaves, value.values()))
    if isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        return sum(map(_leaves, value))
    return 1


def _decoded(content: bytes) -> str:
    if len(content) > MAX_CHARACTERS:
        raise _refusal(f"A document may have up to {MAX_CHARACTERS:,} bytes.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _refusal(
            f"This is neither UTF-8 text (byte {error.start + 1} is not valid) nor an "
            "Optuna storage file."
        ) from None


def _refusal(message: str) -> DefinitionError:
    return DefinitionError([Problem("", message)])


__all__ = [
    "EXPORTERS",
    "FORMATS",
    "Beside",
    "FinishedTrial",
    "Imported",
    "InvalidImportError",
    "Note",
    "definition_of",
    "export_sweep",
    "import_sweep",
    "nothing_beside",
]
