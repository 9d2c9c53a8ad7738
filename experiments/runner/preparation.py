"""Before training: gets the trial's code, Python and packages."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from experiments.runner import shared_folder
from experiments.runner.code import CodeError, cached_zip, store, unpack
from experiments.runner.command import PYTHON_NAMES, resolve
from experiments.runner.delivery import AttemptContext
from experiments.runner.environment import (
    DEFAULT_PATH,
    attempt_markers,
    git_environment,
)
from experiments.runner.errors import Refused
from experiments.runner.file_lock import LockWait
from experiments.runner.git import Repository
from experiments.runner.heartbeat import PreparationHeartbeat
from experiments.runner.outcome import not_started, worker_problem
from experiments.runner.retry import Retry
from experiments.runner.sources import Code, CodeSource, FolderSource, GitSource
from experiments.runner.spec import NOTHING_PREPARED, Prepared
from experiments.runner.subprocesses import ProgramError, Subprocesses
from experiments.runner.venvs import Venvs
from experiments.runner.walls import Walls

FETCHES = "fetches the code"
COPIES = "copies the code"

MAX_GIT_SECONDS = 10.0
# One more than the site keeps, which then says that it is cut.
MAX_DIFF = 200_001
# Hidden files are not copied either.
NOT_COPIED = (":(exclude,glob)**/.*", ":(exclude,glob)**/.*/**")
WORKING_COPY = {
    "commit": ("rev-parse", "HEAD"),
    "branch": ("rev-parse", "--abbrev-ref", "HEAD"),
    "diff": (
        *("diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD"),
        *("--", ".", *NOT_COPIED),
    ),
}


def find_python(
    named: str, *, chosen: Mapping[str, str], worker: Mapping[str, str], work: Path
) -> str:
    """The absolute path of the interpreter that a sweep or its pool names.

    An empty name stands for the worker's own. `work` is the folder that a relative path
    such as .venv/bin/python starts from. Raises NotStarted.
    """
    wanted = named or resolve([PYTHON_NAMES[0]], chosen=chosen, worker=worker)[0]
    path = chosen.get("PATH") or worker.get("PATH") or DEFAULT_PATH
    if "/" in wanted:
        whole = os.path.join(work, os.path.expanduser(wanted))
        found = whole if os.path.isfile(whole) and os.access(whole, os.X_OK) else None
    else:
        found = shutil.which(wanted, path=path)
    if found is None:
        raise not_started("python_missing", _missing(wanted, work))
    return os.path.abspath(found)


def wrapped(python: str, programs: Path, *, worker: Mapping[str, str]) -> Prepared:
    """Make `python` and `python3` mean this interpreter inside the trial too.

    Two small scripts do that. Its own folder may be one like /usr/bin, which must not
    come before what an administrator has put first; and through a link an interpreter
    would not find its virtual environment. Raises NotStarted.
    """
    script = f'#!/bin/sh\nexec {shlex.quote(python)} "$@"\n'
    try:
        programs.mkdir(exist_ok=True)
        for name in PYTHON_NAMES:
            (programs / name).write_text(script)
            (programs / name).chmod(0o755)
    except OSError as problem:
        raise worker_problem("no room for the trial's files", problem) from problem
    own = os.path.dirname(python)
    known = worker.get("PATH", DEFAULT_PATH).split(os.pathsep)
    path = (str(programs),) if own in known else (str(programs), own)
    return Prepared(python=python, path=path)


def _missing(wanted: str, work: Path) -> str:
    there = os.path.exists(os.path.join(work, os.path.expanduser(wanted)))
    if "/" in wanted and there:
        what = f'the Python interpreter "{wanted}" may not be executed on the worker'
    else:
        what = f'there is no Python interpreter "{wanted}" on the worker'
    return (
        f"{what}; install it there, or name another one as trial.python in the sweep "
        "or as the pool's Python"
    )


class Preparation:
    """Gets everything that one attempt needs before its training process can start."""

    def __init__(
        self,
        context: AttemptContext,
        *,
        home: Path,
        worker: Mapping[str, str],
        retry: Retry,
        walls: Walls | None,
    ) -> None:
        spec, folder = context.spec, context.folder
        self._spec = spec
        self._folder = folder
        self._site = context.site
        self._log = context.log
        self._home = home.absolute()
        self._worker = worker
        self._retry = retry
        self._walls = walls
        self._facts: dict[str, str] = {}
        self._heartbeat = PreparationHeartbeat(context)
        self._programs = Subprocesses(
            heartbeat=self._heartbeat,
            log=context.log,
            signals=context.signals,
            markers=attempt_markers(spec, folder=folder, worker=worker),
        )

    def prepare(self) -> Prepared:
        """Fill the working folder and find the interpreter.

        Raises NotStarted, StaleAttempt, and SiteAway when the time for retries is over.
        """
        if self._spec.code is not None:
            self._bring(self._spec.code)
        return replace(self._interpreter(), facts=self._facts)

    def _interpreter(self) -> Prepared:
        if not self._spec.python and self._spec.requirements is None:
            return NOTHING_PREPARED
        python = find_python(
            self._spec.python,
            chosen=self._spec.environment,
            worker=self._worker,
            work=self._folder.work,
        )
        if self._spec.requirements is None:
            return wrapped(python, self._folder.programs, worker=self._worker)
        return self._environments().prepare(
            self._spec.requirements, python=python, folder=self._folder
        )

    def _bring(self, code: Code) -> None:
        try:
            if isinstance(code, CodeSource):
                self._unpack(code)
            elif isinstance(code, GitSource):
                self._check_out(code)
            else:
                self._copy(code)
        except (CodeError, Refused) as problem:
            raise not_started("code_missing", f"no code: {problem}") from problem
        except OSError as problem:
            raise worker_problem("no room for the code", problem) from problem

    def _unpack(self, code: CodeSource) -> None:
        with self._opened(code) as archive:
            unpack(archive, self._folder.work)

    def _opened(self, code: CodeSource) -> BinaryIO:
        cached = cached_zip(self._home / "code", code.digest)
        # The cleanup may remove it at this moment.
        with suppress(FileNotFoundError):
            if cached is not None:
                return cached.open("rb")
        return self._fetch(code).open("rb")

    def _fetch(self, code: CodeSource) -> Path:
        cache = self._home / "code"
        return self._retry.call(
            lambda: store(cache, code.digest, self._pieces(code.url))
        )

    def _pieces(self, url: str) -> Iterator[bytes]:
        self._heartbeat.enter(FETCHES)
        self._heartbeat.show()
        for piece in self._site.download(url):
            self._heartbeat.show()
            yield piece

    def _check_out(self, code: GitSource) -> None:
        self._heartbeat.enter(FETCHES)
        repository = Repository(
            code,
            home=self._home,
            programs=self._programs,
            waiting=self._waiting("waits for the code that {} fetches"),
            worker=self._worker,
        )
        commit = code.commit
        if not commit:
            found = repository.look_up()
            commit = self._retry.call(lambda: self._site.settle_commit(found))
        repository.check_out(commit, self._folder.work)
        self._log.note(f"code: commit {commit[:12]} of {code.url}")

    def _copy(self, code: FolderSource) -> None:
        self._heartbeat.enter(COPIES)
        copied = shared_folder.copy(code, self._folder.work, show=self._heartbeat.show)
        self._log.note(f"code: {copied} of {code.folder}")
        folder = Path(os.path.realpath(code.folder))
        if any((parent / ".git").exists() for parent in (folder, *folder.parents)):
            self._facts = dict(self._working_copy(folder))

    def _working_copy(self, folder: Path) -> Iterator[tuple[str, str]]:
        """Commit and changes of a folder that git knows, of the files that are copied.
        Its own settings may name programs, so git is confined as the trial is."""
        given = git_environment(self._worker, files_allowed=False)
        for name, question in WORKING_COPY.items():
            try:
                result = self._programs.run(
                    ("git", "-c", "safe.directory=*", *question),
                    folder=folder,
                    environment=given,
                    seconds=MAX_GIT_SECONDS,
                    confined=self._walls,
                )
            except ProgramError as problem:
                self._log.note(f"the folder's commit is not known: {problem}")
                return
            if text := result.went_well and result.output.decode("utf-8", "replace"):
                yield name, text.strip("\n")[:MAX_DIFF]

    def _environments(self) -> Venvs:
        return Venvs(
            home=self._home,
            programs=self._programs,
            waiting=self._waiting("waits for the environment that {} builds"),
            worker=self._worker,
            log=self._log,
            walls=self._walls,
        )

    def _waiting(self, words: str) -> LockWait:
        return LockWait(self._heartbeat, words=words, name=self._spec.name)
