"""The output files of an attempt as a tree of folders, one of them open."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, Sum
from django.http import QueryDict
from django.template.loader import render_to_string

from experiments import storage
from experiments.models import Artifact, Attempt, Trial
from experiments.pages.frame import whole_number
from experiments.pages.outputs.previews import FilePreview, preview_of
from experiments.runner.outputs import MAX_FILES

MAX_SHOWN = 500
# Deeper folders are part of their files' names: a page within a page has an end.
MAX_DEPTH = 20
# Folders of a small tree are open.
MAX_OPEN = 30


@dataclass
class OutputFolder:
    """Files and folders below one name; ``count`` and ``size`` of all files in it."""

    name: str = ""
    path: str = ""
    folders: dict[str, OutputFolder] = field(default_factory=dict)
    files: list[TreeFile] = field(default_factory=list)
    count: int = 0
    size: int = 0
    is_open: bool = False


@dataclass(frozen=True)
class TreeFile:
    artifact: Artifact
    name: str
    url: str
    is_open: bool


@dataclass(frozen=True)
class OutputsView:
    """``hidden``: how many files are not in the tree; ``find``: what names have."""

    trial: Trial
    tree: OutputFolder
    count: int
    size: int
    hidden: int = 0
    find: str = ""
    opened: Artifact | None = None
    preview: FilePreview | None = None
    others: Sequence[tuple[str, str]] = ()


def outputs_context(
    trial: Trial, attempt: Attempt | None, query: QueryDict
) -> dict[str, Any]:
    """What experiments/trial/outputs.html needs, for a trial or a run."""
    current = trial.current_attempt
    unkept = current.not_kept if current else ""
    return {
        "outputs": outputs_view(trial, attempt, query),
        "unkept": unkept,
        "unkept_advice": unkept_advice(unkept),
    }


def outputs_html(trial: Trial, attempt: Attempt | None, query: QueryDict) -> str:
    context = {"trial": trial, **outputs_context(trial, attempt, query)}
    return render_to_string("experiments/trial/outputs.html", context)


def unkept_advice(words: str) -> str:
    """What to do about outputs beyond a limit."""
    if f"{MAX_FILES:,} files" in words:
        return "Pack them into fewer files, such as one archive."
    if "exceeds the limit" in words:
        return "Write less to ./outputs, or set resources.outputs of the sweep higher."
    return ""


def outputs_view(
    trial: Trial, attempt: Attempt | None, query: QueryDict
) -> OutputsView | None:
    """None without files."""
    if attempt is None:
        return None
    files = attempt.artifacts.order_by("path")
    total = files.aggregate(count=Count("pk"), size=Sum("size"))
    if not total["count"]:
        return None
    find = query.get("files", "").strip()[:200]
    shown = list(files.filter(path__icontains=find)[:MAX_SHOWN])
    number = whole_number(query.get("file", ""))
    opened = files.filter(pk=number).first() if number else None
    kept = {k: str(v) for k, v in query.items() if v and k not in ("file", "since")}
    return OutputsView(
        trial=trial,
        tree=tree_of(shown, opened, kept, is_open=bool(find)),
        count=total["count"],
        size=total["size"],
        hidden=total["count"] - len(shown),
        find=find,
        opened=opened,
        preview=opened_preview(opened) if opened else None,
        others=[pair for pair in kept.items() if pair[0] != "files"],
    )


def opened_preview(artifact: Artifact) -> FilePreview:
    path = storage.output_path(artifact.attempt_id, artifact.sha256)
    try:
        return preview_of(path, artifact.path, artifact.size)
    except FileNotFoundError:
        return FilePreview(note="The file was removed to free space.")


def tree_of(
    files: Sequence[Artifact],
    opened: Artifact | None,
    kept: dict[str, str],
    *,
    is_open: bool = False,
) -> OutputFolder:
    root = OutputFolder()
    is_open = is_open or len(files) <= MAX_OPEN
    for artifact in files:
        *names, name = artifact.path.split("/", MAX_DEPTH)
        for folder in _way(root, names):
            folder.count += 1
            folder.size += artifact.size
            folder.is_open |= is_open or artifact == opened
        url = f"?{urlencode({**kept, 'file': artifact.pk})}#outputs"
        folder.files.append(TreeFile(artifact, name, url, artifact == opened))
    return root


def _way(folder: OutputFolder, names: Sequence[str]) -> Iterator[OutputFolder]:
    """The folder, and those below it by these names."""
    yield folder
    for name in names:
        path = f"{folder.path}/{name}"
        folder = folder.folders.setdefault(name, OutputFolder(name, path))
        yield folder
