"""What there is to choose from, where a file holds several sweeps."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from experiments.search.importers.optuna_storage import MAGIC, MOST_BYTES, opened
from experiments.search.loading import load_document
from experiments.search.problems import DefinitionError

MOST_PARTS = 200
# Only of a table: a view could compute anything.
STUDIES = (
    "SELECT substr(study_name, 1, 500) FROM studies WHERE EXISTS (SELECT 1 FROM"
    " sqlite_master WHERE type = 'table' AND name = 'studies') LIMIT ?"
)


def parts_of(content: str | bytes) -> list[str]:
    """The studies of a storage, or the sweep steps of a pipeline, by their names.

    Empty for a file that is one sweep, or none.
    """
    if isinstance(content, bytes):
        return _studies(content) if content.startswith(MAGIC) else []
    try:
        jobs = load_document(content).get("jobs")
    except DefinitionError:
        return []
    steps = jobs.items() if isinstance(jobs, Mapping) else ()
    return [name for name, step in steps if _is_sweep(step)][:MOST_PARTS]


def _is_sweep(step: object) -> bool:
    if not isinstance(step, Mapping):
        return False
    named = str(step.get("type")).lower().startswith("sweep")
    return named or step.get("search_space") is not None


def _studies(content: bytes) -> list[str]:
    if len(content) > MOST_BYTES:
        return []
    try:
        with opened(content) as database:
            rows = database.execute(STUDIES, (MOST_PARTS,)).fetchall()
    except (sqlite3.Error, OverflowError, UnicodeError):
        return []
    return [str(row[0]) for row in rows]
