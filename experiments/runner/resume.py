"""Fetches the outputs of an earlier attempt before training starts.

All of them or none: if the folder exists, a script can trust every file in it. They are
read-only copies, so a script cannot change the site's files or the cache.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from experiments.runner.delivery import AttemptContext
from experiments.runner.errors import Refused
from experiments.runner.folder import size_in_words
from experiments.runner.heartbeat import PreparationHeartbeat
from experiments.runner.retry import Retry
from experiments.runner.sources import Checkpoint, CheckpointFile

RESUME_FROM = "SWEEPSITE_RESUME_FROM"
CACHE = "resume"
PIECE = 1 << 20
READ_ONLY, READ_ONLY_FOLDER = 0o444, 0o555


class CheckpointError(Exception):
    """The earlier outputs cannot be fetched; the text says why."""


class CheckpointDownload:
    """Fetches one checkpoint. `cache` holds files of all attempts by their SHA-256."""

    def __init__(
        self,
        context: AttemptContext,
        checkpoint: Checkpoint,
        *,
        cache: Path,
        retry: Retry,
    ) -> None:
        self._checkpoint = checkpoint
        self._folder = context.folder.resume
        self._cache = cache
        self._limit = context.spec.outputs_limit_bytes
        self._site = context.site
        self._heartbeat = PreparationHeartbeat(context)
        self._retry = retry

    def fetch(self) -> None:
        """Fill the folder.

        Raises CheckpointError, OSError when the worker has no room, SiteAway when the
        time for retries is over, NotStarted and StaleAttempt.
        """
        size = sum(file.size for file in self._checkpoint.files)
        if size > self._limit:
            raise CheckpointError(
                f"they have {size_in_words(size)}, more than the"
                f" {size_in_words(self._limit)} that outputs may have"
            )
        self._heartbeat.enter(
            f"fetches the outputs of attempt {self._checkpoint.attempt}"
        )
        self._folder.mkdir(parents=True)
        for file in self._checkpoint.files:
            self._bring(file)
        for folder, _, _ in os.walk(self._folder):
            os.chmod(folder, READ_ONLY_FOLDER)

    def _bring(self, file: CheckpointFile) -> None:
        target = self._folder / file.path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            if not self._copy_cached(file, target):
                self._retry.call(lambda: self._download(file))
                if not self._copy_cached(file, target):
                    raise CheckpointError(f"{file.path} did not arrive as it was sent")
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as problem:
            raise CheckpointError(f"two of their names collide: {problem}") from problem
        except Refused as problem:
            raise CheckpointError(f"{file.path}: {problem}") from problem
        target.chmod(READ_ONLY)

    def _copy_cached(self, file: CheckpointFile, target: Path) -> bool:
        """Copy from the cache; False if it does not have exactly these bytes."""
        cached = self._cache / file.sha256
        seen = hashlib.sha256()
        try:
            source = cached.open("rb")
        except FileNotFoundError:
            return False
        with source, target.open("xb") as copy:
            # If the cleanup removes it meanwhile, the open file stays readable.
            os.utime(source.fileno())
            while piece := source.read(PIECE):
                self._heartbeat.show()
                seen.update(piece)
                copy.write(piece)
        if seen.hexdigest() == file.sha256:
            return True
        target.unlink()
        cached.unlink(missing_ok=True)
        return False

    def _download(self, file: CheckpointFile) -> None:
        """Download into the cache, all of it or nothing."""
        self._cache.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self._cache, prefix="fetching-")
        try:
            with os.fdopen(handle, "wb") as copy:
                for piece in self._pieces(file):
                    copy.write(piece)
            os.replace(name, self._cache / file.sha256)
        finally:
            Path(name).unlink(missing_ok=True)

    def _pieces(self, file: CheckpointFile) -> Iterator[bytes]:
        left = file.size
        for piece in self._site.download(file.url):
            self._heartbeat.show()
            left -= len(piece)
            if left < 0:
                raise CheckpointError(f"{file.path} is longer than it should be")
            yield piece
