"""Virtual environments that are really built, and the requirements that they share."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from experiments.runner.file_lock import FileLock
from experiments.runner.outcome import NotStarted
from experiments.runner.sources import Requirements
from experiments.runner.venv_cache import MARK, remove_unused
from experiments.runner.venvs import read
from tests.runner.wheels import make_wheel

USE = "import thing, sys; print('with', thing.SAID, sys.prefix)"


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    text = "SAID = 'the package'\ndef main():\n    print('from the program')\n"
    return make_wheel(tmp_path / "wheels", "thing", text=text).parent


def lines(wheels: Path) -> list[str]:
    return ["--no-index", f"--find-links {wheels}", "thing  # a comment"]


def built(home: Path) -> list[Path]:
    return sorted(path.parent for path in (home / "environments").glob(f"*/{MARK}"))


@pytest.mark.slow
def test_two_trials_at_once_build_one_environment(
    runners: Any, site: Any, wheels: Path, home: Path
) -> None:
    both = [
        runners.start(
            *("sh", "-c", f'python -c "{USE}"; say-thing'),
            attempt=number,
            name=f"digits/{number}",
            requirements=lines(wheels),
        )
        for number in (1, 2)
    ]
    assert [runner.wait(timeout=120) for runner in both] == [0, 0]
    assert {finish["exit_code"] for finish in site.finishes} == {0}
    (environment,) = built(home)
    assert site.text().count(f"with the package {environment}") == 2
    assert site.text().count("from the program") == 2
    assert site.text().count("[sweepsite: builds the environment with") == 1
    assert "pip | " in site.text()
    phases = {beat.get("phase", "") for beat in site.beats}
    assert "builds the environment" in phases
    assert phases & {
        f"waits for the environment that trial digits/{n} builds" for n in (1, 2)
    }


@pytest.mark.slow
def test_a_third_trial_finds_it_built_and_kept_from_removal(
    runners: Any, site: Any, wheels: Path, home: Path
) -> None:
    for attempt, words in ((1, lines(wheels)), (2, ["# other", *lines(wheels)])):
        command = ("python", "-c", USE)
        assert runners.start(*command, attempt=attempt, requirements=words).wait() == 0
    (environment,) = built(home)
    os.utime(environment / MARK, (0, 0))
    runner = runners.start(
        *("python", "-c", "import time; print('up', flush=True); time.sleep(9)"),
        attempt=3,
        requirements=lines(wheels),
    )
    site.wait_for(lambda: b"up" in site.log)
    os.utime(environment / MARK, (0, 0))
    assert remove_unused(environment.parent, days=30, limit=0) == []
    runner.terminate()
    runner.wait(timeout=30)
    assert remove_unused(environment.parent, days=30, limit=0) == [environment]
    assert built(home) == []


@pytest.mark.slow
def test_a_failed_build_fails_every_trial_with_one_sentence(
    runners: Any, site: Any, home: Path
) -> None:
    words = ["--no-index", "no-such-package==1"]
    for attempt in (1, 2):
        command = ("python", "-c", "1")
        assert runners.start(*command, attempt=attempt, requirements=words).wait() == 0
    first, second = site.finishes
    assert (first["cause"], first["code"]) == ("not_started", "environment")
    assert first["message"] == second["message"]
    assert "No matching distribution found for no-such-package==1" in first["message"]
    assert site.text().count("[sweepsite: builds the environment") == 1
    assert "another trial tried this" in site.text()
    assert built(home) == []
    assert list((home / "attempts").iterdir()) == []


@pytest.mark.slow
def test_a_stop_ends_a_build_and_leaves_no_process(
    runners: Any, site: Any, home: Path
) -> None:
    runner = runners.start("python", "-c", "1", requirements=["--no-index", "x"])
    site.wait_for(lambda: any(beat.get("phase") for beat in site.beats))
    site.stop = {"reason": "user", "message": "stopped by hand"}
    assert runner.wait(timeout=30) == 0
    assert site.finish["cause"] == "stopped"
    assert runners.alive() == []
    assert built(home) == []


def test_impossible_requirements_are_reported_at_once(
    runners: Any, site: Any, home: Path
) -> None:
    cases: list[tuple[object, str]] = [
        ("requirements.txt", 'the code has no file "requirements.txt"'),
        ("../../log", "is not a file inside the code"),
        (["-e ./lib"], "would tie a shared environment to one trial's folder"),
    ]
    for attempt, (requirements, words) in enumerate(cases):
        site.finishes.clear()
        command = ("python", "-c", "1")
        assert runners.run(*command, attempt=attempt, requirements=requirements) == 0
        assert site.finish["code"] == "environment"
        assert words in site.finish["message"]
    assert list((home / "attempts").iterdir()) == []


def test_a_python_that_is_none_fails_the_environment(
    runners: Any, site: Any, tmp_path: Path
) -> None:
    program = tmp_path / "python-none"
    program.write_text("#!/bin/sh\necho no such thing; exit 3\n")
    program.chmod(0o755)
    command = ("python", "-c", "1")
    assert runners.run(*command, python=str(program), requirements=[]) == 0
    assert "does not run: no such thing" in site.finish["message"]


def test_without_venv_the_error_says_what_to_install(
    runners: Any, site: Any, tmp_path: Path
) -> None:
    program = tmp_path / "python-bare"
    words = "because ensurepip is not available. On Debian"
    failing = f'[ "$1" = -m ] && echo "{words}" && exit 1'
    program.write_text(f'#!/bin/sh\n{failing}\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    command = ("python", "-c", "1")
    assert runners.run(*command, python=str(program), requirements=[]) == 0
    assert site.finish["code"] == "environment"
    assert "install its package python3-venv" in site.finish["message"]


def test_a_lock_of_another_process_is_waited_for_with_signs_of_life(
    runners: Any, site: Any, home: Path, tmp_path: Path, wait_until: Any
) -> None:
    """The environment exists, but another process has its lock, as during a build."""
    program = tmp_path / "python-fake"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    program.chmod(0o755)
    command = ("python", "-c", "1")
    fake = {"python": str(program), "requirements": []}
    runner = runners.start(*command, attempt=1, **fake)
    root = home / "environments"
    wait_until(lambda: list(root.glob("*.lock")))
    locks = list(root.glob("*.lock"))
    runner.terminate()
    runner.wait(timeout=30)
    environment = locks[0].with_suffix("")
    (environment / "bin").mkdir(parents=True, exist_ok=True)
    (environment / "bin" / "python").unlink(missing_ok=True)
    (environment / "bin" / "python").symlink_to(sys.executable)
    (environment / MARK).write_text(json.dumps({}))
    lock = FileLock(locks[0])
    assert lock.try_alone()
    site.beats.clear()
    site.finishes.clear()
    runner = runners.start(*command, attempt=2, **fake)
    site.wait_for(
        lambda: any(
            str(beat.get("phase")).startswith("waits for the environment that")
            for beat in site.beats
        )
    )
    assert runner.poll() is None
    lock.close()
    assert runner.wait(timeout=30) == 0
    assert site.finish["exit_code"] == 0


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


@pytest.mark.parametrize(
    "line", ["-r {}", "pip # \\\f-r {}", "-c ../key", "--requirement=link"]
)
def test_no_file_outside_the_code_is_read(tmp_path: Path, line: str) -> None:
    key = tmp_path / "key"
    key.write_text("secret")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "link").symlink_to(key)
    text = text_of(tmp_path, {"requirements.txt": line.format(key)}, FILE)
    assert "secret" not in text.splitlines()


def test_a_line_continues_as_pip_reads_it(tmp_path: Path) -> None:
    lines = "a \\\n b\n# c \\\nd # \\\x0c-r more.txt\ne\\"
    files = {"requirements.txt": lines, "more.txt": "f"}
    assert text_of(tmp_path, files, FILE).splitlines() == ["a b", "d", "e"]
