"""Replays in a process of their own: `python -m experiments.search.replay`.

Standard input is one line of JSON with `objective`, `policies` (settings) and `orders`
(0 for the order that was recorded, else how many shuffled ones), and then the bytes of
a dumped recording. Standard output is a line of JSON for every sign of progress,
`{"done": share}`, and one for every policy: `{"ended": [reports]}` or `{"average":
[figures]}`.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Iterator
from typing import IO, Any

from experiments.search.records import Objective
from experiments.search.replay.recording import Recording
from experiments.search.replay.work import averages, replays
from experiments.search.termination import Policy, make_policy

# Seconds between two signs of progress.
PACE = 0.1


def main() -> None:
    # Judging makes millions of small objects, none of them in a circle.
    gc.disable()
    order = json.loads(sys.stdin.buffer.readline())
    recording = Recording.load(sys.stdin.buffer.read())
    for line in answers(recording, order, Teller(sys.stdout)):
        _write(sys.stdout, line)


class Teller:
    """Tells the progress, but not at every turn."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._told = time.monotonic()

    def __call__(self, share: float) -> None:
        now = time.monotonic()
        if now - self._told >= PACE:
            self._told = now
            _write(self._stream, {"done": round(share, 4)})


def answers(
    recording: Recording, order: dict[str, Any], progress: Teller
) -> Iterator[dict[str, Any]]:
    objective = Objective(**order["objective"])
    policies = [_policy(settings, objective) for settings in order["policies"]]
    if order["orders"]:
        found = averages(recording, policies, progress, orders=order["orders"])
        for average in found:
            names = average.names()
            yield {"average": [getattr(average, name) for name in names]}
    else:
        for ended in replays(recording, policies, progress):
            yield {"ended": ended.tolist()}


def _policy(settings: dict[str, Any], objective: Objective) -> Policy:
    policy = make_policy(settings, objective)
    if policy is None:
        raise ValueError(f"no policy: {settings!r}")
    return policy


def _write(stream: IO[str], line: dict[str, Any]) -> None:
    stream.write(json.dumps(line) + "\n")
    stream.flush()


if __name__ == "__main__":
    main()
