"""Code from a folder of the worker that its pool allows."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from experiments.runner import shared_folder
from experiments.runner.code import CodeError
from experiments.runner.shared_folder import copy
from experiments.runner.sources import FolderSource
from tests.runner.repositories import GitRepository


@pytest.fixture
def allowed(tmp_path: Path) -> Path:
    folder = tmp_path / "allowed"
    (folder / "project" / "lib").mkdir(parents=True)
    (folder / "project" / "train.py").write_text("import lib.net; print(lib.net.X)")
    (folder / "project" / "lib" / "net.py").write_text("X = 'from the folder'")
    (folder / "project" / ".git").mkdir()
    (folder / "project" / ".git" / "config").write_text("")
    return folder


def source(allowed: Path, name: str = "project") -> FolderSource:
    return FolderSource(folder=str(allowed / name), allowed=(str(allowed),))


def quiet() -> None:
    """No heartbeats are needed."""


def test_a_trial_runs_in_a_copy_of_its_own(
    runners: Any, site: Any, allowed: Path
) -> None:
    code = {"folder": str(allowed / "project"), "allowed": [str(allowed)]}
    command = "open('written', 'w'); exec(open('train.py').read())"
    assert runners.run("python", "-c", command, code=code) == 0
    assert "from the folder" in site.text()
    assert f"[sweepsite: code: 2 files, 53 bytes, of {code['folder']}]" in site.text()
    assert not (allowed / "project" / "written").exists()


def test_the_commit_and_changes_of_a_working_copy_are_known(
    runners: Any, site: Any, tmp_path: Path
) -> None:
    repository = GitRepository(tmp_path / "allowed" / "work")
    files = {"train.py": "print(1)\n", ".env": "TOKEN=1\n", "sub/.x/y": "1\n"}
    commit = repository.commit(files)
    for name in files:
        (repository.folder / name).write_text("print(2)\n")
    folder = str(repository.folder)
    code = {"folder": folder, "allowed": [str(tmp_path / "allowed")]}
    assert runners.run("python", "train.py", code=code) == 0
    sent = [site.finish, *site.beats]
    (found,) = [each["environment"] for each in sent if "environment" in each]
    assert (found["commit"], found["branch"]) == (commit, "main")
    assert "-print(1)\n+print(2)" in found["diff"]
    assert "TOKEN" not in found["diff"] and "sub" not in found["diff"]


def test_a_folder_that_the_pool_does_not_allow_is_refused(
    runners: Any, site: Any, allowed: Path, tmp_path: Path
) -> None:
    for folder in (str(tmp_path), f"{allowed}/../secret", "project", "/etc"):
        code = {"folder": folder, "allowed": [str(allowed)]}
        site.finishes.clear()
        assert runners.run("python", "train.py", code=code) == 0
        assert site.finish["code"] == "code_missing"
        assert "no code: " in site.finish["message"]


@pytest.mark.parametrize("link", ["project/data", "project/secret.txt", "whole"])
def test_a_link_out_of_the_allowed_folders_is_refused(
    allowed: Path, tmp_path: Path, link: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("s")
    target = outside / "secret.txt" if link.endswith(".txt") else outside
    (allowed / link).symlink_to(target)
    (tmp_path / "work").mkdir()
    asked = source(allowed, "whole" if link == "whole" else "project")
    with pytest.raises(CodeError, match="allow"):
        copy(asked, tmp_path / "work", show=quiet)
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("asked", [".ssh", "home/.Aws/code", "to-keys", "project"])
def test_what_holds_keys_is_refused_in_an_allowed_folder_too(
    allowed: Path, tmp_path: Path, asked: str
) -> None:
    (allowed / ".ssh").mkdir()
    (allowed / ".ssh" / "id").write_text("key")
    (allowed / "home" / ".Aws" / "code").mkdir(parents=True)
    (allowed / "to-keys").symlink_to(allowed / ".ssh")
    (allowed / "project" / "data.txt").symlink_to(allowed / ".ssh" / "id")
    (tmp_path / "work").mkdir()
    with pytest.raises(CodeError, match=r"(ssh|Aws) is for keys and passwords"):
        copy(source(allowed, asked), tmp_path / "work", show=quiet)
    assert list((tmp_path / "work").iterdir()) == []


def test_links_inside_are_followed_and_hidden_files_stay(
    allowed: Path, tmp_path: Path
) -> None:
    (allowed / "data").mkdir()
    (allowed / "data" / "x.csv").write_text("1")
    (allowed / "project" / "data").symlink_to(allowed / "data")
    (allowed / "project" / "again.py").symlink_to(allowed / "project" / "train.py")
    work = tmp_path / "work"
    work.mkdir()
    copied = copy(source(allowed), work, show=quiet)
    assert copied.files == 4
    names = sorted(path.name for path in work.iterdir())
    assert names == ["again.py", "data", "lib", "train.py"]
    assert (work / "data").is_symlink()
    assert (work / "data" / "x.csv").read_text() == "1"
    assert not (work / "again.py").is_symlink()


def test_an_allowed_folder_may_itself_be_a_link(allowed: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(allowed)
    (tmp_path / "work").mkdir()
    alias = str(tmp_path / "alias")
    asked = FolderSource(folder=f"{alias}/project", allowed=(alias,))
    assert copy(asked, tmp_path / "work", show=quiet).files == 2


def test_too_much_is_refused_before_a_byte_is_copied(
    allowed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.setattr(shared_folder, "MAX_BYTES", 50)
    with pytest.raises(CodeError, match="2 files of 53 bytes or more; each trial gets"):
        copy(source(allowed), tmp_path / "work", show=quiet)
    assert list((tmp_path / "work").iterdir()) == []


def test_a_huge_folder_is_left_as_soon_as_it_is_too_much(
    allowed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a heartbeat at every file, because a disk may be slow."""
    for number in range(300):
        (allowed / "project" / f"{number}.csv").touch()
    looked: list[str] = []
    real, shown = os.path.realpath, []

    def realpath(path: str, *rest: Any, **more: Any) -> str:
        looked.append(str(path))
        return real(path, *rest, **more)

    monkeypatch.setattr(os.path, "realpath", realpath)
    monkeypatch.setattr(shared_folder, "MAX_FILES", 100)
    with pytest.raises(CodeError, match=r"has 101 files .* at most 100 files of"):
        copy(source(allowed), tmp_path / "work", show=lambda: shown.append(len(looked)))
    assert looked.count(str(allowed)) <= 2, "the allowed folders are resolved once"
    assert len(looked) < 110
    assert len(shown) > 100
    assert not (tmp_path / "work").exists()


def test_a_stop_takes_effect_while_a_folder_is_read(
    allowed: Path, tmp_path: Path
) -> None:
    def stop() -> None:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        copy(source(allowed), tmp_path / "work", show=stop)


@pytest.mark.parametrize("swapped", ["project/lib", "project/lib/net.py"])
def test_a_link_that_comes_after_the_check_is_not_followed(
    allowed: Path, tmp_path: Path, swapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "net.py").write_text("key")
    (tmp_path / "work").mkdir()
    look = shared_folder._look

    def look_then_swap(*arguments: Any) -> object:
        found = look(*arguments)
        (allowed / swapped).rename(tmp_path / "aside")
        target = secret if swapped.endswith("lib") else secret / "net.py"
        (allowed / swapped).symlink_to(target)
        return found

    monkeypatch.setattr(shared_folder, "_look", look_then_swap)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        copy(source(allowed), tmp_path / "work", show=quiet)
    assert not (tmp_path / "work" / "lib" / "net.py").exists()
