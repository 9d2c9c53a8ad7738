"""Outputs that reach the site while training runs: whole files, and only those."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SAVE = """
import os, signal, sys, time
from pathlib import Path
import sweepsite_client as sweep
out = Path(sweep.outputs())
def wait():
    while not os.path.exists(os.environ['GO']): time.sleep(0.01)
def replace(name, text):
    (out/'.tmp').write_text(text); (out/'.tmp').replace(out/name)
"""


@pytest.fixture
def go(home: Path) -> Path:
    """The file for which a script waits."""
    return home / "go"


@pytest.fixture
def start(runners: Any, go: Path) -> Callable[..., Any]:
    """Starts a script, which waits for its end afterwards."""

    def start(script: str, **changes: Any) -> Any:
        return runners.start(
            *("python", "-c", f"{SAVE}{script}\ntime.sleep(600)"),
            **{"heartbeat_seconds": 0.05, "environment": {"GO": str(go)}, **changes},
        )

    return start


def end(runner: Any) -> None:
    runner.terminate()
    assert runner.wait(timeout=30) == 0


def test_a_saved_file_is_uploaded_while_training_runs(start: Any, site: Any) -> None:
    runner = start("(out/'a.txt').write_text('one')")
    site.wait_for(lambda: site.artifacts.get("a.txt") == b"one")
    assert runner.poll() is None
    end(runner)
    assert site.uploads == ["a.txt"], "what has not changed is sent once"
    assert site.finish["message"] == "the worker is shutting down"


def test_a_changed_file_is_sent_again_and_a_removed_one_goes(
    start: Any, site: Any, go: Path
) -> None:
    runner = start("""
(out/'a.txt').write_text('one'); (out/'old.txt').write_text('old')
wait()
(out/'a.txt').write_text('second'); (out/'old.txt').unlink()
""")
    site.wait_for(lambda: set(site.artifacts) == {"a.txt", "old.txt"})
    go.touch()
    site.wait_for(lambda: site.artifacts == {"a.txt": b"second"})
    end(runner)


def test_a_file_that_is_open_for_writing_waits(start: Any, site: Any, go: Path) -> None:
    runner = start("""
file = (out/'big.bin').open('wb'); file.write(b'half'); file.flush()
log = (out/'train.log').open('a'); log.write('line\\n'); log.flush()
wait()
file.write(b' and half'); file.close()
""")
    site.wait_for(lambda: site.artifacts.get("train.log") == b"line\n")
    before = len(site.beats)
    site.wait_for(lambda: len(site.beats) > before + 20)
    assert "big.bin" not in site.artifacts
    go.touch()
    site.wait_for(lambda: site.artifacts.get("big.bin") == b"half and half")
    end(runner)


def test_a_file_that_is_never_still_is_sent_whole_all_the_same(
    start: Any, site: Any
) -> None:
    runner = start("""
n = 0
while True:
    n += 1
    replace('state.txt', f'{n:06d}' * 1000)
    time.sleep(0.02)
""")
    site.wait_for(lambda: site.uploads.count("state.txt") >= 2)
    body = site.artifacts["state.txt"].decode()
    assert body == body[:6] * 1000
    end(runner)


def test_uploads_leave_pauses_of_five_times_their_length(start: Any, site: Any) -> None:
    site.slow["artifacts"] = 0.1
    started = time.monotonic()
    runner = start("""
n = 0
while True:
    n += 1
    replace('state.txt', str(n))
    time.sleep(0.02)
""")
    site.wait_for(lambda: site.uploads.count("state.txt") >= 3)
    assert time.monotonic() - started > 2 * 5 * 0.1
    end(runner)


def test_a_partial_file_is_kept_for_people_only(start: Any, site: Any) -> None:
    runner = start(
        """
(out/'whole.txt').write_text('whole'); time.sleep(2.2)
file = (out/'torn.bin').open('wb'); file.write(b'half'); file.flush()
os.kill(os.getpid(), signal.SIGKILL)
""",
        heartbeat_seconds=5,
    )
    assert runner.wait(timeout=30) == 0
    assert site.artifacts == {"whole.txt": b"whole", "torn.bin": b"half"}
    assert site.partial == {"torn.bin"}
    assert "torn.bin was being written at the end" in site.finish["message"]


def test_a_file_that_is_moved_to_its_name_is_whole_after_every_kill(
    start: Any, site: Any, go: Path
) -> None:
    """Also where its times are equal, as within one tick of the clock they go by."""
    runner = start("""
n = 0
while True:
    n += 1
    replace('state.txt', f'step {n}')
    os.utime(out/'state.txt')
    if os.path.exists(os.environ['GO']): os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.02)
""")
    site.wait_for(lambda: site.uploads.count("state.txt") >= 3)
    go.touch()
    assert runner.wait(timeout=30) == 0
    assert site.partial == set()
    assert "state.txt" not in site.finish["message"]


def test_the_whole_version_before_a_partial_one_stays(
    start: Any, site: Any, go: Path
) -> None:
    runner = start(
        """
(out/'model.bin').write_bytes(b'step 1')
(out/'train.log').open('a').write('all of it')
log = (out/'open.log').open('a'); log.write('as far as it goes'); log.flush()
wait()
file = (out/'model.bin').open('r+b'); file.write(b'ste'); file.flush()
(out/'torn').touch()
""",
        grace=0.2,
    )
    site.wait_for(lambda: len(site.artifacts) == 3)
    go.touch()
    site.wait_for(lambda: "torn" in site.artifacts)
    site.stop = {"reason": "user", "message": "stopped by Ada", "grace": 0.2}
    assert runner.wait(timeout=30) == 0
    assert site.artifacts["model.bin"] == b"step 1"
    assert site.artifacts["open.log"] == b"as far as it goes"
    assert site.partial == set()
    assert "model.bin as it was during its last write" in site.finish["message"]


def test_what_is_saved_within_the_grace_is_whole(start: Any, site: Any) -> None:
    runner = start(
        """
def save(*_):
    with (out/'model.bin').open('wb') as file:
        for _ in range(10): file.write(b'part'); file.flush(); time.sleep(0.05)
    sys.exit(0)
signal.signal(signal.SIGTERM, save)
(out/'ready').touch()
while True: time.sleep(0.01)
""",
        grace=10,
    )
    site.wait_for(lambda: "ready" in site.artifacts)
    site.stop = {"reason": "user", "message": "stopped by Ada", "grace": 10}
    assert runner.wait(timeout=30) == 0
    assert site.artifacts["model.bin"] == b"part" * 10
    assert (site.partial, site.finish["exit_code"]) == (set(), 0)


def test_an_upload_under_way_does_not_hold_up_a_shutdown(start: Any, site: Any) -> None:
    site.slow["artifacts"] = 3.0
    runner = start("(out/'a.bin').write_bytes(b'x' * 1000)")
    site.wait_for(lambda: ("PUT", "artifacts") in site.begun)
    before = len(site.beats)
    site.wait_for(lambda: len(site.beats) >= before + 2)
    assert not site.artifacts, "heartbeats do not wait for uploads"
    os.kill(runner.pid, signal.SIGTERM)
    assert runner.wait(timeout=30) == 0
    assert site.artifacts["a.bin"] == b"x" * 1000
    assert site.finish["cause"] == "released"


def test_what_the_site_refuses_is_not_offered_again_and_again(
    start: Any, site: Any
) -> None:
    site.statuses["artifacts"] = 413
    runner = start("(out/'a.txt').write_text('one')")
    site.wait_for(lambda: len(site.beats) > 40)
    tries = [action for _, _, action in site.requests if action == "artifacts"]
    assert len(tries) == 1
    end(runner)
    assert "not kept: a.txt" in site.finish["message"]


def test_what_had_no_room_is_sent_once_another_file_has_gone(
    start: Any, site: Any, go: Path
) -> None:
    site.room = 1000
    runner = start(
        """
(out/'old.bin').write_bytes(b'x' * 600)
wait()
(out/'old.bin').unlink(); (out/'new.bin').write_bytes(b'y' * 600)
""",
        outputs_limit_bytes=1000,
    )
    site.wait_for(lambda: "old.bin" in site.artifacts)
    go.touch()
    site.wait_for(lambda: site.artifacts == {"new.bin": b"y" * 600})
    end(runner)
