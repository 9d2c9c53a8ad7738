"""The script among stored files: which one it is, and what is found in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from experiments.code.reading import source_text
from experiments.code.scripts.findings import ScriptReading
from experiments.code.scripts.reading import read_script
from experiments.lru_cache import LruCache
from experiments.models import CodeSnapshot

MAX_CANDIDATES, MAX_KEPT = 10, 500
USUAL = ("train.py", "main.py", "run.py")
# Stored files never change, so neither does what is found in them.
_readings: LruCache[tuple[str, str], ScriptReading] = LruCache(MAX_KEPT)


@dataclass(frozen=True)
class StoredScript:
    """A script by its path, with what is found in it."""

    path: str
    reading: ScriptReading


def stored_script(snapshot: CodeSnapshot, path: str) -> StoredScript | None:
    """The script at a path; None if the snapshot has no such Python file."""
    if not path.endswith(".py") or path not in _paths(snapshot):
        return None
    key = (snapshot.digest, path)
    reading = _readings.get(key)
    if reading is None:
        reading = read_script(source_text(snapshot, path))
        _readings.put(key, reading)
    return StoredScript(path, reading)


def likely_script(snapshot: CodeSnapshot) -> str:
    """The path of the script that is probably run; empty without Python files.

    The first by name that takes arguments or reports, or else the first.
    """
    scripts = (path for path in _paths(snapshot) if path.endswith(".py"))
    paths = sorted(scripts, key=_rank)
    for path in paths[:MAX_CANDIDATES]:
        found = stored_script(snapshot, path)
        if found and (found.reading.arguments or found.reading.metrics):
            return path
    return next(iter(paths), "")


def _paths(snapshot: CodeSnapshot) -> Sequence[str]:
    return [str(file["path"]) for file in snapshot.files]


def _rank(path: str) -> tuple[int, bool, int, str]:
    """Usual names first, then those with train in them, then those on top."""
    name = path.rpartition("/")[2]
    usual = USUAL.index(name) if name in USUAL else len(USUAL)
    return usual, "train" not in name, path.count("/"), path
