"""Virtual environments with a trial's packages, built once per host and shared.

An environment stays where it was built, since its programs name their interpreter by
its absolute path. It counts once its mark exists, which is written last, so a build
that was cut off is never used. pip reads the requirements; this module only compares
them, to know when two trials can share an environment.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.runner import venv_cache
from experiments.runner.code import MAX_FILES
from experiments.runner.environment import ENVIRONMENTS_LIMIT, pip_environment
from experiments.runner.file_lock import FileLock, LockWait
from experiments.runner.folder import AttemptFolder, size_in_words
from experiments.runner.limits import LimitError, limits_from
from experiments.runner.logs import OutputLog
from experiments.runner.outcome import NotStarted, environment_failed, worker_problem
from experiments.runner.sources import Requirements
from experiments.runner.spec import Prepared
from experiments.runner.subprocesses import ProgramError, ProgramResult, Subprocesses
from experiments.runner.venv_cache import MARK, remove_tree, size_of
from experiments.runner.walls import Walls

MAX_TEXT_LENGTH = 1 << 20
MAX_DEPTH = 5
COMMENT = re.compile(r"(^|\s)#.*$")
NESTED = re.compile(r"(?:-r|-c|--requirement|--constraint)[\s=]*(\S+)")
EDITABLE = re.compile(r"(?:-e|--editable)(?:[\s=]|$)")

BUILDS = "builds the environment"
BUILD_SECONDS = 3600.0
LOOK_SECONDS = 60.0
# So that not every trial of a sweep repeats a failed build.
FAILURE_LASTS = 60.0
UNUSED_DAYS = 30.0
WORTH_TELLING = 1.0
MAX_REASON_LENGTH = 1_000
NO_VENV = "ensurepip is not available"
QUESTION = (
    "import json, platform, sys, sysconfig; print(json.dumps([sys.version, "
    "sys.base_prefix, sys.prefix, platform.machine(), sysconfig.get_platform()]))"
)


@dataclass(frozen=True)
class RequirementsFile:
    """A file for pip, and its normalized text, which is equal for equal packages."""

    file: Path
    text: str

    @property
    def is_empty(self) -> bool:
        return not self.text


def read(requirements: Requirements, *, work: Path, own: Path) -> RequirementsFile:
    """Read a file of the code in `work`, or lines, which are written into `own`.

    Raises NotStarted.
    """
    if requirements.file:
        file = work / requirements.file
        if not _is_inside(file, work):
            raise _bad(f'"{requirements.file}" is not a file inside the code')
        if not file.is_file():
            raise _bad(f'the code has no file "{requirements.file}"')
    else:
        own.write_text("\n".join(requirements.lines) + "\n")
        file = own
    return RequirementsFile(file, "\n".join(_normal_lines(file, work, MAX_DEPTH)))


def _normal_lines(file: Path, work: Path, depth: int) -> Iterator[str]:
    """Lines without comments, with those of nested files, and with a digest of each
    file or folder of the code that a line names."""
    base = file.parent if _is_inside(file, work) else work
    for line in _lines(file):
        yield line
        if EDITABLE.match(line):
            raise _bad(
                f'"{line}" would tie a shared environment to one trial\'s folder; '
                "leave it out (the script's own folder is on its path anyway) or "
                "write the package's path without -e"
            )
        nested = NESTED.match(line)
        if nested and "://" not in line and depth:
            inner = base / nested[1]
            # pip itself, within the walls, reads others.
            if _is_inside(inner, work) and inner.is_file():
                yield from _normal_lines(inner, work, depth - 1)
        for path in _named_paths(line, base, work):
            yield f"# {_digest(path)}"


def _lines(file: Path) -> Iterator[str]:
    try:
        size = file.stat().st_size
        text = file.read_text("utf-8-sig") if size <= MAX_TEXT_LENGTH else ""
    except (OSError, ValueError) as problem:
        raise _bad(f"{file.name} cannot be read: {problem}") from problem
    if size > MAX_TEXT_LENGTH:
        raise _bad(
            f"{file.name} is too large; requirements may have "
            f"{size_in_words(MAX_TEXT_LENGTH)}"
        )
    for line in _joined(text.splitlines()):
        plain = " ".join(COMMENT.sub("", line).split())
        if plain:
            yield plain


def _joined(lines: Iterable[str]) -> Iterator[str]:
    """As pip reads them: a line that ends with a backslash continues in the next."""
    begun = ""
    for line in lines:
        is_comment = COMMENT.match(line)
        if line.endswith("\\") and not is_comment:
            begun += line.strip("\\")
            continue
        yield f"{begun} {line}" if is_comment else begun + line
        begun = ""
    yield begun


def _named_paths(line: str, base: Path, work: Path) -> Iterator[Path]:
    """Paths in the code that a line names, such as ./vendor/pkg or --find-links
    wheels."""
    for word in re.split(r"[\s=;@]+", line):
        name = word.removeprefix("file:").partition("[")[0]
        path = base / name
        if (
            name
            and not os.path.isabs(name)
            and path.exists()
            and _is_inside(path, work)
        ):
            yield path


def _digest(path: Path) -> str:
    seen = hashlib.sha256()
    files = [path] if path.is_file() else sorted(path.rglob("*"))[:MAX_FILES]
    for file in files:
        if file.is_file():
            seen.update(str(file.relative_to(path.parent)).encode() + b"\0")
            with file.open("rb") as content:
                seen.update(hashlib.file_digest(content, "sha256").digest())
    return seen.hexdigest()


def _is_inside(path: Path, work: Path) -> bool:
    real = Path(os.path.realpath(path))
    return real.is_relative_to(os.path.realpath(work))


def _bad(message: str) -> NotStarted:
    return environment_failed(f"no environment: {message}")


@dataclass(frozen=True)
class VenvPaths:
    """The paths of one environment, named by the hash of its content."""

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


class Venvs:
    """The environments of one worker home, as one attempt uses them."""

    def __init__(
        self,
        *,
        home: Path,
        programs: Subprocesses,
        waiting: LockWait,
        worker: Mapping[str, str],
        log: OutputLog,
        walls: Walls | None,
    ) -> None:
        self._walls = walls and walls.for_pip(worker)
        self._root = home / "environments"
        self._programs = programs
        self._waiting = waiting
        self._worker = worker
        self._log = log

    def prepare(
        self, requirements: Requirements, *, python: str, folder: AttemptFolder
    ) -> Prepared:
        """The environment with these packages, built if it does not exist yet.

        It cannot be removed until this process ends. Raises NotStarted, with the code
        "environment" if the packages cannot be installed.
        """
        try:
            wanted = read(
                requirements, work=folder.work, own=folder.root / "requirements.txt"
            )
            key = hashlib.sha256(
                json.dumps([python, self._facts(python, folder), wanted.text]).encode()
            ).hexdigest()[:32]
            place = VenvPaths(self._root / key)
            self._hold(place, wanted, python=python, work=folder.work)
        except OSError as problem:
            raise worker_problem("no room for the environment", problem) from problem
        return Prepared(
            python=str(place.python),
            path=(str(place.python.parent),),
            environment={"VIRTUAL_ENV": str(place.folder)},
        )

    def _hold(
        self, place: VenvPaths, wanted: RequirementsFile, *, python: str, work: Path
    ) -> None:
        """Get a shared lock on the complete environment; build it if needed."""
        lock = FileLock(place.lock)
        began = time.monotonic()
        while True:
            lock.share(self._waiting)
            if place.mark.exists():
                os.utime(place.mark)
                self._log_wait(time.monotonic() - began)
                return
            lock.release()
            lock.take(self._waiting)
            if not place.mark.exists():
                self._log_wait(time.monotonic() - began)
                self._build(place, wanted, python=python, work=work)
                began = time.monotonic()
            lock.release()

    def _log_wait(self, seconds: float) -> None:
        if seconds > WORTH_TELLING:
            self._log.note(f"waited {seconds:.0f} s for another trial's environment")

    def _build(
        self, place: VenvPaths, wanted: RequirementsFile, *, python: str, work: Path
    ) -> None:
        self._fail_as_before(place)
        self._programs.heartbeat.enter(BUILDS)
        self._log.note(f"{BUILDS} with {python}")
        started = time.monotonic()
        try:
            self._install(place, wanted, python=python, work=work)
        except BuildError as problem:
            _write_whole(place.failure, {"message": str(problem)})
            with contextlib.suppress(OSError):
                remove_tree(place.folder, show=self._programs.heartbeat.show)
            raise environment_failed(str(problem)) from problem
        show = self._programs.heartbeat.show
        size = size_of(place.folder, show)
        # Not the requirements: trials read this, and an index's address may be private.
        _write_whole(place.mark, {"python": python, "bytes": size})
        place.failure.unlink(missing_ok=True)
        took = time.monotonic() - started
        self._log.note(f"the environment took {took:.0f} s, {size_in_words(size)}")
        limit = venv_cache.bytes_from(
            self._worker, ENVIRONMENTS_LIMIT, usual=venv_cache.USUAL_LIMIT
        )
        venv_cache.remove_unused(
            self._root, days=UNUSED_DAYS, limit=limit, keep=place.folder, show=show
        )

    def _install(
        self, place: VenvPaths, wanted: RequirementsFile, *, python: str, work: Path
    ) -> None:
        if place.folder.exists():
            remove_tree(place.folder, show=self._programs.heartbeat.show)
        place.folder.mkdir()
        self._step(
            "no virtual environment could be made",
            *(python, "-m", "venv", str(place.folder)),
            work=work,
            place=place,
        )
        if not wanted.is_empty:
            self._step(
                "the packages could not be installed",
                *(str(place.python), "-m", "pip", "install", "-r", str(wanted.file)),
                work=work,
                place=place,
            )

    def _step(self, failed: str, *argv: str, work: Path, place: VenvPaths) -> None:
        """A program of the requirements' packages may run, so it is confined."""
        try:
            result = self._programs.run(
                argv,
                folder=work,
                environment=self._environment(),
                seconds=BUILD_SECONDS,
                log_prefix="pip",
                limits=limits_from(self._worker),
                confined=self._walls and self._walls.with_own(place.folder),
            )
        except LimitError as problem:
            raise worker_problem("", problem) from problem
        except ProgramError as problem:
            raise BuildError(f"{failed}: {problem}") from problem
        if not result.went_well:
            raise BuildError(f"{failed}: {_reason(result)}"[:MAX_REASON_LENGTH])

    def _environment(self) -> dict[str, str]:
        temporary = {"TMPDIR": self._walls.temporary} if self._walls else {}
        return pip_environment(self._worker) | temporary

    def _fail_as_before(self, place: VenvPaths) -> None:
        """Raise the error of another trial's recent build."""
        try:
            age = time.time() - place.failure.stat().st_mtime
            message = str(json.loads(place.failure.read_text())["message"])
        except (OSError, ValueError, KeyError, TypeError):
            return
        if 0 <= age < FAILURE_LASTS:
            self._log.note(f"another trial tried this {age:.0f} s ago")
            raise environment_failed(message)

    def _facts(self, python: str, folder: AttemptFolder) -> str:
        """The interpreter's version and platform, which an upgrade changes."""
        try:
            result = self._programs.run(
                (python, "-I", "-c", QUESTION),
                folder=folder.root,
                environment=self._environment(),
                seconds=LOOK_SECONDS,
                confined=self._walls,
            )
        except ProgramError as problem:
            raise environment_failed(f"no environment: {problem}") from problem
        if not result.went_well:
            raise environment_failed(
                f"no environment: the Python {python} does not run: {_reason(result)}"
            )
        return result.lines()[-1]


class BuildError(Exception):
    """A build failed; the message has pip's last lines."""


def _reason(result: ProgramResult) -> str:
    if any(NO_VENV in line for line in result.last):
        return "this Python has no venv; on Debian install its package python3-venv"
    errors = [line for line in result.last if line.startswith("ERROR:")]
    lines = errors[-2:] or list(result.last[-3:])
    return " ".join(lines) or f"it ended with status {result.status}"


def _write_whole(path: Path, content: Mapping[str, object]) -> None:
    incoming = path.with_name(f"{path.name}.incoming")
    incoming.write_text(json.dumps(content))
    incoming.replace(path)
