"""Replays in another process, so that whoever asks for them can do something else."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from experiments.search.records import JSONValue, Objective
from experiments.search.replay.recording import Recording
from experiments.search.replay.work import Average, Progress

ROOT = Path(__file__).resolve().parents[3]
COMMAND = (sys.executable, "-m", "experiments.search.replay")
LAST_WORDS = 2_000

Answer = NDArray[np.int64] | Average


class ReplayFailed(RuntimeError):
    """The other process ended without an answer; with its last words."""


def replay_apart(
    recording: Recording,
    objective: Objective,
    policies: Sequence[Mapping[str, JSONValue]],
    *,
    orders: int,
    progress: Progress,
) -> Iterator[Answer]:
    """What `replays` (0 orders) or `averages` answer for the policies, one by one.

    `progress` may raise; then, and when the iterator is closed, the process is ended.
    Raises ReplayFailed.
    """
    order = {
        "objective": asdict(objective),
        "policies": list(policies),
        "orders": orders,
    }
    with tempfile.TemporaryFile() as errors, _started(errors) as process:
        try:
            _send(process, json.dumps(order).encode() + b"\n" + recording.dump())
            answered = 0
            for answer in _answers(process, progress):
                answered += 1
                yield answer
            if process.wait() != 0 or answered < len(policies):
                errors.seek(0)
                words = errors.read()[-LAST_WORDS:].decode(errors="replace")
                raise ReplayFailed(words or f"exit code {process.returncode}")
        finally:
            process.kill()


def _started(errors: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
    )


def _send(process: subprocess.Popen[bytes], block: bytes) -> None:
    """All of the order; one that has died already says why by itself."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.write(block)
            process.stdin.close()


def _answers(process: subprocess.Popen[bytes], progress: Progress) -> Iterator[Answer]:
    for line in process.stdout or ():
        told: dict[str, Any] = json.loads(line)
        if "done" in told:
            progress(told["done"])
        elif "ended" in told:
            yield np.array(told["ended"], np.int64)
        else:
            yield Average(*told["average"])
