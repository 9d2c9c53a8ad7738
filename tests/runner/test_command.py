"""Commands that cannot be started say why, quickly."""

from __future__ import annotations

import errno
import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from experiments.runner.command import resolve, start_problem


def not_started(runners: Any, site: Any, *command: str, **changes: Any) -> str:
    assert runners.run(*command, **changes) == 0
    assert site.finish["cause"] == "not_started"
    assert (site.finish["exit_code"], site.finish["signal"]) == (None, None)
    assert site.finish["message"] in site.text()
    return f"{site.finish['code']}: {site.finish['message']}"


def code_with(site: Any, name: str, body: bytes, mode: int = 0o644) -> dict[str, str]:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = (0o100000 | mode) << 16
        archive.writestr(info, body)
    snapshot: dict[str, str] = site.add_code(content.getvalue())
    return snapshot


def test_a_command_that_is_nowhere(runners: Any, site: Any) -> None:
    told = not_started(runners, site, "trian", "--lr", "1")
    assert told == (
        'command_not_found: the command "trian" was not found on the worker\'s PATH'
    )


def test_a_path_that_is_nowhere(runners: Any, site: Any) -> None:
    told = not_started(runners, site, "./train.sh")
    assert told.startswith('command_not_found: the command "./train.sh" does not exist')


def test_a_file_of_the_code_without_its_dot(runners: Any, site: Any) -> None:
    code = code_with(site, "train.sh", b"#!/bin/sh\n", 0o755)
    told = not_started(runners, site, "train.sh", code=code)
    assert told.endswith('for the file write "./train.sh"')


def test_a_file_that_may_not_be_executed(runners: Any, site: Any) -> None:
    code = code_with(site, "train.sh", b"#!/bin/sh\n")
    told = not_started(runners, site, "./train.sh", code=code)
    assert told.startswith('not_executable: the file "./train.sh" is not executable')


def test_a_folder_is_no_command(runners: Any, site: Any) -> None:
    told = not_started(runners, site, "./outputs")
    assert told == 'not_executable: "./outputs" is a folder, not a program'


def test_a_script_without_a_first_line(runners: Any, site: Any) -> None:
    code = code_with(site, "train", b"echo hello\n", 0o755)
    told = not_started(runners, site, "./train", code=code)
    assert "first line such as #!/bin/sh" in told


def test_a_script_whose_interpreter_is_missing(runners: Any, site: Any) -> None:
    code = code_with(site, "train", b"#!/opt/nowhere/python\n", 0o755)
    told = not_started(runners, site, "./train", code=code)
    assert told.endswith("exists, but the interpreter in its first line does not")


def test_a_null_byte_in_an_argument(runners: Any, site: Any) -> None:
    assert "null" in not_started(runners, site, "echo", "a\0b")


def test_an_argument_that_is_too_long(runners: Any, site: Any) -> None:
    assert "longer than the system allows" in not_started(
        runners, site, "echo", "x" * 200_000
    )


@pytest.mark.parametrize(("number", "code"), [("EAGAIN", ""), ("ENOSPC", "disk_full")])
def test_a_worker_without_room_is_not_the_command_s_fault(
    tmp_path: Path, number: str, code: str
) -> None:
    error = OSError(getattr(errno, number), "no more")
    outcome = start_problem(error, ["python"], tmp_path).outcome
    assert (outcome.cause, outcome.code) == ("worker_problem", code)
    assert outcome.message == f"the worker could not start a process: {error}"


@pytest.mark.parametrize("name", ["python", "python3"])
def test_python_means_the_worker_s_interpreter(name: str) -> None:
    assert resolve([name, "x.py"], chosen={}, worker={}) == [sys.executable, "x.py"]


def test_python_may_be_set_for_a_worker() -> None:
    worker = {"SWEEPSITE_PYTHON": "/opt/torch/bin/python"}
    assert resolve(["python"], chosen={}, worker=worker) == ["/opt/torch/bin/python"]


def test_a_sweep_s_own_path_decides_about_its_python(tmp_path: Path) -> None:
    own = tmp_path / "python"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    chosen = {"PATH": str(tmp_path)}
    assert resolve(["python"], chosen=chosen, worker={}) == [str(own)]
    assert resolve(["python3"], chosen=chosen, worker={}) == [sys.executable]


def test_other_commands_stay_as_they_are() -> None:
    argv = ["./run.sh", "python"]
    assert resolve(argv, chosen={}, worker={}) == argv
