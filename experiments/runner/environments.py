"""Virtual environments with a trial's packages, built once a host and shared.

An environment stays where it was built, for its programs name their interpreter by its
whole path. It counts once its mark is there, which is written last and renamed into
place, so a build that was cut off is never used.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.runner import environment_room
from experiments.runner.environment_room import MARK, remove_tree, size_of
from experiments.runner.errands import Errand, ErrandError, Errands
from experiments.runner.file_lock import FileLock, Waiting
from experiments.runner.folder import AttemptFolder
from experiments.runner.limits import LimitError, limits_from
from experiments.runner.logs import OutputLog
from experiments.runner.prepared import Prepared
from experiments.runner.requirements import Wanted, read
from experiments.runner.sizes import size_in_words
from experiments.runner.sources import Requirements
from experiments.runner.tools import ENVIRONMENTS_LIMIT, pip_environment
from experiments.runner.unstarted import environment_failed, worker_problem

BUILDS = "builds the environment"
BUILD_SECONDS = 3600.0
LOOK_SECONDS = 60.0
# A failed build is not tried again by every trial of a sweep.
FAILURE_LASTS = 60.0
UNUSED_DAYS = 30.0
WORTH_TELLING = 1.0
LONGEST_REASON = 1_000
NO_VENV = "ensurepip is not available"
QUESTION = (
    "import json, platform, sys, sysconfig; print(json.dumps([sys.version, "
    "sys.base_prefix, sys.prefix, platform.machine(), sysconfig.get_platform()]))"
)


@dataclass(frozen=True)
class Place:
    """Where one environment lies, by the hash of what is in it."""

    folder: Path

    @property
    def mark(self) -> Path:
        return self.folder / MARK

    @property
    def lock(self) -> Path:
        return self.folder.with_suffix(".lock")

    @property
    def failure(self) -> Path:
        return self.folder.with_suffix(".failed")

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"


class Environments:
    """The environments of one worker home, as one attempt uses them."""

    def __init__(
        self,
        *,
        home: Path,
        errands: Errands,
        waiting: Waiting,
        worker: Mapping[str, str],
        log: OutputLog,
    ) -> None:
        self._root = home / "environments"
        self._errands = errands
        self._waiting = waiting
        self._worker = worker
        self._log = log

    def prepare(
        self, requirements: Requirements, *, python: str, folder: AttemptFolder
    ) -> Prepared:
        """The environment with these packages, built if it is not there yet.

        It is kept from being removed until this process ends. Raises Unstarted, with
        the reason "environment" where the packages cannot be installed.
        """
        try:
            wanted = read(
                requirements, work=folder.work, own=folder.root / "requirements.txt"
            )
            key = hashlib.sha256(
                json.dumps([python, self._facts(python, folder), wanted.text]).encode()
            ).hexdigest()[:32]
            place = Place(self._root / key)
            self._hold(place, wanted, python=python, work=folder.work)
        except OSError as problem:
            raise worker_problem(f"no room for the environment: {problem}") from problem
        return Prepared(
            python=str(place.python),
            path=(str(place.python.parent),),
            environment={"VIRTUAL_ENV": str(place.folder)},
        )

    def _hold(self, place: Place, wanted: Wanted, *, python: str, work: Path) -> None:
        """Share the lock of a whole environment, whoever builds it."""
        lock = FileLock(place.lock)
        began = time.monotonic()
        while True:
            lock.share(self._waiting)
            if place.mark.exists():
                os.utime(place.mark)
                self._tell_waited(time.monotonic() - began)
                return
            lock.release()
            lock.take(self._waiting)
            if not place.mark.exists():
                self._tell_waited(time.monotonic() - began)
                self._build(place, wanted, python=python, work=work)
                began = time.monotonic()
            lock.release()

    def _tell_waited(self, seconds: float) -> None:
        if seconds > WORTH_TELLING:
            self._log.note(f"waited {seconds:.0f} s for another trial's environment")

    def _build(self, place: Place, wanted: Wanted, *, python: str, work: Path) -> None:
        self._fail_as_before(place)
        self._errands.life.enter(BUILDS)
        self._log.note(f"{BUILDS} with {python}")
        started = time.monotonic()
        try:
            self._install(place, wanted, python=python, work=work)
        except BuildError as problem:
            _write_whole(place.failure, {"message": str(problem)})
            with contextlib.suppress(OSError):
                remove_tree(place.folder, show=self._errands.life.show)
            raise environment_failed(str(problem)) from problem
        show = self._errands.life.show
        size = size_of(place.folder, show)
        _write_whole(place.mark, {"python": python, "text": wanted.text, "bytes": size})
        place.failure.unlink(missing_ok=True)
        took = time.monotonic() - started
        self._log.note(f"the environment took {took:.0f} s, {size_in_words(size)}")
        limit = environment_room.bytes_from(
            self._worker, ENVIRONMENTS_LIMIT, usual=environment_room.USUAL_LIMIT
        )
        environment_room.remove_unused(
            self._root, days=UNUSED_DAYS, limit=limit, keep=place.folder, show=show
        )

    def _install(
        self, place: Place, wanted: Wanted, *, python: str, work: Path
    ) -> None:
        if place.folder.exists():
            remove_tree(place.folder, show=self._errands.life.show)
        self._step(
            "no virtual environment could be made",
            *(python, "-m", "venv", str(place.folder)),
            work=work,
        )
        if not wanted.is_empty:
            self._step(
                "the packages could not be installed",
                *(str(place.python), "-m", "pip", "install", "-r", str(wanted.file)),
                work=work,
            )

    def _step(self, failed: str, *argv: str, work: Path) -> None:
        try:
            errand = self._errands.run(
                argv,
                folder=work,
                environment=pip_environment(self._worker),
                seconds=BUILD_SECONDS,
                told_as="pip",
                limits=limits_from(self._worker),
            )
        except LimitError as problem:
            raise worker_problem(str(problem)) from problem
        except ErrandError as problem:
            raise BuildError(f"{failed}: {problem}") from problem
        if not errand.went_well:
            raise BuildError(f"{failed}: {_reason(errand)}"[:LONGEST_REASON])

    def _fail_as_before(self, place: Place) -> None:
        """Raise what another trial's build has just raised."""
        try:
            age = time.time() - place.failure.stat().st_mtime
            message = str(json.loads(place.failure.read_text())["message"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        if 0 <= age < FAILURE_LASTS:
            self._log.note(f"another trial has tried this {age:.0f} s ago")
            raise environment_failed(message)

    def _facts(self, python: str, folder: AttemptFolder) -> str:
        """What the interpreter says of itself; an upgrade in its place is another."""
        try:
            errand = self._errands.run(
                (python, "-I", "-c", QUESTION),
                folder=folder.root,
                environment=pip_environment(self._worker),
                seconds=LOOK_SECONDS,
            )
        except ErrandError as problem:
            raise environment_failed(f"no environment: {problem}") from problem
        if not errand.went_well:
            raise environment_failed(
                f"no environment: {python} is no Python that runs: {_reason(errand)}"
            )
        return errand.lines()[-1]


class BuildError(Exception):
    """A build failed; the sentence has pip's last lines."""


def _reason(errand: Errand) -> str:
    if any(NO_VENV in line for line in errand.last):
        return "this Python has no venv; on Debian install its package python3-venv"
    telling = [line for line in errand.last if line.startswith("ERROR:")]
    lines = telling[-2:] or list(errand.last[-3:])
    return " ".join(lines) or f"it ended with status {errand.status}"


def _write_whole(path: Path, content: Mapping[str, object]) -> None:
    incoming = path.with_name(f"{path.name}.incoming")
    incoming.write_text(json.dumps(content))
    incoming.replace(path)
