"""Ends of attempts on the worker's disk, until the site knows them.

The runner of an attempt writes its end down before it delivers it. If it is killed, or
gives up, the next worker with this folder delivers the rest: the trial has run, and is
not run again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from experiments.runner.folder import AttemptFolder
from experiments.runner.outcome import AttemptOutcome
from experiments.runner.outputs import Stamp
from experiments.runner.spec import AttemptSpec, SpecError, parse_spec
from experiments.runner.stopping import Exit

logger = logging.getLogger(__name__)

# After a signal a runner tries to deliver for ten seconds.
MAX_WAIT_SECONDS, CHECK_SECONDS = 15.0, 0.1
# What a delivery needs of the specification.
SPEC_FIELDS = (
    *("attempt", "trial", "name", "runner_token", "url"),
    *("outputs_limit_bytes", "log_limit_bytes", "heartbeat_seconds", "lease_seconds"),
)


@dataclass(frozen=True)
class KeptEnd:
    """An end with what its delivery needs. ``at_site`` are the outputs that the site
    has."""

    spec: AttemptSpec
    outcome: AttemptOutcome
    at_site: Mapping[str, Stamp]
    log_dropped: int

    def dump(self) -> bytes:
        fields = {name: getattr(self.spec, name) for name in SPEC_FIELDS}
        outcome = asdict(self.outcome)
        if self.outcome.writing is not None:
            outcome["writing"] = sorted(self.outcome.writing)
        at_site = {name: asdict(stamp) for name, stamp in self.at_site.items()}
        document = {
            "spec": {**fields, "argv": ["-"]},
            "outcome": outcome,
            "at_site": at_site,
            "log_dropped": self.log_dropped,
        }
        return json.dumps(document).encode()

    @classmethod
    def load(cls, text: bytes) -> KeptEnd:
        """Raises ValueError, TypeError, KeyError or SpecError for anything else."""
        document: dict[str, Any] = json.loads(text)
        outcome, writing = document["outcome"], document["outcome"]["writing"]
        return cls(
            spec=parse_spec(json.dumps(document["spec"])),
            outcome=AttemptOutcome(
                **{
                    **outcome,
                    "exit": Exit(**outcome["exit"]),
                    "unkilled": tuple(outcome["unkilled"]),
                    "printed": tuple(outcome.get("printed", ())),
                    "writing": None
                    if writing is None
                    else frozenset((device, inode) for device, inode in writing),
                }
            ),
            at_site={
                name: Stamp(**stamp) for name, stamp in document["at_site"].items()
            },
            log_dropped=document["log_dropped"],
        )


def keep(end: KeptEnd, folder: AttemptFolder) -> None:
    """Write the end down, locked for as long as this process lives.

    Without room on the disk the attempt only has its runner to deliver it.
    """
    try:
        _write(end.dump(), folder.end)
    except OSError as problem:
        logger.warning("the end could not be written to disk: %s", problem)


def _write(content: bytes, path: Path) -> None:
    """All of it or, with an OSError, nothing: the earlier file then stays."""
    written = path.with_suffix(".new")
    file = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        # Open after this, for the lock. On a full disk os.write may write a part.
        with open(file, "wb", closefd=False) as stream:
            stream.write(content)
        os.fsync(file)
        os.replace(written, path)
    except OSError:
        os.close(file)
        written.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def taken_over(folder: AttemptFolder, *, url: str) -> Iterator[KeptEnd | None]:
    """The end that a dead runner has left, for the site at this address. None: a living
    runner delivers it itself, or it cannot be read."""
    try:
        file = folder.end.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        if not _locked(file.fileno()) or not folder.end.exists():
            yield None
            return
        try:
            end = KeptEnd.load(file.read())
        except (ValueError, TypeError, KeyError, SpecError) as problem:
            logger.warning("%s cannot be read: %s", folder.end, problem)
            yield None
            return
        yield replace(end, spec=replace(end.spec, url=url.rstrip("/")))


def _locked(file: int) -> bool:
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        time.sleep(CHECK_SECONDS)
    return False
