"""Where things of one attempt lie on the worker's disk."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class AttemptFolder:
    """`<home>/attempts/<attempt>/` and the names inside it."""

    root: Path

    @classmethod
    def of(cls, home: Path, attempt: str) -> AttemptFolder:
        return cls(home.absolute() / "attempts" / attempt)

    @property
    def work(self) -> Path:
        """The training process's working folder, with the code's copy."""
        return self.root / "work"

    @property
    def outputs(self) -> Path:
        """Files in here are kept as artifacts."""
        return self.work / "outputs"

    @property
    def spool(self) -> Path:
        """Reports the training process could not deliver, as JSON lines."""
        return self.root / "spool.jsonl"

    @property
    def told(self) -> Path:
        """Exists while the script, asked to stop by a reply, is leaving by itself."""
        return self.root / "spool.jsonl.told"

    @property
    def stop(self) -> Path:
        """Written by the runner when it asks the training process to stop."""
        return self.root / "spool.jsonl.stop"

    @property
    def log(self) -> Path:
        return self.root / "log"

    def create(self) -> None:
        """Make the folder afresh; what an earlier try left behind is removed."""
        self.remove()
        self.work.mkdir(parents=True)
        self.root.chmod(0o700)

    def remove(self) -> None:
        """Remove the folder, read-only parts of it too."""
        if self.root.exists():
            shutil.rmtree(self.root, onerror=_make_writable_and_retry)


def _make_writable_and_retry(
    remove: Callable[[str], object], path: str, _problem: object
) -> None:
    """A script may leave folders without write permission; they are ours to remove."""
    for place in (os.path.dirname(path), path):
        if os.path.lexists(place) and not os.path.islink(place):
            os.chmod(place, stat.S_IRWXU)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    elif os.path.lexists(path):
        remove(path)
