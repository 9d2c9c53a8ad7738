"""An end on the worker's disk: delivered by the worker's next start, once."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.runner import ends
from experiments.runner.ends import KeptEnd
from experiments.runner.folder import AttemptFolder, kept_ends
from experiments.runner.launch import PROJECT
from experiments.runner.outcome import AttemptOutcome
from experiments.runner.outputs import Stamp
from experiments.runner.spec import parse_spec
from experiments.runner.stopping import Exit

DELIVER = """
import sys
from pathlib import Path
from experiments.runner.folder import AttemptFolder
from experiments.runner.launch import deliver, leave
root, home, parent, url = sys.argv[1:]
leave(deliver(AttemptFolder(Path(root)), home=Path(home), parent=int(parent), url=url))
"""
TRAINS = (
    "import sweepsite_client as s, pathlib, time\n"
    "for i in range(20): print('line', i, flush=True); s.log(step=i, loss=i)\n"
    "pathlib.Path('outputs/model').write_text('weights')\n"
)


def deliver(runners: Any, *, url: str = "") -> int:
    """As a worker's next start does it."""
    folder, home = str(runners.folder().root), str(runners.home)
    where = [folder, home, str(os.getpid()), url or runners.site.url]
    return subprocess.run(
        [sys.executable, "-c", DELIVER, *where], cwd=PROJECT, timeout=60
    ).returncode


def outcome(**changes: Any) -> AttemptOutcome:
    known = {"cause": "exited", "message": "exit code 0", "exit": Exit(0, None)}
    return AttemptOutcome(**{**known, **changes})


@pytest.mark.parametrize(
    "end",
    [
        outcome(),
        outcome(exit=Exit(None, 9), unkilled=(4, 5), writing=frozenset({(1, 2)})),
        outcome(cause="stopped", writing=frozenset(), elapsed=2.5, peak_memory=7),
    ],
)
def test_an_end_is_read_as_it_was_written(runners: Any, end: AttemptOutcome) -> None:
    spec = parse_spec(json.dumps(runners.spec("true")))
    kept = KeptEnd(spec, end, {"a/b": Stamp(1, 2, 3, 4)}, 17)
    again = KeptEnd.load(kept.dump())
    assert (again.outcome, again.at_site, again.log_dropped) == (
        *(end, kept.at_site, 17),
    )
    assert again.spec.runner_token == spec.runner_token
    assert again.spec.outputs_limit_bytes == spec.outputs_limit_bytes


def test_an_end_that_finds_no_room_keeps_the_earlier_one(
    runners: Any, tmp_path: Path
) -> None:
    spec = parse_spec(json.dumps(runners.spec("true")))
    folder = AttemptFolder(tmp_path)
    ends.keep(KeptEnd(spec, outcome(), {}, 0), folder)
    earlier = folder.end.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(earlier) // 2, limits[1]))
    try:
        ends.keep(KeptEnd(spec, outcome(), {}, 1), folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert folder.end.read_bytes() == earlier
    assert list(tmp_path.glob("end*")) == [folder.end]


@pytest.mark.parametrize("place", ["finish.ended", "finish.points", "finish.delivered"])
def test_what_a_killed_runner_has_left_arrives_once(
    runners: Any, site: Any, place: str
) -> None:
    site.statuses["trial-metrics"] = 503
    environment = {"SWEEPSITE_FAILPOINT": place}
    killed = runners.start("python", "-c", TRAINS, worker=environment)
    assert killed.wait(timeout=30) == -9
    assert [each.root for each in kept_ends(runners.home)] == [runners.folder().root]
    assert site.finishes == []
    assert deliver(runners) == 0
    assert (site.finish["exit_code"], site.finish["lost"]) == (0, [])
    assert sorted(site.points) == [("loss", step) for step in range(20)]
    text = site.text()
    assert all(text.count(f"line {i}\n") == 1 for i in range(20))
    assert "[sweepsite: the worker was started again; it delivers what" in text
    assert site.artifacts == {"model": b"weights"}
    assert not runners.folder().root.exists()


def test_an_attempt_that_no_longer_counts_is_only_removed(
    runners: Any, site: Any
) -> None:
    environment = {"SWEEPSITE_FAILPOINT": "finish.ended"}
    runners.start("python", "-c", TRAINS, worker=environment).wait(timeout=30)
    site.statuses["*"] = 409
    assert deliver(runners) == 0
    assert site.finishes == []
    assert not runners.folder().root.exists()


def test_a_living_runner_delivers_its_end_itself(
    runners: Any, site: Any, wait_until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends, "MAX_WAIT_SECONDS", 0.3)
    site.statuses["finish"] = 503
    runner = runners.start("python", "-c", TRAINS)
    wait_until(runners.folder().end.exists)
    with ends.taken_over(runners.folder(), url=site.url) as end:
        assert end is None
    site.statuses.clear()
    assert runner.wait(timeout=30) == 0
    assert site.finish["exit_code"] == 0


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"outcome": {}}', b"null"])
def test_an_end_that_cannot_be_read_is_left_alone(tmp_path: Path, text: bytes) -> None:
    folder = AttemptFolder(tmp_path)
    folder.end.write_bytes(text)
    with ends.taken_over(folder, url="http://site") as end:
        assert end is None
    assert folder.end.exists()
