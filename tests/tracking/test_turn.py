"""Group commit: every request is answered, whatever becomes of the one that leads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from experiments.tracking import turn
from experiments.tracking.turn import Turn


class Log:
    """Writes groups of numbers; the first group waits until the gate opens."""

    def __init__(self, problem: Callable[[Sequence[int]], object] = lambda _: None):
        self.groups: list[list[int]] = []
        self.began, self.gate = threading.Event(), threading.Event()
        self.problem = problem

    def write(self, works: Sequence[int]) -> list[bool]:
        self.groups.append(list(works))
        if len(self.groups) == 1:
            self.began.set()
            assert self.gate.wait(30)
        self.problem(works)
        return [work >= 0 for work in works]


def crowd(log: Log, works: Sequence[int], **options: object) -> list[Future[bool]]:
    """The first leads while all others come, in order."""
    shared: Turn[int] = Turn(log.write, **options)  # type: ignore[arg-type]
    pool = ThreadPoolExecutor(len(works))
    found = [pool.submit(shared.run, works[0])]
    assert log.began.wait(30)
    for place, work in enumerate(works[1:], 1):
        found.append(pool.submit(shared.run, work))
        while len(shared._waiting) < place:
            pass
    log.gate.set()
    pool.shutdown()
    assert not shared._has_leader and not shared._waiting
    return found


def test_what_waits_is_written_together_in_order() -> None:
    log = Log()
    found = crowd(log, range(10))
    assert log.groups == [[0], list(range(1, 10))]
    assert all(each.result() for each in found)


def test_a_group_has_a_limit_of_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turn, "MAX_REQUESTS", 4)
    log = Log()
    crowd(log, range(10))
    assert log.groups == [[0], [1, 2, 3, 4], [5, 6, 7, 8], [9]]


def test_a_group_has_a_limit_of_size_and_a_large_work_is_written_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turn, "MAX_SIZE", 10)
    log = Log()
    crowd(log, [0, 4, 5, 2, 50, 1], size=lambda work: work)
    assert log.groups == [[0], [4, 5], [2], [50], [1]]


def test_who_was_left_out_of_a_group_is_told() -> None:
    found = crowd(Log(), [0, 1, -1, 2])
    assert [each.result() for each in found] == [True, True, False, True]


def test_after_an_error_all_of_the_group_write_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(works: Sequence[int]) -> None:
        if 3 in works:
            raise ValueError("no")

    found = crowd(Log(fail), range(5))
    assert [each.result() for each in found] == [True, *[False] * 4]
    (logged,) = caplog.records
    assert logged.getMessage().endswith("each is tried alone: 1, 2, 3, 4")
    assert logged.exc_info is not None and str(logged.exc_info[1]) == "no"


def test_an_error_of_one_alone_is_its_own() -> None:
    def fail(works: Sequence[int]) -> None:
        if works == [0]:
            raise ValueError("no")

    found = crowd(Log(fail), range(3))
    assert isinstance(found[0].exception(), ValueError)
    assert [each.result() for each in found[1:]] == [True, True]


class Killed(BaseException):
    """As a time limit or a shutdown raises in whatever thread runs."""


def test_a_leader_that_is_killed_leaves_nobody_waiting() -> None:
    def kill(works: Sequence[int]) -> None:
        if 1 in works:
            raise Killed

    log = Log(kill)
    found = crowd(log, range(4))
    assert isinstance(found[1].exception(), Killed)
    assert [each.result() for each in (found[0], *found[2:])] == [True, False, False]


def test_nobody_waits_for_a_leader_without_a_sign(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turn, "MAX_WAIT", 0.01)
    shared: Turn[int] = Turn(lambda works: [True for _ in works])
    shared._has_leader = True
    assert shared.run(1) is False
    assert not shared._waiting
