"""An Optuna storage file: an untrusted SQLite database, read from a copy."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from experiments.search.fields import DefinitionError, Problem, is_number, listed, shown
from experiments.search.formats.nodes import Log, json_value
from experiments.search.formats.optuna import sweep_of
from experiments.search.formats.optuna_space import (
    OptunaStudy,
    StudyTrial,
    distribution_of,
    external,
)
from experiments.search.records import JSONObject

MAGIC = b"SQLite format 3\0"
MAX_BYTES = 64 * 2**20
MAX_TRIALS = 5_000
MAX_ROWS = 100_000
# Seconds of CPU time for SQLite, and its instructions between checks of them.
MAX_READ_SECONDS = 0.6
INSTRUCTIONS = 10_000
MAX_JSON = 4_000_000
# In bytes; a schema can produce texts longer than the file.
MAX_TEXT_LENGTH = 1_000_000
NEEDED = ("studies", "trials", "trial_params")


def read_storage(content: bytes, log: Log, *, name: str) -> JSONObject:
    """The sweep document of the study with a name, or of the only one.

    Raises DefinitionError for a file that is damaged, too large or not a storage.
    """
    if len(content) > MAX_BYTES:
        raise _refusal(f"A storage file may have up to {MAX_BYTES // 2**20} MB.")
    try:
        with opened(content) as database:
            study = _Storage(database).study(name)
    except (sqlite3.Error, OverflowError, UnicodeError, ValueError) as error:
        if isinstance(error, DefinitionError):
            raise
        raise _refusal(f"The storage file cannot be read: {error}.") from error
    return sweep_of(study, log)


@contextmanager
def opened(content: bytes) -> Iterator[sqlite3.Connection]:
    """A read-only copy of a SQLite file with limits on time and length.

    A query that takes too long raises sqlite3.Error.
    """
    with TemporaryDirectory(prefix="storage-") as folder:
        path = Path(folder, "copy.db")
        path.write_bytes(content)
        address = f"{path.as_uri()}?mode=ro&immutable=1"
        with closing(sqlite3.connect(address, uri=True)) as database:
            database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_TEXT_LENGTH)
            deadline = time.process_time() + MAX_READ_SECONDS
            database.set_progress_handler(
                lambda: time.process_time() > deadline, INSTRUCTIONS
            )
            for pragma in (
                "query_only = 1",
                "trusted_schema = 0",
                "cell_size_check = 1",
            ):
                database.execute(f"PRAGMA {pragma}")
            yield database


class _Storage:
    """The tables of a storage, of the current schema or an older one."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        # Only tables: a view could run any query.
        found = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' LIMIT 200"
        )
        self._tables = {str(row[0]) for row in found}
        missing = [table for table in NEEDED if table not in self._tables]
        if missing:
            raise _refusal(
                "This SQLite database is not an Optuna storage: it has no table "
                f"{listed(missing, last='or')}."
            )

    def study(self, name: str) -> OptunaStudy:
        names = {
            row[1]: row[0] for row in self._rows("studies", "study_id, study_name")
        }
        if name not in names and len(names) != 1:
            known = f": {listed(map(shown, list(names)[:20]))}" if names else ""
            raise _refusal(
                f"The storage has {len(names)} studies{known}. Choose one by its name."
            )
        chosen = name if name in names else next(iter(names))
        where = ("study_id = ?", names[chosen])
        study = OptunaStudy(name=str(chosen), directions=self._directions(where))
        for key, text in self._attributes("study_system_attributes", where):
            if key == "study:metric_names" and isinstance(text, list) and text:
                study.metric = str(text[0])
        study.tags = {
            key: json_value(value)
            for key, value in self._attributes("study_user_attributes", where)
            if isinstance(value, bool | int | float | str)
        }
        study.trials = self._trials(where)
        return study

    def _directions(self, where: tuple[str, object]) -> list[str]:
        if "study_directions" in self._tables:
            rows = self._rows("study_directions", "direction", where, "objective")
        else:
            rows = self._rows("studies", "direction", where)
        return [str(row[0]).upper() for row in rows]

    def _attributes(
        self, table: str, where: tuple[str, object]
    ) -> Iterator[tuple[str, object]]:
        if table in self._tables:
            for key, text in self._rows(table, '"key", value_json', where):
                yield str(key), _parsed(text)

    def _trials(self, where: tuple[str, object]) -> list[StudyTrial]:
        columns = self._columns("trials")
        old = "value" if "value" in columns else "NULL"
        rows = self._rows("trials", f"trial_id, state, {old}", where, "trial_id")
        if len(rows) > MAX_TRIALS:
            raise _refusal(
                f"The study has too many trials. Up to {MAX_TRIALS:,} can be imported."
            )
        trials = {
            row[0]: StudyTrial(
                str(row[1]), {}, [float(row[2])] if is_number(row[2]) else []
            )
            for row in rows
        }
        self._add_params(trials)
        self._add_values(trials)
        self._add_constraints(trials)
        return list(trials.values())

    def _add_params(self, trials: dict[object, StudyTrial]) -> None:
        columns = "trial_id, param_name, param_value, distribution_json"
        known: dict[object, tuple[object, JSONObject | None]] = {}
        size = 0
        for number, name, value, text in self._rows("trial_params", columns):
            if number not in trials:
                continue
            if text not in known:
                size += len(str(text))
                if size > MAX_JSON:
                    raise _refusal("The distributions of the storage are too long.")
                parsed = _parsed(text)
                known[text] = parsed, distribution_of(parsed)
            parsed, dist = known[text]
            trials[number].distributions[str(name)] = parsed
            if dist is not None:
                choices = dist.get("values")
                trials[number].params[str(name)] = external(dist, value, choices)

    def _add_values(self, trials: dict[object, StudyTrial]) -> None:
        """The final values; for a trial without one, its reports."""
        reports = "trial_intermediate_values"
        columns = self._columns("trial_values")
        if "objective" in columns:
            self._add_numbers(trials, "trial_values", "value", final=True)
        elif "step" in columns:
            self._add_numbers(trials, "trial_values", "value", final=False)
        if reports in self._tables:
            self._add_numbers(trials, reports, "intermediate_value", final=False)

    def _add_constraints(self, trials: dict[object, StudyTrial]) -> None:
        if "trial_system_attributes" not in self._tables:
            return
        where = ('"key" = ?', "constraints")
        columns = "trial_id, value_json"
        for number, text in self._rows("trial_system_attributes", columns, where):
            values = _parsed(text)
            if number in trials and isinstance(values, list):
                trials[number].constraints = [v for v in values if is_number(v)]

    def _add_numbers(
        self, trials: dict[object, StudyTrial], table: str, column: str, *, final: bool
    ) -> None:
        waiting = {number for number, trial in trials.items() if not trial.values}
        for number, value in self._rows(table, f"trial_id, {column}"):
            counts = number in waiting and (final or trials[number].state != "FAIL")
            if counts and is_number(value):
                trials[number].values.append(float(value))

    def _columns(self, table: str) -> set[str]:
        if table not in self._tables:
            return set()
        rows = self._database.execute("SELECT name FROM pragma_table_info(?)", (table,))
        return {str(row[0]) for row in rows}

    def _rows(
        self,
        table: str,
        columns: str,
        where: tuple[str, object] | None = None,
        order: str = "",
    ) -> list[tuple[object, ...]]:
        # Names are constants of this module; values are parameters of the query.
        query = f"SELECT {columns} FROM {table}"  # noqa: S608 # nosec B608
        if where:
            query += f" WHERE {where[0]}"
        if order:
            query += f" ORDER BY {order}"
        values = (where[1],) if where else ()
        cursor = self._database.execute(f"{query} LIMIT {MAX_ROWS + 1}", values)
        rows = cursor.fetchall()
        if len(rows) > MAX_ROWS:
            raise _refusal(f"The table {table} has more than {MAX_ROWS:,} rows.")
        return rows


def _parsed(text: object) -> object:
    if not isinstance(text, str) or len(text) > 100_000:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _refusal(message: str) -> DefinitionError:
    return DefinitionError([Problem("", message)])
