"""The statements of a report, each for a whole group of requests.

Plain SQL and tuples: making model objects takes several times as long as the databases
need. A list of values is one parameter, so that the text of a statement is always the
same: a JSON text for SQLite, arrays for PostgreSQL.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from experiments.db.prepared import planned_cursor, vendor

# Pairs in one statement.
MAX_ROWS = 5_000
NOW = {
    "sqlite": "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')",
    "postgresql": "STATEMENT_TIMESTAMP()",
}
# A second ago.
RECENTLY = {
    "sqlite": "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW', '-1 seconds')",
    "postgresql": "STATEMENT_TIMESTAMP() - INTERVAL '1 second'",
}
JSON = {"sqlite": "%s", "postgresql": "%s::jsonb"}


class Statement:
    """Its text for each database. With ``{now}``, ``{recently}`` and ``{json}``."""

    def __init__(
        self, both: str = "", *, sqlite: str = "", postgresql: str = ""
    ) -> None:
        texts = {"sqlite": sqlite or both, "postgresql": postgresql or both}
        self._texts = {
            vendor: text.replace("{now}", NOW[vendor])
            .replace("{recently}", RECENTLY[vendor])
            .replace("{json}", JSON[vendor])
            for vendor, text in texts.items()
        }

    def rows(self, *values: Any) -> list[tuple[Any, ...]]:
        with planned_cursor() as cursor:
            cursor.execute(self._texts[vendor()], values)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def run(self, rows: Sequence[Sequence[Any]]) -> None:
        """For each row of values."""
        if rows:
            with planned_cursor() as cursor:
                text = self._texts[vendor()]
                if len(rows) == 1:
                    cursor.execute(text, rows[0])
                else:
                    cursor.executemany(text, rows)


def columns(rows: Sequence[Sequence[Any]]) -> Sequence[Any]:
    """Some rows as the parameters of a statement that joins them."""
    if vendor() == "sqlite":
        return [json.dumps(rows)]
    return [list(column) for column in zip(*rows, strict=True)]


def ids(numbers: Iterable[int]) -> Any:
    """Some numbers as the parameter of a statement with ``IN``."""
    wanted = list(numbers)
    return json.dumps(wanted) if vendor() == "sqlite" else wanted


def _of_ids(text: str, *, locks: str = "") -> Statement:
    """With ``{ids}`` in place of the values of ``IN``."""
    return Statement(
        sqlite=text.replace("{ids}", "(SELECT value FROM json_each(%s))"),
        postgresql=f"{text.replace('IN {ids}', '= ANY(%s::bigint[])')} {locks}",
    )


_ATTEMPTS = """
SELECT id, trial_id, trial_token_digest, runner_token_digest, release_requested_at,
       resumed_from, batches, compacted_at IS NOT NULL,
       heartbeat_at BETWEEN {recently} AND {now}
FROM experiments_attempt WHERE id IN {ids} AND (state = 'running' OR pool_id IS NULL)
ORDER BY id"""
# Locks are taken in the order of ids.
ATTEMPTS = _of_ids(_ATTEMPTS, locks="FOR NO KEY UPDATE")
FREE_ATTEMPTS = _of_ids(_ATTEMPTS, locks="FOR NO KEY UPDATE SKIP LOCKED")
# Read after the lock: a join may return what it was before the wait.
TRIALS = _of_ids(
    """
SELECT t.id, t.number, t.runs_to_end, t.stop_reason, t.stop_message, t.reports,
       t.value, t.value_report, t.last_value, t.stamp, t.sweep_id, s.primary_metric,
       s.goal, CAST(s.early_termination AS text)
FROM experiments_trial t LEFT JOIN experiments_sweep s ON s.id = t.sweep_id
WHERE t.id IN {ids}"""
)
# SQLite looks each of them up, in this order of tables.
METRICS = Statement(
    sqlite="""
SELECT m.id, m.attempt_id, m.name, m.count, m.last_step, m.last_time, m.last_value,
       m.low, m.high, m.tail, m.collected
FROM json_each(%s) w CROSS JOIN experiments_metric m
ON m.attempt_id = json_extract(w.value, '$[0]')
AND m.name = json_extract(w.value, '$[1]')""",
    postgresql="""
SELECT m.id, m.attempt_id, m.name, m.count, m.last_step, m.last_time, m.last_value,
       m.low, m.high, m.tail, m.collected
FROM unnest(%s::bigint[], %s::text[]) AS w(attempt, name)
JOIN experiments_metric m ON m.attempt_id = w.attempt AND m.name = w.name""",
)
SEGMENTS = Statement(
    sqlite="""
SELECT s.metric_id, s.data FROM json_each(%s) w CROSS JOIN experiments_segment s
ON s.metric_id = json_extract(w.value, '$[0]')
AND s.high_step >= json_extract(w.value, '$[1]')
AND s.low_step <= json_extract(w.value, '$[2]')""",
    postgresql="""
SELECT s.metric_id, s.data
FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[]) AS w(metric, low, high)
JOIN experiments_segment s
ON s.metric_id = w.metric AND s.high_step >= w.low AND s.low_step <= w.high""",
)
VERSIONS = _of_ids(
    """
SELECT sweep_id, id, version FROM experiments_reportversion WHERE sweep_id IN {ids}
ORDER BY sweep_id""",
    locks="FOR UPDATE",
)
RUNNING = Statement(
    "SELECT number FROM experiments_trial WHERE sweep_id = %s AND state = 'running'"
)

UPDATE_METRIC = Statement(
    """
UPDATE experiments_metric SET count = %s, last_step = %s, last_time = %s,
last_value = %s, low = %s, high = %s, tail = %s, collected = %s WHERE id = %s"""
)
INSERT_SEGMENT = Statement(
    """
INSERT INTO experiments_segment (metric_id, first, count, low_step, high_step, low_time,
high_time, low, high, data) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"""
)
INSERT_DECISION = Statement(
    """
INSERT INTO experiments_decision (trial_id, attempt_id, policy, settings, n, value,
threshold, rivals, setters, facts, stop, reason, clause, named_best, limit_words)
VALUES (%s, %s, %s, {json}, %s, %s, %s, %s, {json}, {json}, %s, %s, %s, %s, %s)"""
)
UPDATE_TRIAL = Statement(
    """
UPDATE experiments_trial SET reports = %s, last_value = %s, value = %s,
value_report = %s, stamp = %s, updated_at = {now} WHERE id = %s"""
)
UPDATE_VERSION = Statement(
    "UPDATE experiments_reportversion SET version = %s WHERE sweep_id = %s"
)
UPDATE_BATCHES = Statement("UPDATE experiments_attempt SET batches = %s WHERE id = %s")
COMPACT_AGAIN = Statement(
    "UPDATE experiments_attempt SET compacted_at = NULL WHERE id = %s"
)
DELETE_SEGMENTS = Statement("DELETE FROM experiments_segment WHERE metric_id = %s")
