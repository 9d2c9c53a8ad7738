"""A later attempt finds what an earlier one left: all of it, whole, or nothing."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from experiments.runner import cleanup
from experiments.runner.sources import SourceError, read_checkpoint

TELL = """
import json, os
import sweepsite_client as sweep
folder = sweep.resume_from()
files = {} if folder is None else {
    str(path.relative_to(folder)): path.read_text()
    for path in sorted(folder.rglob('*')) if path.is_file()
}
print(json.dumps({'given': folder is not None, 'files': files}))
"""


def told(site: Any) -> dict[str, Any]:
    lines = [line for line in site.text().splitlines() if line.startswith("{")]
    answer: dict[str, Any] = json.loads(lines[-1])
    return answer


def test_a_first_attempt_has_nothing_to_resume(runners: Any, site: Any) -> None:
    assert runners.run("python", "-c", TELL) == 0
    assert told(site) == {"given": False, "files": {}}


def test_an_earlier_attempt_s_files_are_there_before_training_starts(
    runners: Any, site: Any
) -> None:
    earlier = site.add_checkpoint(model_bin=b"weights", logs__a_txt=b"a", empty=b"")
    assert runners.run("python", "-c", TELL, resume_from=earlier) == 0
    files = {"model.bin": "weights", "logs/a.txt": "a", "empty": ""}
    assert told(site) == {"given": True, "files": files}
    assert "the outputs of attempt 1 are in SWEEPSITE_RESUME_FROM" in site.text()
    assert site.artifacts == {}, "they are not outputs of this attempt"
    assert not runners.folder().root.exists()


def test_they_are_read_only(runners: Any, site: Any) -> None:
    script = (
        "import os, stat; p = os.environ['SWEEPSITE_RESUME_FROM'];"
        "print([oct(stat.S_IMODE(os.stat(x).st_mode)) for x in (p, p + '/m')])"
    )
    earlier = site.add_checkpoint(m=b"weights")
    runners.run("python", "-c", script, resume_from=earlier)
    assert "['0o555', '0o444']" in site.text()


def test_a_second_time_on_this_host_nothing_is_fetched(
    runners: Any, site: Any, home: Path
) -> None:
    earlier = site.add_checkpoint(m=b"weights")
    for _ in range(2):
        runners.run("python", "-c", TELL, resume_from=earlier)
        assert told(site)["files"] == {"m": "weights"}
    fetched = [action for _, _, action in site.requests if "resume/" in action]
    assert len(fetched) == 1
    (cached,) = (home / "resume").iterdir()
    os.utime(cached, (0, 0))
    cleanup.clear(home)
    assert not cached.exists()


def test_a_spoilt_copy_on_this_host_is_fetched_again(
    runners: Any, site: Any, home: Path
) -> None:
    earlier = site.add_checkpoint(m=b"weights")
    (home / "resume").mkdir()
    (home / "resume" / earlier["files"][0]["sha256"]).write_bytes(b"weighty")
    runners.run("python", "-c", TELL, resume_from=earlier)
    assert told(site)["files"] == {"m": "weights"}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (None, "status 404"),
        (b"weightx", "did not arrive as it was sent"),
        (b"weights and more", "longer than it should be"),
    ],
)
def test_all_or_nothing(
    runners: Any, site: Any, body: bytes | None, sentence: str
) -> None:
    earlier = site.add_checkpoint(a=b"sound", m=b"weights")
    digest = earlier["files"][1]["sha256"]
    site.checkpoint.pop(digest)
    if body is not None:
        site.checkpoint[digest] = body
    assert runners.run("python", "-c", TELL, resume_from=earlier) == 0
    assert told(site) == {"given": False, "files": {}}
    assert "starts from the beginning" in site.text()
    assert sentence in site.text()


def test_outputs_beyond_the_limit_are_not_fetched(runners: Any, site: Any) -> None:
    earlier = site.add_checkpoint(m=b"x" * 2000)
    runners.run("python", "-c", TELL, resume_from=earlier, outputs_limit_bytes=1000)
    assert told(site)["given"] is False
    assert "2 kB, more than the 1 kB" in site.text()


def test_a_stop_meanwhile_takes_effect(runners: Any, site: Any) -> None:
    earlier = site.add_checkpoint(m=b"weights")
    site.stop = {"reason": "user", "message": "stopped by Ada", "grace": 1}
    assert runners.run("train_hang", resume_from=earlier) == 0
    assert site.finish["cause"] == "stopped"
    assert runners.words() == []


def test_the_site_away_is_waited_for(runners: Any, site: Any) -> None:
    earlier = site.add_checkpoint(m=b"weights")
    site.statuses["*"] = 503
    runner = runners.start("python", "-c", TELL, resume_from=earlier)
    site.wait_for(lambda: len(site.requests) > 3)
    site.statuses.clear()
    assert runner.wait(timeout=30) == 0
    assert told(site)["files"] == {"m": "weights"}


@pytest.mark.parametrize("path", ["../up", "/root", "a/../../b", "", "nul\0"])
def test_paths_stay_inside(path: str) -> None:
    file = {"path": path, "sha256": "0" * 64, "size": 1, "url": "u"}
    with pytest.raises(SourceError):
        read_checkpoint({"attempt": 1, "files": [file]})
