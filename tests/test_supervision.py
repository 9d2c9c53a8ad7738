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

from experiments.supervision import Child, Supervisor
from tests.processes.running_site import wait_for

ROOT = Path(__file__).resolve().parents[1]


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

    wait_for(revived, "the child to live again", patience=5)


def test_a_child_that_ends_again_and_again_is_started_less_and_less_often(
    supervisor: Supervisor,
) -> None:
    quick = supervisor.add(child("pass"))
    delays = []
    for _ in range(4):
        quick.process.wait()
        before = time.monotonic()
        quick.note_end()
        delays.append(quick.next_start - before)
        quick.start()
    assert [round(delay, 1) for delay in delays] == [0.2, 0.4, 0.8, 1.6]


def test_a_child_deaf_to_sigterm_is_killed_after_its_patience(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    ready = tmp_path / "ready"
    script = (
        "import signal, time, pathlib; signal.signal(15, signal.SIG_IGN);"
        f"pathlib.Path({str(ready)!r}).touch(); time.sleep(60)"
    )
    deaf = supervisor.add(child(script, patience=0.3))
    wait_for(ready.exists, "the child to be deaf", patience=10)
    supervisor.stop()
    assert deaf.process.returncode == -signal.SIGKILL


def test_children_end_in_the_reverse_order(
    supervisor: Supervisor, tmp_path: Path
) -> None:
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
    for name in ("first", "second"):
        supervisor.add(child(script.replace("NAME", name)))
    for name in ("first", "second"):
        wait_for((tmp_path / f"ready-{name}").exists, f"{name} to run", patience=10)
    supervisor.stop()
    assert order.read_text() == "second first "


def test_children_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    script = (
        "import os, sys; from experiments.supervision import Child, Supervisor\n"
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

    wait_for(gone, "the child to end", patience=5)
