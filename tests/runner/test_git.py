"""Code from real git repositories, which lie in an allowed folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from experiments.runner.code import CodeError
from experiments.runner.environment import REPOSITORIES_LIMIT
from experiments.runner.file_lock import FileLock, in_use_lock
from experiments.runner.git import checked
from experiments.runner.sources import GitSource
from experiments.runner.venv_cache import clear_shared
from tests.runner.repositories import GitRepository

TRAIN = "import sys, os; print('version', {}, sorted(os.listdir('.')))"


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    made = GitRepository(tmp_path / "allowed" / "project")
    made.commit({"train.py": TRAIN.format(1), "sub/dir/other.py": TRAIN.format(10)})
    return made


def code_from(repository: GitRepository, **git: str) -> dict[str, Any]:
    allowed = [str(repository.folder.parent)]
    return {"git": {"url": repository.url, **git}, "allowed": allowed}


def test_the_first_attempt_looks_the_commit_up_and_all_run_it(
    runners: Any, site: Any, repository: GitRepository, home: Path
) -> None:
    first = repository.git("rev-parse", "main")
    code = code_from(repository, ref="main")
    assert runners.run("python", "train.py", attempt=1, code=code) == 0
    assert site.commits == [first]
    assert "version 1 ['outputs', 'sub', 'train.py']" in site.text()
    assert f"[sweepsite: code: commit {first[:12]} of {repository.url}]" in site.text()
    repository.commit({"train.py": TRAIN.format(2)})
    # The branch went on; what the first one told counts.
    assert runners.run("python", "train.py", attempt=2, code=code) == 0
    assert site.commits[1] != first
    assert site.text().count("version 1") == 2
    assert "version 2" not in site.text()
    assert not (home / "attempts" / "1").exists()


def test_a_known_commit_is_fetched_once_and_needs_no_repository_then(
    runners: Any, site: Any, repository: GitRepository
) -> None:
    commit = repository.git("rev-parse", "main")
    code = code_from(repository, ref="main", commit=commit, path="sub/dir")
    assert runners.run("python", "other.py", attempt=1, code=code) == 0
    shutil.rmtree(repository.folder)
    repository.folder.mkdir()
    assert runners.run("python", "other.py", attempt=2, code=code) == 0
    assert site.commits == []
    assert site.text().count("version 10 ['other.py', 'outputs']") == 2


def test_tags_and_commits_are_found(
    runners: Any, site: Any, repository: GitRepository
) -> None:
    tagged = repository.git("rev-parse", "main")
    repository.git("tag", "-a", "v1", "-m", "one")
    repository.commit({"train.py": TRAIN.format(2)})
    for attempt, ref in enumerate(("v1", tagged)):
        code = code_from(repository, ref=ref)
        assert runners.run("python", "train.py", attempt=attempt, code=code) == 0
    assert site.commits == [tagged, tagged]
    assert site.text().count("version 1") == 2


@pytest.mark.parametrize(
    ("git", "words"),
    [
        ({"ref": "nowhere"}, "has no branch or tag 'nowhere'"),
        ({"ref": "0" * 40}, "git could not read|has no commit"),
        ({"path": "not/there"}, "has no folder 'not/there' at that commit"),
        ({"ref": "--upload-pack=touch x"}, "is not a branch, tag or commit"),
        ({"url": "ext::sh -c touch% x"}, "not a repository|cannot be fetched"),
    ],
)
def test_what_git_cannot_do_is_reported_and_leaves_nothing(
    runners: Any,
    site: Any,
    repository: GitRepository,
    home: Path,
    git: dict[str, str],
    words: str,
) -> None:
    assert runners.run("python", "train.py", code=code_from(repository, **git)) == 0
    assert site.finish["cause"] == "not_started"
    assert site.finish["code"] == "code_missing"
    assert any(word in site.finish["message"] for word in words.split("|"))
    assert list((home / "attempts").iterdir()) == []


def test_a_repository_outside_the_allowed_folders_is_refused(
    runners: Any, site: Any, repository: GitRepository, tmp_path: Path
) -> None:
    (tmp_path / "allowed" / "link").symlink_to(tmp_path / "secret")
    GitRepository(tmp_path / "secret").commit({"train.py": TRAIN.format(3)})
    code = code_from(repository, url=f"file://{tmp_path}/allowed/link")
    assert runners.run("python", "train.py", code=code) == 0
    assert "is not in a folder" in site.finish["message"]
    assert "version" not in site.text()


def test_hooks_and_filters_of_a_repository_do_not_run(
    runners: Any, site: Any, repository: GitRepository, tmp_path: Path
) -> None:
    hook = repository.folder / ".git" / "hooks" / "post-checkout"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    hook.chmod(0o755)
    repository.commit({".gitattributes": "*.bin filter=lfs\n", "model.bin": "pointer"})
    assert runners.run("cat", "model.bin", code=code_from(repository)) == 0
    assert "pointer" in site.text()
    assert not (tmp_path / "ran").exists()


def test_without_git_the_sentence_says_so(
    runners: Any, site: Any, repository: GitRepository, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    worker = {"PATH": str(tmp_path / "bin")}
    code = code_from(repository)
    assert runners.run("python", "train.py", code=code, worker=worker) == 0
    assert "there is no git on this worker" in site.finish["message"]


def test_two_attempts_at_once_share_one_mirror(
    runners: Any, site: Any, repository: GitRepository, home: Path
) -> None:
    code = code_from(repository)
    both = [runners.start("python", "train.py", attempt=n, code=code) for n in range(3)]
    assert [runner.wait(timeout=30) for runner in both] == [0, 0, 0]
    assert len(site.finishes) == 3
    assert {finish["exit_code"] for finish in site.finishes} == {0}
    mirrors = [p for p in (home / "repositories").iterdir() if p.suffix == ".git"]
    assert len(mirrors) == 1


def test_what_a_killed_fetch_left_disturbs_no_later_fetch(
    runners: Any, site: Any, repository: GitRepository, home: Path
) -> None:
    code = code_from(repository)
    assert runners.run("python", "train.py", attempt=1, code=code) == 0
    (mirror,) = (home / "repositories").glob("*.git")
    for name in ("shallow.lock", "HEAD.lock", "objects/pack/tmp_pack_x"):
        (mirror / name).parent.mkdir(parents=True, exist_ok=True)
        (mirror / name).touch()
    site.commits.clear()
    repository.commit({"train.py": TRAIN.format(2)})
    assert runners.run("python", "train.py", attempt=2, code=code) == 0
    assert "version 2" in site.text()
    assert not (mirror / "objects/pack/tmp_pack_x").exists()


@pytest.mark.parametrize(
    "url",
    [
        *("-x", "--upload-pack=x", "ext::sh", "http://h/r", "git://h/r", "h:r", ""),
        *("https://u:p@h/r", "https://t@h/r", "ssh://u:p@h/r", "ssh://-oX/r"),
        *("git@-oX:r", "git@h:-r", "https://h/r x", "file:///etc", "file://h/x"),
        *("https://h:99999/r", "ssh://h:x/r", "https://[h/r", "git@bücher.org:r"),
        *(
            "https://bücher.org/r",
            "https://\uff11.1.1.1/r",
            "file:///srv/code/../../etc",
        ),
    ],
)
def test_an_address_that_could_do_harm_is_refused(url: str) -> None:
    with pytest.raises(CodeError):
        checked(GitSource(url=url, allowed=("/srv/code",)))


@pytest.mark.parametrize(
    "url",
    [
        *("https://h.org/r.git", "https://h.org:8443/r", "ssh://git@h.org:22/r"),
        *("ssh://h/r", "git@h.org:team/r.git", "file:///srv/code/r"),
    ],
)
def test_an_address_that_is_good_passes(url: str) -> None:
    source = GitSource(url=url, ref="feature/x-1", allowed=("/srv/code",))
    assert checked(source) == source


def test_what_reads_a_mirror_and_what_removes_it_wait_for_each_other(
    runners: Any, site: Any, repository: GitRepository, home: Path
) -> None:
    code = code_from(repository)
    assert runners.run("python", "train.py", attempt=1, code=code) == 0
    (mirror,) = (home / "repositories").glob("*.git")
    lock = FileLock(in_use_lock(mirror))
    assert lock.try_alone()
    runner = runners.start("python", "train.py", attempt=2, code=code)
    site.wait_for(lambda: waits_for_code(site))
    lock.close()
    assert runner.wait(timeout=30) == 0
    os.utime(mirror, (0, 0))
    limit = {REPOSITORIES_LIMIT: "0"}
    assert clear_shared(home, days=30, worker=limit) == [mirror]
    assert runners.run("python", "train.py", attempt=3, code=code) == 0
    assert site.text().count("version 1") == 3


def waits_for_code(site: Any) -> bool:
    phases = [str(beat.get("phase")) for beat in site.beats]
    return any(phase.startswith("waits for the code that") for phase in phases)
