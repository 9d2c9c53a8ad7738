"""A stand-in site, and runners in processes of their own."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from experiments.runner import cleanup
from experiments.runner.folder import AttemptFolder
from experiments.runner.launch import PROJECT, runner_environment
from experiments.runner.processes import marked

SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"


def _load(path: Path) -> ModuleType:
    """The tests' folders are no packages, so a shared module is loaded by its path."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


StandInSite = _load(Path(__file__).with_name("stand_in_site.py")).StandInSite


@pytest.fixture
def site() -> Iterator[Any]:
    standing_in = StandInSite()
    yield standing_in
    standing_in.hang = False
    standing_in.go_away()


def until(condition: Callable[[], Any], *, seconds: float = 30.0) -> Any:
    """Wait for something that no event tells of, such as a process's end."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s")
        time.sleep(0.005)
    return result


class Runners:
    """Starts runners and sees to it that a failing test leaves nothing behind."""

    def __init__(self, site: Any, home: Path) -> None:
        self.site = site
        self.home = home
        self.witness = home.parent / "seen" / "witness"
        self.witness.parent.mkdir()
        self.started: list[Any] = []

    def spec(self, *command: str, **changes: Any) -> dict[str, Any]:
        argv = list(command)
        if argv[0].startswith("train_"):
            argv = ["python", str(SCRIPTS / f"{argv[0]}.py"), *argv[1:]]
        environment = {
            "WITNESS": str(self.witness),
            "SWEEPSITE_URL": self.site.url,
            "SWEEPSITE_TRIAL_ID": "7",
            "SWEEPSITE_TOKEN": "trl_secret",
            **changes.pop("environment", {}),
        }
        return {
            **{"attempt": 41, "trial": 7, "number": 0, "name": "digits/0"},
            **{"protocol": 2, "argv": argv, "environment": environment, "code": None},
            **{"outputs_limit_bytes": 1_000_000, "log_limit_bytes": 4_000_000},
            **{"trial_timeout": None, "grace": 0.5, "heartbeat_seconds": 0.1},
            **{"lease_seconds": 60, "runner_token": "run_secret"},
            **{"trial_token": "trl_secret", "url": self.site.url},
            **changes,
        }

    def start(
        self,
        *command: str,
        worker: dict[str, str] | None = None,
        slot: str = "",
        give_up_after: float = 600.0,
        **changes: Any,
    ) -> Any:
        runner = subprocess.Popen(
            [
                *(sys.executable, "-m", "experiments.runner", "--home", self.home),
                *("--give-up-after", str(give_up_after)),
            ],
            stdin=subprocess.PIPE,
            cwd=PROJECT,
            env=runner_environment({**os.environ, **(worker or {})}, slot=slot),
            start_new_session=True,
        )
        self.started.append(runner)
        assert runner.stdin is not None
        with suppress(BrokenPipeError), runner.stdin as pipe:
            pipe.write(json.dumps(self.spec(*command, **changes)).encode())
        return runner

    def run(self, *command: str, **changes: Any) -> int:
        code: int = self.start(*command, **changes).wait(timeout=30)
        return code

    def folder(self, attempt: int = 41) -> AttemptFolder:
        return AttemptFolder.of(self.home, str(attempt))

    def alive(self, attempt: int = 41) -> list[int]:
        """Living processes that carry the attempt's marker."""
        spool = str(self.folder(attempt).spool)
        return marked("SWEEPSITE_SPOOL", lambda env: env["SWEEPSITE_SPOOL"] == spool)

    def words(self) -> list[str]:
        """What the scripts have written as witnesses so far: START, ASKED, END."""
        if not self.witness.exists():
            return []
        return [line.split()[0] for line in self.witness.read_text().splitlines()]

    def wait_for_word(self, word: str, count: int = 1) -> None:
        until(lambda: self.words().count(word) >= count)

    def insist(self) -> None:
        """SIGTERM to the last runner until its training has ended: two that come
        soon after each other may arrive as one."""

        def ended() -> bool:
            self.started[-1].terminate()
            time.sleep(0.1)
            return not self.alive()

        until(ended)

    def clear_up(self) -> None:
        for runner in self.started:
            if runner.poll() is None:
                os.kill(runner.pid, signal.SIGKILL)
                runner.wait(timeout=30)
        cleanup.kill_attempts(range(100), home=self.home)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "worker"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def runners(site: Any, home: Path) -> Iterator[Runners]:
    started = Runners(site, home)
    yield started
    started.clear_up()


@pytest.fixture
def wait_until() -> Callable[..., Any]:
    return until


@pytest.fixture
def scripts() -> Path:
    return SCRIPTS


@pytest.fixture
def python() -> str:
    return sys.executable
