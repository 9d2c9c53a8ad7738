"""The files of the data folder: their sizes, and those that belong to no row."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from django.conf import settings

# Seconds: younger files may be about to get their row.
MIN_AGE = 24 * 3600.0
PARTIAL = ".part-"


@dataclass
class AttemptFiles:
    """One attempt's log and outputs: sizes, those of outputs by their SHA-256."""

    log: int = 0
    outputs: dict[str, int] = field(default_factory=dict)
    unfinished: dict[str, int] = field(default_factory=dict)
    changed: float = 0.0

    @property
    def bytes(self) -> int:
        return self.log + sum(self.outputs.values())

    @property
    def files(self) -> int:
        return len(self.outputs) + (self.log > 0)


def folder_of(*parts: str) -> Path:
    """A folder of the store, which may not exist."""
    return Path(settings.HOME, "store", *parts)


def attempt_folders() -> list[int]:
    """The ids of attempts that have a folder, in order."""
    names = (entry.name for entry in entries(folder_of("attempts")))
    return sorted(int(name) for name in names if name.isdecimal())


def attempt_files(attempt_id: int) -> AttemptFiles:
    """What is in the attempt's folder now; nothing if there is none."""
    folder, found = folder_of("attempts", str(attempt_id)), AttemptFiles()
    for inner in (folder, folder / "outputs"):
        for entry in entries(inner):
            with suppress(FileNotFoundError):
                _add(found, entry, inner == folder)
    return found


def _add(found: AttemptFiles, entry: os.DirEntry[str], is_top: bool) -> None:
    facts = entry.stat(follow_symlinks=False)
    found.changed = max(found.changed, facts.st_mtime)
    if entry.name.startswith(PARTIAL):
        if is_old(facts.st_mtime):
            found.unfinished[entry.path] = facts.st_size
    elif is_top:
        found.log += facts.st_size if entry.name == "log" else 0
    else:
        found.outputs[entry.name] = facts.st_size


def is_old(changed: float) -> bool:
    return time.time() - changed > MIN_AGE


def named_files(folder: Path, ending: str) -> Mapping[str, tuple[int, float]]:
    """Size and time of the files whose names end so, by the names without it."""
    found: dict[str, tuple[int, float]] = {}
    for entry in entries(folder):
        if entry.name.endswith(ending):
            with suppress(FileNotFoundError):
                facts = entry.stat(follow_symlinks=False)
                name = entry.name.removesuffix(ending)
                found[name] = (facts.st_size, facts.st_mtime)
    return found


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Empty if there is no such folder."""
    try:
        with os.scandir(folder) as found:
            return list(found)
    except (FileNotFoundError, NotADirectoryError):
        return []


def folder_size(*parts: str) -> tuple[int, int]:
    """Bytes and files below a folder of the data folder."""
    sizes = list(_sizes(Path(settings.HOME, *parts)))
    return sum(sizes), len(sizes)


def _sizes(folder: Path) -> Iterator[int]:
    """Without files that disappear meanwhile."""
    for inner, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                yield os.lstat(os.path.join(inner, name)).st_size
