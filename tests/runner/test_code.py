"""Code snapshots: fetched once, checked, and never written outside their folder."""

from __future__ import annotations

import hashlib
import io
import stat
import subprocess
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.runner import code, preparation
from experiments.runner.code import CodeError, cached_zip, store, unpack
from experiments.runner.preparation import Preparation
from experiments.runner.sources import CodeSource

LINK = (stat.S_IFLNK | 0o777) << 16
FIFO = (stat.S_IFIFO | 0o644) << 16
PROGRAM = (stat.S_IFREG | 0o755) << 16


def zipped(*entries: tuple[str, bytes] | tuple[str, bytes, int]) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, *mode in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = mode[0] if mode else 0
            archive.writestr(info, content)
    return body.getvalue()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "outer" / "work"
    folder.mkdir(parents=True)
    return folder


def test_a_snapshot_is_unpacked_with_its_folders_and_programs(target: Path) -> None:
    body = zipped(
        ("train.py", b"print(1)"), ("lib/", b""), ("lib/net.py", b"x"), ("a/b/c", b"")
    )
    unpack(io.BytesIO(body), target)
    assert (target / "train.py").read_bytes() == b"print(1)"
    assert (target / "lib/net.py").read_bytes() == b"x"
    assert (target / "a/b/c").is_file()
    unpack(io.BytesIO(zipped(("run.sh", b"#!/bin/sh", PROGRAM))), target)
    assert (target / "run.sh").stat().st_mode & stat.S_IXUSR
    assert not (target / "train.py").stat().st_mode & stat.S_IXUSR


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("../evil", 0),
        ("a/../../evil", 0),
        ("..", 0),
        ("/etc/evil", 0),
        ("//evil", 0),
        ("..\\evil", 0),
        ("C:evil", 0),
        ("C:/evil", 0),
        ("link", LINK),
        ("pipe", FIFO),
    ],
)
def test_an_entry_that_could_leave_its_folder_spoils_the_whole(
    target: Path, name: str, mode: int
) -> None:
    body = zipped(("good.py", b"fine"), (name, b"/etc/passwd", mode))
    with pytest.raises(CodeError, match="the code holds"):
        unpack(io.BytesIO(body), target)
    assert list(target.iterdir()) == []
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "entries", [[("a", b"1"), ("a", b"2")], [("a", b"1"), ("a/b", b"2")]]
)
def test_names_that_collide_are_refused(
    target: Path, entries: list[tuple[str, bytes]]
) -> None:
    with pytest.raises(CodeError, match="two names in the code collide"):
        unpack(io.BytesIO(zipped(*entries)), target)


def test_a_bomb_is_refused_before_a_byte_is_written(target: Path) -> None:
    body = zipped(("zeros", bytes(code.RATIO_FREE + 1)))
    with pytest.raises(CodeError, match="more than 100 times its size"):
        unpack(io.BytesIO(body), target)
    assert list(target.iterdir()) == []


def test_too_many_files_are_refused(
    target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code, "MAX_FILES", 5)
    body = zipped(*((f"f{number}", b"") for number in range(6)))
    with pytest.raises(CodeError, match="6 files; allowed are 5"):
        unpack(io.BytesIO(body), target)


@pytest.mark.parametrize("damage", ["cut", "not a zip", "wrong bytes"])
def test_a_damaged_zip_is_an_error_with_a_sentence(target: Path, damage: str) -> None:
    body = zipped(("train.py", b"print(1)" * 100))
    broken = {
        "cut": body[: len(body) // 2],
        "not a zip": b"hello",
        "wrong bytes": body[:40] + bytes(8) + body[48:],
    }[damage]
    with pytest.raises(CodeError):
        unpack(io.BytesIO(broken), target)


def test_what_arrives_must_be_what_was_asked_for(tmp_path: Path) -> None:
    with pytest.raises(CodeError, match="arrived with digest"):
        store(tmp_path, "0" * 64, [b"something", b" else"])
    assert list(tmp_path.iterdir()) == []


def test_a_stored_zip_is_found_again(tmp_path: Path) -> None:
    digest = hashlib.sha256(b"body").hexdigest()
    assert cached_zip(tmp_path, digest) is None
    path = store(tmp_path, digest, [b"bo", b"dy"])
    assert cached_zip(tmp_path, digest) == path
    assert path.read_bytes() == b"body"


def test_a_trial_runs_its_code_and_the_next_one_needs_no_download(
    runners: Any, site: Any
) -> None:
    script = b"import sys; print('from the snapshot', *sys.argv[1:])"
    snapshot = site.add_code(zipped(("train.py", script)))
    for attempt in (1, 2):
        assert (
            runners.run("python", "train.py", "x", attempt=attempt, code=snapshot) == 0
        )
    assert site.log.count(b"from the snapshot x\n") == 2
    assert [action for _, _, action in site.requests].count("code") == 1
    assert [finish["exit_code"] for finish in site.finishes] == [0, 0]


def test_a_snapshot_that_is_gone_is_a_failure_that_says_so(
    runners: Any, site: Any
) -> None:
    missing = {"digest": "0" * 64, "url": f"{site.url}/code/{'0' * 64}.zip"}
    assert runners.run("python", "train.py", code=missing) == 0
    assert (site.finish["cause"], site.finish["code"]) == (
        "not_started",
        "code_missing",
    )
    assert "404" in site.finish["message"]


def test_a_forged_snapshot_is_not_run(runners: Any, site: Any) -> None:
    snapshot = site.add_code(zipped(("train.py", b"print(1)")))
    site.codes[snapshot["digest"]] = zipped(("train.py", b"print('forged')"))
    assert runners.run("python", "train.py", code=snapshot) == 0
    assert site.finish["code"] == "code_missing"
    assert "arrived with digest" in site.finish["message"]
    assert b"forged\n" not in site.log


def test_the_token_does_not_go_to_another_address(runners: Any, site: Any) -> None:
    elsewhere = {"digest": "0" * 64, "url": "http://127.0.0.1:1/x.zip"}
    assert runners.run("python", "train.py", code=elsewhere) == 0
    assert site.finish["code"] == "code_missing"
    assert "is not on" in site.finish["message"]


def test_a_download_waits_for_the_site_and_beats_meanwhile(
    runners: Any, site: Any
) -> None:
    snapshot = site.add_code(zipped(("train.py", b"print('late')")))
    site.statuses["code"] = 503
    runner = runners.start("python", "train.py", code=snapshot)
    site.wait_for(lambda: len(site.beats) >= 2)
    site.statuses.clear()
    assert runner.wait(timeout=30) == 0
    assert site.finish["exit_code"] == 0


def test_a_stop_during_the_download_leaves_the_training_unstarted(
    runners: Any, site: Any
) -> None:
    snapshot = site.add_code(zipped(("train.py", b"print('late')")))
    site.statuses["code"] = 503
    site.stop = {"reason": "user", "message": "stopped by Ada", "grace": 1}
    assert runners.run("python", "train.py", code=snapshot) == 0
    assert site.finish["cause"] == "stopped"
    assert site.finish["exit_code"] is None
    assert site.finish["message"] == "stopped by Ada"


def test_a_release_during_the_download_is_a_release(runners: Any, site: Any) -> None:
    snapshot = site.add_code(zipped(("train.py", b"print('late')")))
    site.statuses["code"] = 503
    runner = runners.start("python", "train.py", code=snapshot)
    site.wait_for(lambda: site.requests)
    runner.terminate()
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "released"


def test_a_code_zip_made_by_a_tool_of_the_system_unpacks(
    tmp_path: Path, target: Path, python: str
) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src/train.py").write_text("print(1)")
    subprocess.run(
        [python, "-m", "zipfile", "-c", "made.zip", "src/"], cwd=tmp_path, check=True
    )
    with (tmp_path / "made.zip").open("rb") as archive:
        unpack(archive, target)
    assert (target / "src/train.py").read_text() == "print(1)"


class Preparing(Preparation):
    """Finds a zip in the cache that is removed at this moment, and fetches another."""

    def __init__(self, folder: Path) -> None:
        self._home = folder
        self._folder: Any = SimpleNamespace(work=folder / "work")
        self._folder.work.mkdir()
        self.fetched = 0

    def _fetch(self, code: CodeSource) -> Path:
        self.fetched += 1
        path = self._home / "fetched.zip"
        path.write_bytes(zipped(("train.py", b"print(1)")))
        return path


def test_a_zip_that_goes_as_it_is_opened_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparation, "cached_zip", lambda cache, _: cache / "gone.zip")
    preparing, source = Preparing(tmp_path), CodeSource("digest", "/code")
    preparing._unpack(source)
    assert preparing.fetched == 1
    assert (tmp_path / "work/train.py").read_bytes() == b"print(1)"

    def fails(*_: object) -> None:
        raise FileNotFoundError("half of it is there")

    # What goes wrong later is no reason to unpack once more into the same folder.
    monkeypatch.setattr(preparation, "unpack", fails)
    with pytest.raises(FileNotFoundError, match="half"):
        preparing._unpack(source)
    assert preparing.fetched == 2
