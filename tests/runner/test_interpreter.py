"""Which Python a trial gets."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

SAY = "import sys; print('runs', sys.argv[1], sys.flags.dont_write_bytecode)"


@pytest.fixture
def another(tmp_path: Path) -> Path:
    """An interpreter that can be told from the worker's own."""
    program = tmp_path / "its own" / "python-b"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -B "$@"\n')
    program.chmod(0o755)
    return program


def test_python_means_the_named_one_also_inside(
    runners: Any, site: Any, another: Path
) -> None:
    inner = f'python -c "{SAY}" inner; python3 -c "{SAY}" three; python-b -c "{SAY}" b'
    for attempt, name in enumerate(("python", "python3")):
        command = (name, "-c", SAY, "head")
        assert runners.run(*command, attempt=attempt, python=str(another)) == 0
    assert runners.run("sh", "-c", inner, attempt=3, python=str(another)) == 0
    assert site.text().count("runs head 1") == 2
    for word in ("inner", "three", "b"):
        assert f"runs {word} 1" in site.text()


def test_a_name_is_looked_for_on_the_path(
    runners: Any, site: Any, another: Path
) -> None:
    worker = {"PATH": f"{another.parent}:/usr/bin:/bin"}
    assert runners.run("python", "-c", SAY, "x", python="python-b", worker=worker) == 0
    assert "runs x 1" in site.text()


def test_without_a_name_it_is_the_worker_s_own(runners: Any, site: Any) -> None:
    assert runners.run("python", "-c", SAY, "x", python="") == 0
    assert "runs x 0" in site.text()


@pytest.mark.parametrize("name", ["python9.9", "/opt/none/bin/python", "~/nothing"])
def test_one_that_is_missing_is_named_with_what_to_do(
    runners: Any, site: Any, home: Path, name: str
) -> None:
    assert runners.run("python", "-c", SAY, "x", python=name) == 0
    assert site.finish["code"] == "python_missing"
    assert f'no Python interpreter "{name}"' in site.finish["message"]
    assert "install it there, or name another one" in site.finish["message"]
    assert list((home / "attempts").iterdir()) == []


def test_one_that_may_not_be_executed_is_reported(
    runners: Any, site: Any, another: Path
) -> None:
    another.chmod(0o644)
    assert runners.run("python", "-c", SAY, "x", python=str(another)) == 0
    assert "may not be executed" in site.finish["message"]
