"""What a trial's walls leave open, and what it says about the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.runner import landlock
from experiments.runner.folder import AttemptFolder
from experiments.runner.walls import (
    Walls,
    WallsError,
    enter,
    isolates,
    visible,
    walls_for,
    weakness,
)

pytestmark = pytest.mark.skipif(
    not landlock.version(), reason="no Landlock in this kernel"
)


def build(tmp_path: Path, **worker: str) -> Walls:
    folder = AttemptFolder.of(tmp_path / "data" / "worker", "41")
    folder.create()
    (tmp_path / "person").mkdir(exist_ok=True)
    walls = walls_for(
        {
            "HOME": str(tmp_path / "person"),
            "SWEEPSITE_HOME": str(tmp_path / "data"),
            **worker,
        },
        home=tmp_path / "data" / "worker",
        folder=folder,
        shared=[str(tmp_path / "pool")],
    )
    assert walls is not None
    return walls


def inside(walls: Walls, code: str, work: Path) -> str:
    """What a Python program within the walls prints."""
    with walls.rules() as rules:
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=work,
            preexec_fn=lambda: enter(rules),
            capture_output=True,
            text=True,
        )
    return done.stdout + done.stderr


def test_what_is_hidden_is_left_out_with_the_links_to_it(tmp_path: Path) -> None:
    for name in ("a/hidden/x", "a/open", "b"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "a" / "hidden")
    hidden = frozenset({f"{tmp_path}/a/hidden"})
    found = set(visible([str(tmp_path)], hidden))
    assert found == {f"{tmp_path}/a/open", f"{tmp_path}/b"}
    assert list(visible([f"{tmp_path}/a/hidden/x"], hidden)) == []
    assert list(visible([f"{tmp_path}/b"], hidden)) == [f"{tmp_path}/b"]


def test_settings_open_folders_but_not_the_data_folder(tmp_path: Path) -> None:
    for name in ("person/.ssh", "results", "salaries", "pool"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "person" / ".ssh" / "key").write_text("key")
    walls = build(
        tmp_path,
        SWEEPSITE_TRIAL_READ=f"{tmp_path}/person/.ssh",
        SWEEPSITE_TRIAL_WRITE=f"{tmp_path}/results",
        SWEEPSITE_TRIAL_HIDE=f"{tmp_path}/salaries",
        SWEEPSITE_TRIAL_CACHES="",
    )
    code = f"""
import os
print(open("{tmp_path}/person/.ssh/key").read())
for folder in ("results", "pool"):
    open("{tmp_path}/" + folder + "/new", "w").close()
for folder in ("salaries", "data", "person/.cache"):
    try:
        os.listdir("{tmp_path}/" + folder)
        print(folder)
    except OSError:
        pass
"""
    work = tmp_path / "data/worker/attempts/41/work"
    assert inside(walls, code, work) == "key\n"
    assert (tmp_path / "results" / "new").exists()
    with pytest.raises(WallsError, match="in the data folder"):
        build(tmp_path, SWEEPSITE_TRIAL_READ=f"{tmp_path}/data/logs")
    with pytest.raises(WallsError, match="absolute"):
        build(tmp_path, SWEEPSITE_TRIAL_WRITE="results")


def test_a_link_that_a_trial_left_opens_nothing(tmp_path: Path) -> None:
    person, pool = tmp_path / "person", tmp_path / "pool"
    for name in (".cache", ".config", "results"):
        (person / name).mkdir(parents=True)
    pool.mkdir()
    for link in (person / ".cache" / "hf", person / ".keras", pool / "a"):
        link.symlink_to(tmp_path)
    settings = {
        "HF_HOME": f"{person}/.cache/hf",
        "TORCH_HOME": f"{person}/.config/torch",
        "SWEEPSITE_TRIAL_READ": f"{pool}/a/person/.config",
        "SWEEPSITE_TRIAL_WRITE": f"{person}/results:{pool}/a/person",
    }
    walls = build(tmp_path, **settings)
    expected = {str(pool), f"{person}/.cache", f"{person}/results", "/dev/shm"}
    assert {each for each in walls.writable if os.path.exists(each)} == expected
    assert walls.opened == ()
    pip = {"PIP_CACHE_DIR": f"{person}/.cache/hf/pip", "HOME": str(person)}
    assert set(walls.for_pip(pip).writable) == set(walls.writable)


def test_a_folder_of_the_pool_does_not_open_keys_in_it(tmp_path: Path) -> None:
    for name in ("pool/.ssh", "pool/data", "person"):
        (tmp_path / name).mkdir(parents=True)
    keys = tmp_path / "keys"
    keys.write_text("")
    walls = build(tmp_path, HOME=f"{tmp_path}/pool", PGPASSFILE=str(keys))
    assert f"{tmp_path}/pool/data" in walls.writable
    assert f"{tmp_path}/pool/.ssh" not in walls.writable
    assert {str(keys), f"{tmp_path}/pool/.pgpass"} <= walls.hidden


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("PermissionError: [Errno 13] Permission denied: '{}/new'", "may write"),
        ("sh: 1: cannot create {}/new: Permission denied", "may write"),
        ("cat: {}/person/.ssh/key: Permission denied", "may read"),
        ("PermissionError: [Errno 13] Permission denied: '{}/data/x'", "no setting"),
        ("PermissionError: [Errno 13] Permission denied: 'own'", ""),
        ("PermissionError: [Errno 13] Permission denied", ""),
        ("PermissionError: [Errno 13] Permission denied: '/a\0b'", ""),
        ("ValueError: /elsewhere", ""),
    ],
)
def test_a_denied_path_is_explained(tmp_path: Path, line: str, words: str) -> None:
    walls = build(tmp_path)
    work = tmp_path / "data/worker/attempts/41/work"
    lines = f"Traceback\n{line.format(tmp_path)}\nlast".encode()
    refusal = walls.refusal(lines, work=work)
    assert words in refusal
    assert bool(words) == bool(refusal)


def test_isolation_can_be_required_or_turned_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert isolates({}) and weakness({}) == ""
    off = {"SWEEPSITE_ISOLATION": "off"}
    assert not isolates(off) and "is off" in weakness(off)
    with pytest.raises(WallsError, match="allowed are auto, required, off"):
        isolates({"SWEEPSITE_ISOLATION": "yes"})
    monkeypatch.setattr(landlock, "version", lambda: 4)
    assert "6.12" in weakness({})
    monkeypatch.setattr(landlock, "version", lambda: 0)
    assert not isolates({}) and "no Landlock" in weakness({})
    with pytest.raises(WallsError, match="required"):
        isolates({"SWEEPSITE_ISOLATION": "required"})


def test_a_required_wall_that_is_missing_fails_the_attempt_in_words(
    runners: Any, site: Any
) -> None:
    assert runners.run("train_ok", worker={"SWEEPSITE_ISOLATION": "yes"}) == 0
    assert site.finish["cause"] == "worker_problem"
    assert "allowed are auto, required, off" in site.finish["message"]


def test_temporary_files_have_a_short_path_and_go_with_the_attempt(
    tmp_path: Path,
) -> None:
    folder = AttemptFolder.of(tmp_path / ("long" * 20), "41")
    folder.create()
    assert len(str(folder.scratch)) < 70
    (folder.scratch / "file").write_text("x")
    assert not folder.scratch.is_relative_to(folder.root)
    folder.remove()
    assert not folder.scratch.exists()
    os.rmdir(folder.scratch.parent)


def test_what_is_above_thousands_of_entries_is_looked_up_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = tuple(f"{tmp_path}/{n}" for n in range(200))
    hidden = frozenset({f"{tmp_path}/hidden"})
    own = Walls(hidden=hidden, secret=hidden, writable=entries)
    looked: list[str] = []

    def real(path: str) -> str:
        looked.append(path)
        return path

    monkeypatch.setattr(os.path, "realpath", real)
    assert set(own.for_pip({}).writable) == set(entries)
    assert len(looked) < 250
