"""When which signal is due, with times instead of waiting."""

from __future__ import annotations

import math

from experiments.runner.stopping import StopSchedule, StopSignal


def test_nothing_is_due_before_a_wish() -> None:
    stopping = StopSchedule()
    assert stopping.step(1e9) is None
    assert stopping.next_time() == math.inf
    assert stopping.cause is None


def test_sigterm_comes_at_once_and_sigkill_after_the_grace() -> None:
    stopping = StopSchedule()
    stopping.begin("stopped", "why", now=100, grace=10)
    assert stopping.step(100) is StopSignal.ASK
    assert stopping.step(109.9) is None
    assert stopping.next_time() == 110
    assert stopping.step(110) is StopSignal.KILL
    assert stopping.step(200) is None
    assert stopping.next_time() == math.inf


def test_a_script_on_its_way_out_gets_sigterm_later() -> None:
    stopping = StopSchedule()
    stopping.begin("stopped", "why", now=100, grace=3, leave=8)
    assert stopping.step(107) is None
    assert stopping.next_time() == 108
    assert stopping.step(108) is StopSignal.ASK
    assert stopping.step(111) is StopSignal.KILL


def test_a_later_wish_shortens_the_way_but_keeps_the_cause() -> None:
    stopping = StopSchedule()
    stopping.begin("stopped", "by policy", now=100, grace=60, leave=10)
    stopping.begin("released", "shutdown", now=101, grace=5)
    assert stopping.step(101) is StopSignal.ASK
    assert stopping.next_time() == 106
    assert (stopping.cause, stopping.message) == ("stopped", "by policy")


def test_a_later_wish_never_lengthens_the_way() -> None:
    stopping = StopSchedule()
    stopping.begin("released", "shutdown", now=100, grace=1)
    stopping.begin("stopped", "by policy", now=100, grace=60)
    assert stopping.step(100) is StopSignal.ASK
    assert stopping.step(101) is StopSignal.KILL


def test_no_grace_means_sigkill_without_sigterm() -> None:
    stopping = StopSchedule()
    stopping.begin("stale", "taken over", now=100, grace=0)
    assert stopping.step(100) is StopSignal.KILL
    assert stopping.asked


def test_a_script_that_does_not_leave_loses_its_time() -> None:
    stopping = StopSchedule()
    stopping.begin("stopped", "why", now=100, grace=3, leave=10)
    stopping.ask_now(now=102, grace=5)
    assert stopping.step(102) is StopSignal.ASK
    assert stopping.next_time() == 107
