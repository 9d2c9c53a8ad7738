"""A slot forks its runners: each is a process without the slot's connections."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments.runner.launch import PROJECT, RUN_AS, RUNNER
from experiments.runner.processes import process_table

SLOT = """
import json, os, socket, sys
from pathlib import Path
from experiments.runner.launch import start_runner
queue, other_end = socket.socketpair()
home, spec = sys.argv[1:]
runner = start_runner(json.loads(spec), home=Path(home), slot="host-0")
other_end.close()
print(runner.pid, flush=True)
queue.settimeout(20)
received = queue.recv(1)
print(json.dumps({"received": len(received)}), flush=True)
runner.join()
print(json.dumps({"exit": runner.exitcode}), flush=True)
"""


@contextmanager
def slot(python: str, home: Path, spec: dict[str, Any]) -> Iterator[Any]:
    """A process that starts one runner, as a worker's slot does."""
    with subprocess.Popen(
        [python, "-c", SLOT, str(home), json.dumps(spec)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "SWEEPSITE_WORKER_TOKEN": "wrk_hidden"},
    ) as process:
        try:
            yield process.stdout
        finally:
            # The runner first: without its slot it would go on for some seconds.
            for child in children(process.pid):
                os.kill(child, signal.SIGKILL)
            process.kill()


def children(pid: int) -> list[int]:
    return [p.pid for p in process_table() if p.parent == pid and not p.zombie]


def told(lines: Any) -> Any:
    return json.loads(lines.readline())


def test_a_forked_runner_delivers_and_its_end_is_reported(
    runners: Any, python: str, home: Path, site: Any
) -> None:
    with slot(python, home, runners.spec("sh", "-c", "echo seen; exit 3")) as lines:
        assert told(lines)
        assert told(lines)
        assert told(lines) == {"exit": 0}
    assert site.finish["exit_code"] == 3
    assert b"seen" in site.log


def test_a_forked_runner_is_called_one(
    runners: Any, python: str, home: Path, site: Any
) -> None:
    with slot(python, home, runners.spec("train_hang")) as lines:
        runner = Path("/proc", str(told(lines)))
        site.wait_for(lambda: site.beats)
        assert (runner / "comm").read_text().strip() == RUNNER


def test_a_forked_runner_holds_no_connection_of_its_slot(
    runners: Any, python: str, home: Path, site: Any
) -> None:
    with slot(python, home, runners.spec("train_hang")) as lines:
        assert told(lines)
        assert told(lines) == {"received": 0}, "the runner still holds the other end"


def test_a_training_of_a_forked_runner_gets_the_slot_s_mark_and_no_token(
    runners: Any, python: str, home: Path, site: Any
) -> None:
    with slot(python, home, runners.spec("sh", "-c", "env")) as lines:
        assert [told(lines) for _ in range(3)][-1] == {"exit": 0}
    assert b"SWEEPSITE_SLOT=host-0" in site.log
    assert b"wrk_hidden" not in site.log


def test_another_user_runs_the_trial(runners: Any, site: Any) -> None:
    """The slot stays root's, as whom the suite runs."""
    person = pwd.getpwnam("nobody")
    # Where both may run Python, and without the tests' private folders.
    home = Path(tempfile.mkdtemp(prefix="sweepsite-run-as-"))
    python = "/usr/bin/python3"
    script = (
        "id -u; id -G; echo $HOME; touch mine; ls -n mine; cat /etc/shadow; kill $PPID"
    )
    spec = runners.spec("sh", "-c", f"exec 2>&1; {script}; exit 0")
    try:
        os.chown(home, person.pw_uid, person.pw_gid)
        os.environ[RUN_AS] = "nobody"
        with slot(python, home, spec) as lines:
            assert told(lines)
            assert told(lines)
            ended = told(lines)
        assert list((home / "attempts").iterdir()) == []
    finally:
        del os.environ[RUN_AS]
        shutil.rmtree(home)
    assert ended == {"exit": 0}
    lines = site.text().splitlines()
    assert lines[:3] == [str(person.pw_uid), str(person.pw_gid), person.pw_dir]
    assert f" {person.pw_uid} {person.pw_gid} " in lines[3]
    assert "Permission denied" in lines[4]
    assert "ermitted" in lines[5]
