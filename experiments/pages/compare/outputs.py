"""Files and code of the compared trials side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments import access, storage
from experiments.code.reading import FileDifference, differences
from experiments.models import Artifact, CodeSnapshot, User
from experiments.pages.compare.comparison import Comparison, Entrant
from experiments.pages.outputs.files import opened_preview
from experiments.pages.outputs.previews import FilePreview

MAX_PATHS = 200
# Beyond, the names of the others are not read.
MAX_FILES = 4_000


@dataclass(frozen=True)
class ComparedFile:
    """One path; ``files`` has None for each trial that did not save it."""

    path: str
    files: Sequence[Artifact | None]

    @property
    def is_equal(self) -> bool:
        """Whether all trials have the same bytes."""
        marks = {file.sha256 if file else "" for file in self.files}
        return len(marks) == 1


@dataclass(frozen=True)
class ComparedFiles:
    """``left_out``: paths beyond the first MAX_PATHS. ``opened``: the path whose
    ``previews`` are shown, one for each trial."""

    rows: Sequence[ComparedFile]
    left_out: int
    opened: ComparedFile | None
    previews: Sequence[tuple[Entrant, Artifact | None, FilePreview | None]]


def compared_files(
    comparison: Comparison, user: User, *, path: str
) -> ComparedFiles | None:
    """The files of the trials' last attempts by path, those in most trials first; None
    if there are none."""
    entrants = comparison.entrants
    attempts = [each.trial.current_attempt_id for each in entrants]
    seen = access.artifacts_for(user).filter(attempt__in=[a for a in attempts if a])
    by_path: dict[str, dict[int, Artifact]] = {}
    for file in seen.order_by("path")[:MAX_FILES]:
        by_path.setdefault(file.path, {})[file.attempt_id] = file
    if not by_path:
        return None
    order = sorted(by_path, key=lambda each: (-len(by_path[each]), each))
    rows = [
        ComparedFile(each, [by_path[each].get(a or 0) for a in attempts])
        for each in order
    ]
    opened = next((row for row in rows if row.path == path), None)
    pairs = zip(entrants, opened.files, strict=True) if opened else ()
    return ComparedFiles(
        rows=rows[:MAX_PATHS],
        left_out=max(0, len(rows) - MAX_PATHS),
        opened=opened,
        previews=[(each, f, opened_preview(f) if f else None) for each, f in pairs],
    )


@dataclass(frozen=True)
class ComparedCode:
    """Code that differs from the reference's: of which trials, and if ``is_open`` what
    differs."""

    names: Sequence[str]
    code: CodeSnapshot
    is_open: bool
    differences: Sequence[FileDifference] = ()
    left_out: int = 0


def compared_code(
    comparison: Comparison, user: User, *, opened: int | None
) -> list[ComparedCode]:
    """One row for each other code than the reference's, as far as its files are
    stored; that with the id ``opened`` is compared."""
    stored = _stored_code(comparison, user)
    before = stored.pop(_code_id(comparison.reference) or 0, None)
    if before is None:
        return []
    found = []
    for pk, code in stored.items():
        names = [e.words for e in comparison.others if _code_id(e) == pk]
        differ, left_out = differences(before, code) if pk == opened else ((), 0)
        found.append(ComparedCode(names, code, pk == opened, differ, left_out))
    return found


def _code_id(entrant: Entrant) -> int | None:
    sweep = entrant.trial.sweep
    return sweep.code_id if sweep else None


def _stored_code(comparison: Comparison, user: User) -> dict[int, CodeSnapshot]:
    ids = {pk for each in comparison.entrants if (pk := _code_id(each))}
    found = access.code_for(user).in_bulk(ids)
    return {
        pk: code
        for pk, code in sorted(found.items())
        if storage.code_path(code.digest).exists()
    }
