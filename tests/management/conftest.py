"""Commands as they are typed: arguments in, what they print and their exit code out."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError


@pytest.fixture(autouse=True)
def _database(db: None) -> None:
    """Every test here has the database."""


@pytest.fixture(autouse=True)
def _data_folder(settings: Any, tmp_path: Path) -> None:
    settings.HOME = tmp_path / "home"


@dataclass(frozen=True)
class Ran:
    """What a command printed, and what it exited with."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run() -> Run:
    def run_command(*words: object) -> Ran:
        out, err, code = io.StringIO(), io.StringIO(), 0
        try:
            call_command(*(str(word) for word in words), stdout=out, stderr=err)
        except CommandError as error:
            code = error.returncode
            err.write(str(error))
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Ran(code, out.getvalue(), err.getvalue())

    return run_command
