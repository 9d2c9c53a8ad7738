"""Named places at which a process dies when a test wants it to."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from experiments.runner.failpoints import CHOSEN, ONCE, PLACES, chosen
from tests.processes.running_site import ROOT

CALL = (
    "from experiments.runner.failpoints import failpoint;"
    " failpoint('{}'); print('alive')"
)


def run(place: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CALL.format(place)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_each_place_is_in_the_code_once() -> None:
    found: Counter[str] = Counter()
    for path in (ROOT / "experiments").rglob("*.py"):
        found.update(re.findall(r"\bfailpoint\(\"([a-z.]+)\"\)", path.read_text()))
    assert found == Counter(dict.fromkeys(PLACES, 1))


def test_only_the_chosen_place_kills() -> None:
    wanted = {CHOSEN: "claim.popped, dispatch.notified"}
    assert run("dispatch.notified", **wanted).returncode == -signal.SIGKILL
    assert run("dispatch.stored", **wanted).stdout == "alive\n"
    assert run("dispatch.notified").stdout == "alive\n"


def test_once_in_all_processes_together(tmp_path: Path) -> None:
    wanted = {CHOSEN: "dispatch.notified", ONCE: str(tmp_path)}
    assert run("dispatch.notified", **wanted).returncode == -signal.SIGKILL
    assert run("dispatch.notified", **wanted).stdout == "alive\n"
    assert [path.name for path in tmp_path.iterdir()] == ["dispatch.notified"]


def test_a_place_that_does_not_exist_is_refused_with_those_that_do() -> None:
    with pytest.raises(SystemExit, match=r"names nowhere; there are dispatch\.chosen"):
        chosen({CHOSEN: "nowhere"})
