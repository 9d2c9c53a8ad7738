"""Optuna storage files, made by hand after the schema of version 5 and older ones."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

TODAY = """
CREATE TABLE version_info (version_info_id INTEGER PRIMARY KEY,
  schema_version INTEGER, library_version VARCHAR(256));
CREATE TABLE studies (study_id INTEGER PRIMARY KEY, study_name VARCHAR(512) NOT NULL);
CREATE TABLE study_directions (study_direction_id INTEGER PRIMARY KEY,
  direction VARCHAR(8) NOT NULL, study_id INTEGER NOT NULL, objective INTEGER NOT NULL);
CREATE TABLE study_user_attributes (study_user_attribute_id INTEGER PRIMARY KEY,
  study_id INTEGER, "key" VARCHAR(512), value_json TEXT);
CREATE TABLE study_system_attributes (study_system_attribute_id INTEGER PRIMARY KEY,
  study_id INTEGER, "key" VARCHAR(512), value_json TEXT);
CREATE TABLE trials (trial_id INTEGER PRIMARY KEY, number INTEGER, study_id INTEGER,
  state VARCHAR(8) NOT NULL, datetime_start DATETIME, datetime_complete DATETIME);
CREATE TABLE trial_params (param_id INTEGER PRIMARY KEY, trial_id INTEGER,
  param_name VARCHAR(512), param_value FLOAT, distribution_json TEXT);
CREATE TABLE trial_values (trial_value_id INTEGER PRIMARY KEY,
  trial_id INTEGER NOT NULL, objective INTEGER NOT NULL, value FLOAT,
  value_type VARCHAR(7) NOT NULL);
CREATE TABLE trial_intermediate_values (trial_intermediate_value_id INTEGER PRIMARY KEY,
  trial_id INTEGER NOT NULL, step INTEGER NOT NULL, intermediate_value FLOAT,
  intermediate_value_type VARCHAR(7) NOT NULL);
"""
OLD = """
CREATE TABLE studies (study_id INTEGER PRIMARY KEY, study_name VARCHAR(512),
  direction VARCHAR(8) NOT NULL);
CREATE TABLE trials (trial_id INTEGER PRIMARY KEY, number INTEGER, study_id INTEGER,
  state VARCHAR(8) NOT NULL, value FLOAT);
CREATE TABLE trial_params (param_id INTEGER PRIMARY KEY, trial_id INTEGER,
  param_name VARCHAR(512), param_value FLOAT, distribution_json VARCHAR(2048));
CREATE TABLE trial_values (trial_value_id INTEGER PRIMARY KEY, trial_id INTEGER,
  step INTEGER, value FLOAT);
"""
RATE = {"name": "FloatDistribution"} | {
    "attributes": {"low": 0.1, "high": 0.5, "log": False, "step": 0.1}
}
LAYERS = {"name": "IntDistribution"} | {
    "attributes": {"low": 1, "high": 4, "log": False, "step": 1}
}
KIND = {"name": "CategoricalDistribution", "attributes": {"choices": ["sgd", None, 3]}}


REPORT = "INSERT INTO trial_intermediate_values VALUES (NULL, ?, ?, ?, 'FINITE')"


def database(script: str, rows: Iterable[tuple[str, Sequence[object]]] = ()) -> bytes:
    """A SQLite file: a script, then statements with values."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "made.db")
        made = sqlite3.connect(path)
        made.executescript(script)
        for statement, values in rows:
            made.execute(statement, values)
        made.commit()
        made.close()
        return path.read_bytes()


def study(
    number: int, name: str, *directions: str
) -> list[tuple[str, Sequence[object]]]:
    """The rows of a study without trials."""
    return [
        ("INSERT INTO studies VALUES (?, ?)", (number, name)),
        *(
            (
                "INSERT INTO study_directions VALUES (NULL, ?, ?, ?)",
                (way, number, place),
            )
            for place, way in enumerate(directions)
        ),
    ]


def trial(
    number: int,
    of: int,
    state: str,
    params: dict[str, tuple[object, dict]],
    *,
    value: float | None = None,
    reports: Sequence[float] = (),
) -> list[tuple[str, Sequence[object]]]:
    """The rows of a trial; a parameter is the stored number and its distribution."""
    return [
        (
            "INSERT INTO trials VALUES (?, ?, ?, ?, NULL, NULL)",
            (number, number, of, state),
        ),
        *(
            (
                "INSERT INTO trial_params VALUES (NULL, ?, ?, ?, ?)",
                (number, name, stored, json.dumps(law)),
            )
            for name, (stored, law) in params.items()
        ),
        *(
            (
                "INSERT INTO trial_values VALUES (NULL, ?, 0, ?, 'FINITE')",
                (number, final),
            )
            for final in ([] if value is None else [value])
        ),
        *(
            (
                REPORT,
                (number, step, report),
            )
            for step, report in enumerate(reports)
        ),
    ]


def wine() -> bytes:
    """One study of four trials: completed, pruned, failed and running."""
    both = {"rate": (0.30000000000000004, RATE), "layers": (3.0, LAYERS)}
    kind = {"kind": (1.0, KIND)}
    named = "INSERT INTO study_system_attributes VALUES (1, 1, ?, ?)"
    tagged = "INSERT INTO study_user_attributes VALUES (NULL, 1, ?, ?)"
    return database(
        TODAY,
        [
            *study(1, "wine", "MAXIMIZE"),
            (named, ("study:metric_names", '["r2"]')),
            (tagged, ("dataset", '"red"')),
            *trial(1, 1, "COMPLETE", both | kind, value=0.8, reports=[0.9, 0.7]),
            *trial(2, 1, "PRUNED", both | kind, reports=[0.2, 0.4, 0.3]),
            *trial(3, 1, "FAIL", both, reports=[0.5]),
            *trial(4, 1, "RUNNING", both),
        ],
    )
