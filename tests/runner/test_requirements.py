"""When two trials may share an environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from experiments.runner.outcome import NotStarted
from experiments.runner.sources import Requirements
from experiments.runner.venvs import read


def text_of(folder: Path, files: Mapping[str, str], requirements: Requirements) -> str:
    work = folder / "work"
    for name, text in files.items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    work.mkdir(exist_ok=True)
    return read(requirements, work=work, own=folder / "own.txt").text


FILE = Requirements(file="requirements.txt")


def test_comments_and_spaces_make_no_difference(tmp_path: Path) -> None:
    plain = text_of(tmp_path / "a", {"requirements.txt": "numpy==2.1\nscipy"}, FILE)
    wordy = "# what we need\n\nnumpy==2.1   # fast\r\n  scipy \n"
    assert text_of(tmp_path / "b", {"requirements.txt": wordy}, FILE) == plain
    own = Requirements(lines=("numpy==2.1", "scipy"))
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "work").mkdir()
    assert text_of(tmp_path / "c", {}, own) == plain


@pytest.mark.parametrize(
    "line", ["-r more.txt", "--requirement=more.txt", "-c more.txt", "./more.txt"]
)
def test_what_a_line_names_in_the_code_counts_with_its_content(
    tmp_path: Path, line: str
) -> None:
    texts = {
        text_of(tmp_path / name, {"requirements.txt": line, "more.txt": more}, FILE)
        for name, more in (("a", "numpy"), ("b", "scipy"))
    }
    assert len(texts) == 2


def test_files_that_name_each_other_end(tmp_path: Path) -> None:
    files = {"requirements.txt": "-r b.txt", "b.txt": "-r requirements.txt\nnumpy"}
    assert "numpy" in text_of(tmp_path, files, FILE)


@pytest.mark.parametrize("line", ["-e .", "--editable ./x", "-e git+https://h/r"])
def test_an_editable_package_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(NotStarted, match="shared environment"):
        text_of(tmp_path, {"requirements.txt": line}, FILE)
