"""What was pasted or chosen to be imported, and what it becomes for a team.

The page carries the content from step to step: nothing is stored before a draft is made
of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from experiments import access
from experiments.models import Experiment, Team
from experiments.search.document.code import is_address
from experiments.search.document.definition import SweepDefinition, parse_document
from experiments.search.document.yaml import lines_of
from experiments.search.fields import DefinitionError, Problem, listed, shown
from experiments.search.formats import FinishedTrial, Imported, InvalidImportError, Note
from experiments.search.formats.detect import parts_of
from experiments.search.formats.imported import SourceMap
from experiments.sweeps.check import read_sweep
from experiments.sweeps.warm_start import usable_trials

MAX_TEXT = 2_000_000
MAX_BYTES = 64 << 20
# As characters of the form, which the site takes up to a few megabytes of.
MAX_PACKED = 3_000_000
MAX_NAME = 100


class ContentError(ValueError):
    """Content that cannot be taken, with a sentence that says why."""


@dataclass(frozen=True)
class Content:
    """A text, or the bytes of a file that is none. `name` is the file's, if any."""

    data: str | bytes
    name: str = ""

    @property
    def text(self) -> str:
        return self.data if isinstance(self.data, str) else ""

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.data.encode() if isinstance(self.data, str) else self.data)

    @property
    def packed(self) -> str:
        """A file for a field of a form; empty for text, which has its own."""
        if isinstance(self.data, str):
            return ""
        return base64.b64encode(zlib.compress(self.data, 9)).decode()

    @property
    def is_carried(self) -> bool:
        """Whether the page can send it again."""
        return len(self.packed) <= MAX_PACKED


def sent_content(request: HttpRequest) -> Content | None:
    """A file that was chosen, else the text or file that the page carried.

    None when there is nothing. Raises ContentError.
    """
    file = request.FILES.get("file")
    if file is not None and not isinstance(file, list):
        if (file.size or 0) > MAX_BYTES:
            raise ContentError(
                f"The file has {(file.size or 0) / 1e6:.0f} MB; up to"
                f" {MAX_BYTES >> 20} MB are allowed, and {MAX_TEXT / 1e6:.0f} MB of"
                " text."
            )
        return _content(file.read(), (file.name or "")[:MAX_NAME])
    name = request.POST.get("name", "")[:MAX_NAME]
    packed = request.POST.get("packed", "")
    if packed:
        return Content(_unpacked(packed), name)
    text = request.POST.get("text", "")
    return _content(text.encode(), name) if text.strip() else None


def _content(data: bytes, name: str) -> Content:
    """Text where the bytes are text; what they are else is the reader's to say."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return Content(data, name)
    if "\0" in text[:100]:
        return Content(data, name)
    if len(text) > MAX_TEXT:
        raise ContentError(
            f"The text has {len(text):,} characters; up to {MAX_TEXT:,} are allowed"
            " here. The command line takes more: python manage.py sweep submit FILE."
        )
    return Content(text.replace("\r\n", "\n"), name)


def _unpacked(packed: str) -> bytes:
    try:
        stream = zlib.decompressobj()
        data = stream.decompress(base64.b64decode(packed, validate=True), MAX_BYTES)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ContentError("The file did not come whole; choose it again.") from error
    if not stream.eof:
        raise ContentError("The file did not come whole; choose it again.")
    return data


@dataclass(frozen=True)
class ImportPreview:
    """What was read of a content.

    `imported` is None for a content that could not be read, `definition` also for one
    that is no valid sweep. `problems` are in the words of the content, `wrong` are the
    paths of those that what it becomes has. Of a `faulty` content only a part could be
    read. `parts` are the names to choose from where there are several sweeps. `took` is
    in milliseconds.
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
    faulty: bool = False

    @property
    def source_map(self) -> SourceMap:
        """Where the fields of what it becomes stand in the content."""
        return self.imported.source_map if self.imported else SourceMap()

    @property
    def first_note(self) -> int:
        """The number of the first note: they are counted on from the problems."""
        return len(self.problems) + 1

    @property
    def trials(self) -> Sequence[FinishedTrial]:
        """The finished trials that come along."""
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
    faulty = False
    try:
        imported, problems = read_part(content.data, part=part, format=format)
        faulty = bool(problems)
        document = dict(imported.document)
        notes = merged(imported.notes, settle(document, team, imported, content))
        if experiment is not None:
            document["experiment_name"] = experiment.name
        definition = parse_document(document, new_seed=lambda: _seed(content))
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
        faulty=faulty,
        parts=parts if len(parts) > 1 else (),
        took=1000 * (time.perf_counter() - start),
    )


def read_part(
    data: str | bytes, *, part: str, format: str
) -> tuple[Imported, Sequence[Problem]]:
    """A sweep, or as much of one as could be read with all that is wrong with it.

    Raises DefinitionError for a content that is no sweep at all.
    """
    try:
        return read_sweep(data, part=part, format=format), ()
    except InvalidImportError as error:
        return error.imported, error.problems


def settle(
    document: dict[str, Any], team: Team, imported: Imported, content: Content
) -> list[Note]:
    """Put a pool of the team and code that can be had into the document."""
    found = [_settle_code(document), _settle_pool(document, team)]
    lines = lines_of(content.text) if imported.format != "optuna" else {}
    return [
        Note(path, lines.get(path), "left out" if gone else "changed", message, advice)
        for path, gone, message, advice in filter(None, found)
    ]


def merged(notes: Sequence[Note], settled: Sequence[Note]) -> list[Note]:
    """All notes by line, one a setting of those that the team's own replaces."""
    replaced = {note.path for note in settled}
    kept = [note for note in notes if note.path not in replaced]
    last = max((note.line or 0 for note in notes), default=0) + 1
    return sorted([*kept, *settled], key=lambda note: note.line or last)


Found = tuple[str, bool, str, str]


def _settle_code(document: dict[str, Any]) -> Found | None:
    """A folder beside the file is not here."""
    trial = document.get("trial")
    code = trial.get("code") if isinstance(trial, Mapping) else None
    if not isinstance(trial, Mapping) or not isinstance(code, str) or is_address(code):
        return None
    document["trial"] = {key: trial[key] for key in trial if key != "code"}
    message = f"The folder {shown(code)} is beside the file and not here."
    return "trial.code", True, message, "Choose its files in the form."


def _settle_pool(document: dict[str, Any], team: Team) -> Found | None:
    pools = list(access.pools_for_team(team).values_list("name", flat=True))
    named = document.get("compute")
    name = named.removeprefix("azureml:") if isinstance(named, str) else "default"
    if not pools or name in pools:
        return None
    document["compute"] = pools[0]
    if named is None:
        return None
    message = (
        f"Team {team.name} has no worker pool {shown(name)}; {pools[0]} takes its"
        " place."
    )
    others = listed(pools[1:20], last="or")
    return "compute", False, message, f"There is {others}, too." if others else ""


def _seed(content: Content) -> int:
    """A seed that does not change between what is shown and what is stored."""
    data = content.data.encode() if isinstance(content.data, str) else content.data
    return int.from_bytes(hashlib.sha256(data).digest()[:4]) >> 1
