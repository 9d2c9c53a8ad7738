"""Children are kept alive with back-off and ended in order."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from experiments.workers.supervisor import MIN_STOP_SECONDS, Child, Supervisor
from tests.processes.running_site import wait_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor(say=lambda text: None)
    yield made
    made.hurry = True
    made.stop()


def child(script: str, **fields: object) -> Child:
    argv = [sys.executable, "-c", script]
    return Child("child", argv, os.environ, **fields)  # type: ignore[arg-type]


SLEEP = "import time; time.sleep(60)"


def test_a_killed_child_is_started_again(supervisor: Supervisor) -> None:
    sleeper = supervisor.add(child(SLEEP))
    first = sleeper.process.pid
    os.kill(first, signal.SIGKILL)

    def revived() -> bool:
        supervisor.revive()
        return sleeper.alive and sleeper.process.pid != first

    wait_for(revived, "the child to live again", timeout=30)


def test_a_child_that_ends_again_and_again_is_started_less_and_less_often(
    supervisor: Supervisor,
) -> None:
    quick = supervisor.add(child("pass"))
    for delay in (0.2, 0.4, 0.8, 1.6):
        quick.process.wait()
        before = time.monotonic()
        quick.note_end()
        after = time.monotonic()
        assert before + delay <= quick.next_start <= after + delay
        quick.start()


def add_deaf(supervisor: Supervisor, ready: Path, **fields: object) -> Child:
    script = (
        "import signal, time, pathlib; signal.signal(15, signal.SIG_IGN);"
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    deaf = supervisor.add(child(script, **fields))
    wait_for(ready.exists, "the child to be deaf", timeout=30)
    return deaf


def test_a_child_deaf_to_sigterm_is_killed_after_its_stop_seconds(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    deaf = add_deaf(supervisor, tmp_path / "ready", stop_seconds=0.3)
    supervisor.stop()
    assert deaf.process.returncode == -signal.SIGKILL


def test_one_deadline_holds_for_all_that_are_deaf(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    deaf = [
        add_deaf(supervisor, tmp_path / str(turn), stop_seconds=30.0, ends=turn)
        for turn in range(3)
    ]
    began = time.monotonic()
    supervisor.stop(within=1.0)
    took = time.monotonic() - began
    assert [each.process.returncode for each in deaf] == [-signal.SIGKILL] * 3
    moments = 2 * MIN_STOP_SECONDS
    # Their stop_seconds are 90 together.
    assert 1.0 + moments <= took < 30


def test_the_last_to_end_has_a_moment_for_it_when_time_is_up(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.workers.supervisor.MIN_STOP_SECONDS", 2.0)
    add_deaf(supervisor, tmp_path / "deaf", stop_seconds=30.0)
    ready = tmp_path / "ready"
    script = (
        "import signal, sys, time, pathlib;"
        "signal.signal(15, lambda *_: sys.exit(7));"
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    willing = supervisor.add(child(script, ends=1))
    wait_for(ready.exists, "the child to be ready", timeout=30)
    supervisor.stop(within=0.1)
    assert willing.process.returncode == 7


def test_children_end_in_their_turns(supervisor: Supervisor, tmp_path: Path) -> None:
    order = tmp_path / "order"
    script = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(order)!r}, 'a').write('NAME ')\n"
        "    sys.exit()\n"
        "signal.signal(15, end)\n"
        f"open({str(tmp_path)!r} + '/ready-NAME', 'w').close()\n"
        "time.sleep(60)\n"
    )
    for turn, name in ((1, "second"), (0, "first")):
        supervisor.add(child(script.replace("NAME", name), ends=turn))
    for name in ("first", "second"):
        wait_for((tmp_path / f"ready-{name}").exists, f"{name} to run", timeout=30)
    supervisor.stop()
    assert order.read_text() == "first second "


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    script = (
        "import os, sys; from experiments.workers.supervisor import Child, Supervisor\n"
        "s = Supervisor(say=print)\n"
        f"c = s.add(Child('c', [sys.executable, '-c', {SLEEP!r}], os.environ))\n"
        "print(c.process.pid, flush=True); s.run()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=ROOT
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()

    def gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
        except FileNotFoundError:
            return True

    wait_for(gone, "the child to end", timeout=30)


def test_a_child_that_stops_answering_is_started_again(
    supervisor: Supervisor,
) -> None:
    answers = True
    quiet = supervisor.add(
        child(SLEEP, answers=lambda: answers, max_silence=0.4, stop_seconds=0.5)
    )
    first = quiet.process.pid
    wait_until = time.monotonic() + 1
    while time.monotonic() < wait_until:
        supervisor.revive()
    assert quiet.process.pid == first
    os.kill(first, signal.SIGSTOP)
    answers = False

    def revived() -> bool:
        supervisor.revive()
        return quiet.alive and quiet.process.pid != first

    wait_for(revived, "a new child", timeout=30)


def test_a_child_that_cannot_start_is_tried_again(supervisor: Supervisor) -> None:
    problems = [OSError("no memory"), OSError("no memory")]

    def prepare() -> None:
        if problems:
            raise problems.pop()

    unlucky = child(SLEEP)
    supervisor.add(unlucky)
    unlucky.prepare = prepare
    unlucky.process.kill()
    unlucky.process.wait()

    def revived() -> bool:
        supervisor.revive()
        return unlucky.alive

    wait_for(revived, "the child to live", timeout=30)
    assert not problems


def test_a_large_log_is_set_aside_while_its_child_writes(
    supervisor: Supervisor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.workers.supervisor.MAX_LOG", 10_000)
    log = tmp_path / "child.log"
    script = (
        "import time\nfor n in range(100_000): print('x' * 99, flush=True);"
        " time.sleep(0.001)"
    )
    writer = child(script)
    writer.log = log
    supervisor.add(writer)

    def set_aside() -> bool:
        supervisor.revive()
        return log.with_suffix(".log.old").exists()

    wait_for(set_aside, "the log to be set aside", timeout=30)
    wait_for(lambda: log.stat().st_size > 0, "new lines", timeout=30)
    assert writer.alive
    assert log.read_bytes()[:99] == b"x" * 99, "the file has a hole"
