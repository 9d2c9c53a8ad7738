"""A start that cannot work says why in one sentence, which names what to repair."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, OperationalError, ProgrammingError

from experiments.db.problems import SQLITE, explain
from experiments.management.commands import scheduler
from tests.processes.running_site import ROOT, free_port

DATABASE = "sweepsite.sqlite3"
OWNER = "Run this as the user to whom it belongs"
AWAY = "Move it away"
# CAP_DAC_OVERRIDE and others: without them root too may not read every file.
CAPABILITIES, DROP = (1, 2, 3), 24


def obey_permissions() -> None:
    for capability in CAPABILITIES:
        ctypes.CDLL(None).prctl(DROP, capability, 0, 0, 0)


def manage(home: Path, command: str, **variables: str) -> tuple[int, list[str]]:
    """The exit code and the lines of a command."""
    environment = {k: v for k, v in os.environ.items() if "SWEEPSITE" not in k}
    environment.pop("DATABASE_URL", None)
    environment.update(
        DJANGO_SETTINGS_MODULE="sweepsite.settings",
        SWEEPSITE_HOME=str(home),
        REDIS_URL="redis://127.0.0.1:1/0",
    )
    done = subprocess.run(
        [sys.executable, *command.split()],
        env={**environment, **variables},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        preexec_fn=obey_permissions,
    )
    return done.returncode, done.stdout.splitlines()


def write(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda home: (home / name).write_bytes(content) and None


def folder(name: str) -> Callable[[Path], None]:
    return lambda home: (home / name).mkdir()


def close(name: str, mode: int = 0) -> Callable[[Path], None]:
    def closed(home: Path) -> None:
        (home / name).touch()
        (home / name).chmod(mode)

    return closed


def close_home(mode: int) -> Callable[[Path], None]:
    return lambda home: home.chmod(mode)


def cut_database(home: Path) -> None:
    with contextlib.closing(sqlite3.connect(home / DATABASE)) as made:
        for number in range(50):
            made.execute(f"CREATE TABLE t{number} (content)")
        made.commit()
    content = (home / DATABASE).read_bytes()
    (home / DATABASE).write_bytes(content[: len(content) // 2])


def nothing(home: Path) -> None:
    """The variables alone are wrong."""


UP = f"manage.py up --slots 0 --port {free_port()}"
LIST = "manage.py sweep list"
GUNICORN = "-m gunicorn -c sweepsite/web_server.py --bind 127.0.0.1:0"
# What breaks the data folder, the command, and words of its sentence.
STATES: dict[str, tuple[Callable[[Path], None], str, tuple[str, ...]]] = {
    "empty key": (write("secret_key", b""), UP, ("secret_key is damaged", "backup")),
    "key of bytes": (write("secret_key", b"\xff" * 99), UP, ("secret_key is damaged",)),
    "key is a folder": (folder("secret_key"), UP, ("/secret_key: Is a dir", AWAY)),
    "closed key": (close("secret_key"), UP, ("/secret_key: Permission", OWNER)),
    "folder is closed": (close_home(0), UP, ("/secret_key: Permission", OWNER)),
    "folder is read-only": (close_home(0o500), UP, ("Permission denied", OWNER)),
    "lock is a folder": (folder("lock"), UP, ("/lock: Is a directory", AWAY)),
    "closed lock": (close("lock"), UP, ("/lock: Permission denied", OWNER)),
    "logs is a file": (write("logs", b"x"), UP, ("/logs: File exists", AWAY)),
    "address is a folder": (folder("site_url"), UP, ("/site_url: Is a dir", AWAY)),
    "closed folder, worker": (close_home(0), "manage.py worker", (OWNER,)),
    "database of bytes": (
        write(DATABASE, b"\xff" * 9000),
        LIST,
        (f"{DATABASE} is not a SQLite database", "backup"),
    ),
    "cut database": (cut_database, LIST, (f"{DATABASE} is damaged", "backup")),
    "database is a folder": (folder(DATABASE), LIST, (DATABASE, "cannot be opened")),
    "closed database": (close(DATABASE), LIST, (DATABASE, "cannot be opened")),
    "read-only database": (
        close(DATABASE, 0o400),
        "manage.py migrate",
        (f"{DATABASE} cannot be written", "Run this as the user"),
    ),
    "no database": (nothing, LIST, ("There is no installation",)),
    "no tables": (write(DATABASE, b""), "manage.py token list", ("no tables", "setup")),
    "no static files": (nothing, GUNICORN, ("/static lacks static files", "setup")),
}
# Settings that are wrong, with a whole data folder.
SETTINGS = {
    "DATABASE_URL": {
        "mysql://h/x": "must start with",
        "sqlite:////nowhere/x": "The database /nowhere/x cannot be opened",
        "postgres://u:hunter2@127.0.0.1:1/x": "server runs",
    },
    "SWEEPSITE_HOME": {"/proc/x": "cannot be made", "/tmp/" + "x" * 300: "too long"},
}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "home"
    made.mkdir()
    yield made
    made.chmod(0o700)


def check(code: int, lines: list[str], words: tuple[str, ...]) -> None:
    last = lines[-1]
    assert code == 1, lines
    assert not any("Traceback" in line for line in lines), lines
    assert all(part in last for part in words), lines
    assert "hunter2" not in last


@pytest.mark.parametrize("state", STATES)
def test_a_broken_folder_is_named(home: Path, state: str) -> None:
    damage, command, words = STATES[state]
    damage(home)
    check(*manage(home, command), words)


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in SETTINGS for value in SETTINGS[name]]
)
def test_a_wrong_setting_is_named(home: Path, name: str, value: str) -> None:
    words = (SETTINGS[name][value],)
    check(*manage(home, LIST, **{name: value}), words)


def test_up_says_what_setup_could_not_do(home: Path) -> None:
    write(DATABASE, b"\xff" * 9000)(home)
    code, lines = manage(home, UP)
    check(code, lines, ("was not prepared", f"{DATABASE} is not a SQLite database"))


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "bad..host"])
def test_an_address_that_is_not_to_be_had_is_named(home: Path, host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        command = f"manage.py up --allow-http --host {host} --port {port}"
        check(*manage(home, command), (f"{host} port {port}", "another port"))


@pytest.mark.parametrize("part", SQLITE)
@pytest.mark.django_db
def test_each_error_of_sqlite_has_its_advice(part: str, settings: Any) -> None:
    if "sqlite" in settings.DATABASES["default"]["ENGINE"]:
        assert SQLITE[part] in explain(OperationalError(f"x {part} y"))


def test_other_errors_are_bugs_with_their_traceback() -> None:
    for bug in (ValueError("x"), DatabaseError("near FROM"), ProgrammingError("x")):
        assert explain(bug) == ""
    assert "setup" in explain(ProgrammingError("no such table: x"))


def test_a_scheduler_says_each_time_why_it_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def damaged() -> None:
        raise OperationalError("no such table: trial")

    monkeypatch.setattr(scheduler, "close_old_connections", lambda: None)
    monkeypatch.setattr(scheduler, "ROUND_SECONDS", 0.0)
    rounds = scheduler.Rounds()
    monkeypatch.setattr(rounds, "_recover", lambda now: damaged())
    rounds.round()
    (record,) = caplog.records
    text = record.getMessage()
    assert text.startswith("a round failed; the next one tries again. The database ")
    assert record.exc_info is None
