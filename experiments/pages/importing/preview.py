"""Pasted or chosen content, and the sweep that it becomes for a team.

The page's form keeps the content between requests; nothing is stored before the draft.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest

from experiments import access
from experiments.models import Experiment, Team
from experiments.search.document.code import is_address
from experiments.search.document.definition import SweepDefinition
from experiments.search.document.entry import read_entry
from experiments.search.document.yaml import lines_of
from experiments.search.fields import DefinitionError, Problem, listed, shown
from experiments.search.formats import FinishedTrial, Imported, InvalidImportError, Note
from experiments.search.formats.detect import parts_of
from experiments.search.formats.imported import SourceMap
from experiments.sweeps.check import read_sweep
from experiments.sweeps.warm_start import usable_trials

MAX_TEXT = 2_000_000
MAX_BYTES = 64 << 20
# Characters in the form, which may have a few megabytes.
MAX_PACKED = 3_000_000
MAX_NAME = 100
MAX_FILES = 20


class ContentError(ValueError):
    """Content that cannot be imported, with a sentence that says why."""


@dataclass(frozen=True)
class Content:
    """A text, or the bytes of a file that is not text. `name` is the file's name.

    `others` are texts that were chosen with it, by their names.
    """

    data: str | bytes
    name: str = ""
    others: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.data if isinstance(self.data, str) else ""

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data.encode() if isinstance(self.data, str) else self.data)

    @property
    def packed(self) -> str:
        """The bytes as the value of a form field; empty for text."""
        if isinstance(self.data, str):
            return ""
        return base64.b64encode(zlib.compress(self.data, 9)).decode()

    @property
    def packed_others(self) -> str:
        return json.dumps(dict(self.others)) if self.others else ""

    def beside(self, path: str) -> str | None:
        """A text of the others; browsers tell only the last part of a path."""
        return self.others.get(PurePosixPath(path).name)

    @property
    def is_carried(self) -> bool:
        """Whether the page can send it again."""
        return len(self.packed) <= MAX_PACKED


def sent_content(request: HttpRequest) -> Content | None:
    """The chosen files, or the text or file in the page's form; None without any.

    Raises ContentError.
    """
    if files := request.FILES.getlist("file"):
        return _with_others([_chosen(file) for file in files[:MAX_FILES]])
    name = request.POST.get("name", "")[:MAX_NAME]
    packed = request.POST.get("packed", "")
    if packed:
        return Content(_unpacked(packed), name)
    text = request.POST.get("text", "")
    if not text.strip():
        return None
    return replace(_content(text.encode(), name), others=_sent_others(request))


def _chosen(file: UploadedFile[Any]) -> Content:
    if (file.size or 0) > MAX_BYTES:
        raise ContentError(
            f"The file has {(file.size or 0) / 1e6:.0f} MB; up to {MAX_BYTES >> 20} MB"
            f" are allowed, or {MAX_TEXT / 1e6:.0f} MB if it is text."
        )
    return _content(file.read(), (file.name or "")[:MAX_NAME])


def _with_others(contents: Sequence[Content]) -> Content:
    """The content that names another one, else the first, with the others."""
    names = {content.name for content in contents}
    main = next(
        (c for c in contents if any(n in c.text for n in names - {c.name, ""})),
        contents[0],
    )
    others = {c.name: c.text for c in contents if c is not main and c.text}
    if sum(map(len, others.values())) > MAX_TEXT:
        raise ContentError(
            f"The files have more than {MAX_TEXT / 1e6:.0f} MB of text together. Choose"
            " only those that the sweep names."
        )
    return replace(main, others=others)


def _sent_others(request: HttpRequest) -> Mapping[str, str]:
    try:
        found = json.loads(request.POST.get("others") or "{}")
    except (ValueError, RecursionError):
        found = {}
    entries = found.items() if isinstance(found, dict) else ()
    return {name: text for name, text in entries if isinstance(text, str)}


def _content(data: bytes, name: str) -> Content:
    """The content as text if it is text, otherwise as bytes."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Content(data, name)
    if "\0" in text[:100]:
        return Content(data, name)
    if len(text) > MAX_TEXT:
        raise ContentError(
            f"The text has {len(text):,} characters; up to {MAX_TEXT:,} are allowed"
            " here. For more, use python manage.py sweep submit FILE."
        )
    return Content(text.replace("\r\n", "\n"), name)


def _unpacked(packed: str) -> bytes:
    try:
        stream = zlib.decompressobj()
        data = stream.decompress(base64.b64decode(packed, validate=True), MAX_BYTES)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ContentError("The file is incomplete. Choose it again.") from error
    if not stream.eof:
        raise ContentError("The file is incomplete. Choose it again.")
    return data


@dataclass(frozen=True)
class ImportPreview:
    """A content and the sweep document that it becomes.

    `imported` is None if the content cannot be read, `definition` if it is not a valid
    sweep. `problems` have paths in the content, `wrong` paths in the document. The
    document is `incomplete` if only a part could be read. `parts` are the names of the
    sweeps in the content if it has several. `took` is in milliseconds.
    """

    content: Content
    format: str
    part: str
    imported: Imported | None
    document: Mapping[str, Any]
    definition: SweepDefinition | None
    notes: Sequence[Note]
    problems: Sequence[Problem]
    wrong: Sequence[str]
    parts: Sequence[str]
    took: float
    incomplete: bool = False

    @property
    def source_map(self) -> SourceMap:
        """Where the document's fields are in the content."""
        return self.imported.source_map if self.imported else SourceMap()

    @property
    def first_note(self) -> int:
        """The number of the first note; problems have the numbers before it."""
        return len(self.problems) + 1

    @property
    def trials(self) -> Sequence[FinishedTrial]:
        """The finished trials that are imported."""
        if self.imported is None or self.definition is None:
            return ()
        return usable_trials(self.definition.search_space, self.imported.trials)


def read_content(
    content: Content,
    team: Team,
    *,
    experiment: Experiment | None = None,
    format: str = "",
    part: str = "",
) -> ImportPreview:
    """Read and check a content for a team; the same content gives the same sweep."""
    start = time.perf_counter()
    imported, definition = None, None
    document: dict[str, Any] = {}
    notes: list[Note] = []
    problems: Sequence[Problem] = ()
    wrong: Sequence[str] = ()
    incomplete = False
    try:
        imported, problems = read_part(content, part=part, format=format)
        incomplete = bool(problems)
        document = dict(imported.document)
        notes = merged(imported.notes, fit_to_team(document, team, imported, content))
        if experiment is not None:
            document["experiment_name"] = experiment.name
        definition = read_entry(document, new_seed=lambda: _seed(content))
    except DefinitionError as error:
        wrong = [problem.path for problem in error.problems]
        if not problems:
            translate = imported.source_map.translate if imported else list
            problems = translate(error.problems)
    parts = parts_of(content.data)
    return ImportPreview(
        content=content,
        format=format,
        part=part,
        imported=imported,
        document=document,
        definition=None if problems else definition,
        notes=notes,
        problems=problems,
        wrong=wrong,
        incomplete=incomplete,
        parts=parts if len(parts) > 1 else (),
        took=1000 * (time.perf_counter() - start),
    )


def read_part(
    content: Content, *, part: str, format: str
) -> tuple[Imported, Sequence[Problem]]:
    """A sweep, or the readable part of one with all its problems.

    Raises DefinitionError for a content that is not a sweep.
    """
    try:
        imported = read_sweep(
            content.data, part=part, format=format, beside=content.beside
        )
        return imported, ()
    except InvalidImportError as error:
        return error.imported, error.problems


def fit_to_team(
    document: dict[str, Any], team: Team, imported: Imported, content: Content
) -> list[Note]:
    """Use a pool of the team, and drop code that the site does not have."""
    found = [_drop_local_code(document), _use_team_pool(document, team)]
    lines = lines_of(content.text) if imported.format != "optuna" else {}
    return [
        Note(path, lines.get(path), "left out" if gone else "changed", message, advice)
        for path, gone, message, advice in filter(None, found)
    ]


def merged(notes: Sequence[Note], of_team: Sequence[Note]) -> list[Note]:
    """All notes by line; those of the team replace the importer's on one path."""
    replaced = {note.path for note in of_team}
    kept = [note for note in notes if note.path not in replaced]
    last = max((note.line or 0 for note in notes), default=0) + 1
    return sorted([*kept, *of_team], key=lambda note: note.line or last)


Found = tuple[str, bool, str, str]


def _drop_local_code(document: dict[str, Any]) -> Found | None:
    """Remove a folder next to the file, which the site does not have."""
    trial = document.get("trial")
    code = trial.get("code") if isinstance(trial, Mapping) else None
    if not isinstance(trial, Mapping) or not isinstance(code, str) or is_address(code):
        return None
    document["trial"] = {key: trial[key] for key in trial if key != "code"}
    message = f"The folder {shown(code)} is not part of the file."
    return "trial.code", True, message, "Choose its files in the form."


def _use_team_pool(document: dict[str, Any], team: Team) -> Found | None:
    pools = list(access.pools_for_team(team).values_list("name", flat=True))
    named = document.get("compute")
    name = named.removeprefix("azureml:") if isinstance(named, str) else "default"
    if not pools or name in pools:
        return None
    document["compute"] = pools[0]
    if named is None:
        return None
    message = f"Team {team.name} has no worker pool {shown(name)}; {pools[0]} is used."
    others = listed(pools[1:20], last="or")
    return "compute", False, message, f"You can also use {others}." if others else ""


def _seed(content: Content) -> int:
    """A seed that is the same for the preview and the draft."""
    data = content.data.encode() if isinstance(content.data, str) else content.data
    return int.from_bytes(hashlib.sha256(data).digest()[:4]) >> 1
