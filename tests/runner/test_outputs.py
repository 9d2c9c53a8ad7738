"""Output files: what is kept, what is left out, and that it is said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from experiments.runner import outputs
from experiments.runner.outputs import collect, open_plain


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "outputs"
    folder.mkdir()
    return folder


def test_files_are_found_in_folders_in_a_steady_order(folder: Path) -> None:
    (folder / "z.txt").write_text("z")
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/c.txt").write_text("ccc")
    (folder / "a/b.txt").write_text("")
    found = collect(folder, limit=100)
    assert [file.name for file in found.files] == ["a/b/c.txt", "a/b.txt", "z.txt"]
    assert [file.size for file in found.files] == [3, 0, 1]
    assert found.in_words([]) == ""


def test_links_and_special_files_are_left_out(folder: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("x")
    (folder / "file").symlink_to(secret / "key")
    (folder / "dir").symlink_to(secret)
    (folder / "broken").symlink_to("nowhere")
    os.mkfifo(folder / "pipe")
    found = collect(folder, limit=100)
    assert found.files == ()
    assert sorted(found.left_out) == [
        "broken is a link",
        "dir is a link",
        "file is a link",
        "pipe is not a plain file",
    ]
    assert found.in_words(["too large"] * 7).endswith("; and 1 more")


@pytest.mark.parametrize("replaced", ["outputs/a/b/key", "outputs/a/b", "outputs"])
def test_a_link_that_takes_a_place_after_the_look_is_not_followed(
    folder: Path, tmp_path: Path, replaced: str
) -> None:
    for place in (folder / "a" / "b", tmp_path / "secret" / "a" / "b"):
        place.mkdir(parents=True)
        (place / "key").write_text(place.parts[-3])
    (file,) = collect(folder, limit=100).files
    with open_plain(file) as content:
        assert content.read() == b"outputs"
    (tmp_path / replaced).rename(tmp_path / "moved")
    (tmp_path / replaced).symlink_to(tmp_path / replaced.replace("outputs", "secret"))
    assert file.path.read_text() == "secret"
    with pytest.raises(OSError):
        open_plain(file)


def test_a_folder_that_is_itself_a_link_is_left_out(
    folder: Path, tmp_path: Path
) -> None:
    (folder / "file").write_text("x")
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert collect(link, limit=100).files == ()


def test_files_beyond_the_limit_are_left_out_and_smaller_ones_kept(
    folder: Path,
) -> None:
    (folder / "a").write_bytes(bytes(60))
    (folder / "b").write_bytes(bytes(50))
    (folder / "c").write_bytes(bytes(40))
    found = collect(folder, limit=100)
    assert [file.name for file in found.files] == ["a", "c"]
    assert found.left_out == (
        "b (50 bytes) exceeds the limit of 100 bytes for all outputs",
    )


def test_too_many_files_are_cut_off(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outputs, "MAX_FILES", 3)
    for number in range(5):
        (folder / str(number)).write_text("x")
    found = collect(folder, limit=100)
    assert len(found.files) == 3
    assert len(found.left_out) == 2


@pytest.mark.parametrize("name", [b"new\nline", b"\xff\xfe", b"bell\x07"])
def test_names_that_would_disturb_a_page_are_left_out(
    folder: Path, name: bytes
) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text("x")
    found = collect(folder, limit=100)
    assert found.files == ()
    assert found.left_out[0].isprintable()


def test_no_folder_is_no_outputs(tmp_path: Path) -> None:
    assert collect(tmp_path / "nowhere", limit=100).files == ()


def test_what_is_left_out_is_said_in_log_and_end(runners: Any, site: Any) -> None:
    command = "dd if=/dev/zero of=outputs/big bs=2000000 count=1 2> /dev/null"
    assert runners.run("sh", "-c", command) == 0
    assert site.artifacts == {}
    assert "not kept: big (2 MB) exceeds the limit of 1 MB" in site.finish["message"]
    assert "not kept: big (2 MB)" in site.text()
    assert site.finish["exit_code"] == 0


def test_an_upload_the_site_refuses_does_not_fail_the_trial(
    runners: Any, site: Any
) -> None:
    site.statuses["artifacts"] = 507
    assert runners.run("train_ok") == 0
    assert site.finish["exit_code"] == 0
    assert "not kept: model.txt (" in site.finish["message"]
    assert site.finish["not_kept"].startswith("model.txt (")


def test_an_upload_is_tried_again_when_the_site_is_back(
    runners: Any, site: Any
) -> None:
    site.statuses["artifacts"] = 500
    runner = runners.start("train_ok")
    site.wait_for(lambda: [r for r in site.requests if r[2] == "artifacts"])
    site.statuses.clear()
    assert runner.wait(timeout=30) == 0
    assert site.artifacts == {"model.txt": b"weights\n"}


def test_names_travel_unharmed(runners: Any, site: Any) -> None:
    name = "a b&c=d/über?.txt"
    command = f"import os; os.mkdir('outputs/a b&c=d'); open('outputs/{name}', 'w')"
    assert runners.run("python", "-c", command) == 0
    assert site.artifacts == {name: b""}
