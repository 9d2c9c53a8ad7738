"""Watches a training process: its output, signals, stop requests, limits and end."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from experiments.runner import signals
from experiments.runner.delivery import AttemptContext
from experiments.runner.errors import Stop
from experiments.runner.failpoints import failpoint
from experiments.runner.folder import size_in_words
from experiments.runner.heartbeat import HeartbeatThread
from experiments.runner.limits import Cgroup
from experiments.runner.log_marks import Stream
from experiments.runner.logs import pump
from experiments.runner.outcome import (
    CUT_OFF,
    CUT_OFF_AFTER,
    GONE_AFTER,
    OUT_OF_MEMORY,
    AttemptOutcome,
    cut_off_message,
    out_of_memory,
)
from experiments.runner.process_tree import MemoryWatch, ProcessTree, named_by
from experiments.runner.processes import FileId, writers
from experiments.runner.stopping import ScriptResponse, StopSchedule, StopSignal

logger = logging.getLogger(__name__)

RELEASE_GRACE = 5.0
# A script that knows of the stop has had its grace; SIGTERM then gives it only this
# long.
LAST_CALL = 3.0
RESPONSE_CHECK_SECONDS = 0.25
PARENT_CHECK_SECONDS = 1.0
LAST_LINES = 12


class Watch:
    """Watches one process tree until nothing of it is left."""

    def __init__(
        self,
        context: AttemptContext,
        tree: ProcessTree,
        *,
        heartbeat: HeartbeatThread,
        parent: int,
        group: Cgroup | None = None,
    ) -> None:
        self._context = context
        self._spec = context.spec
        self._signals = context.signals
        self._tree = tree
        self._heartbeat = heartbeat
        self._parent = parent
        self._outputs: dict[int, Callable[[bytes], None]] = {
            tree.output: context.take_output
        }
        if tree.errors is not None:
            self._outputs[tree.errors] = partial(context.take_output, stream=Stream.ERR)
        self._stopping = StopSchedule()
        self._stop_seen: Stop | None = None
        self._terminations = 0
        self._response = ScriptResponse(context.folder)
        self._response_grace = 0.0
        self._memory = MemoryWatch(
            tree, limit=self._spec.limits.memory_bytes, group=group
        )
        self._writing: frozenset[FileId] | None = None
        self._cut_off = False

    def until_end(self) -> AttemptOutcome:
        """Returns when the main process has ended and its leftovers are killed."""
        with self._signals.watching(*self._outputs):
            while not self._tree.reap():
                now = time.monotonic()
                self._check_all(now)
                self._carry_out(self._stopping.step(now))
                self._wait()
        return self._outcome(left=self._clear_up())

    def _check_all(self, now: float) -> None:
        self._check_release(now)
        self._check_stale(now)
        self._check_stop(now)
        self._check_timeout(now)
        self._check_memory(now)
        self._check_lease(now)
        self._context.collectors.poll(now)

    def _check_release(self, now: float) -> None:
        if self._parent_is_gone() and not self._signals.terminations:
            self._signals.terminations += 1
        if self._signals.terminations == self._terminations:
            return
        self._terminations = self._signals.terminations
        grace = min(self._spec.grace, RELEASE_GRACE) if self._terminations == 1 else 0.0
        is_there = signals.parent_is(self._parent)
        why = "the worker is shutting down" if is_there else "its slot's process ended"
        self._begin("released", why, now=now, grace=grace)

    def _parent_is_gone(self) -> bool:
        """Only needed on systems that send no signal when the parent dies."""
        return not signals.LINUX and not signals.parent_is(self._parent)

    def _check_stale(self, now: float) -> None:
        """Another attempt may be running already, so there is no grace."""
        if self._heartbeat.stale is not None and self._stopping.cause != "stale":
            self._stopping = StopSchedule()
            self._begin("stale", str(self._heartbeat.stale), now=now, grace=0.0)

    def _check_stop(self, now: float) -> None:
        if self._heartbeat.stop is not self._stop_seen and self._heartbeat.stop:
            self._stop_seen = self._heartbeat.stop
            stop = self._heartbeat.stop
            grace = self._spec.grace if stop.grace is None else stop.grace
            self._begin_gently("stopped", stop.message, now=now, grace=grace)
        self._check_response(now)

    def _check_response(self, now: float) -> None:
        """Delay SIGTERM while the script is stopping by itself: it could interrupt
        it."""
        if not self._awaits_response():
            return
        is_stopping = self._response.is_stopping()
        if is_stopping is False:
            self._stopping.ask_now(now=now, grace=self._response_grace)
        elif is_stopping:
            last_call = min(LAST_CALL, self._response_grace / 2)
            self._stopping.put_off(before_end=last_call)

    def _begin_gently(
        self, cause: str, message: str, *, now: float, grace: float
    ) -> None:
        """Write the reason first. A script that uses the client gets half of the grace
        to see it before SIGTERM, and nearly all of the grace once it has seen it."""
        is_stopping = self._response.is_stopping()
        self._write_reason(message)
        leave, rest = 0.0, grace
        if is_stopping and (left := self._response.left(grace)) > 0:
            leave, rest = left, min(grace, LAST_CALL)
        elif is_stopping is None and self._response.uses_client:
            leave = rest = grace / 2
        self._response_grace = grace if leave else 0.0
        self._begin(cause, message, now=now, grace=rest, leave=leave)

    def _awaits_response(self) -> bool:
        return self._response_grace > 0 and not self._stopping.asked

    def _check_timeout(self, now: float) -> None:
        limit = self._spec.trial_timeout
        if limit is None or self._stopping.cause or now < self._timeout_at():
            return
        message = f"the trial ran longer than its limit of {limit:g} s"
        self._begin_gently("trial_timeout", message, now=now, grace=self._spec.grace)

    def _check_memory(self, now: float) -> None:
        excess = self._memory.excess(now)
        if excess and self._stopping.cause != OUT_OF_MEMORY:
            self._begin(OUT_OF_MEMORY, excess, now=now, grace=0.0)

    def _check_lease(self, now: float) -> None:
        """End before the site, which gets no heartbeats, starts another attempt."""
        lease = self._spec.lease_seconds
        if not lease or now < self._cut_off_at():
            return
        self._cut_off = True
        grace = min(self._spec.grace, (GONE_AFTER - CUT_OFF_AFTER) * lease)
        self._begin(CUT_OFF, cut_off_message(lease), now=now, grace=grace)

    def _cut_off_at(self) -> float:
        return math.inf if self._cut_off else self._context.lease.cut_off_at(self._spec)

    def _timeout_at(self) -> float:
        limit = self._spec.trial_timeout
        return math.inf if limit is None else self._tree.started_at + limit

    def _begin(
        self, cause: str, message: str, *, now: float, grace: float, leave: float = 0.0
    ) -> None:
        logger.info("stopping (%s): %s", cause, message)
        self._stopping.begin(cause, message, now=now, grace=grace, leave=leave)

    def _carry_out(self, step: StopSignal | None) -> None:
        if step is None:
            return
        logger.info("%s of process %d", step.value, self._tree.pid)
        if not self._tree.reap():
            # After its end nobody can see which files it was writing.
            self._writing = writers(self._tree.members()).changing
        if step is StopSignal.ASK:
            self._write_reason(self._stopping.message)
            self._tree.ask_to_end()
            failpoint("stop.asked")
        else:
            self._tree.kill()

    def _write_reason(self, message: str) -> None:
        """For the client in the script, which reads it at its next report or
        question."""
        try:
            self._context.folder.stop.write_text(json.dumps({"reason": message}))
        except OSError as problem:
            logger.warning("the reason to stop could not be written: %s", problem)

    def _wait(self) -> None:
        # In the order in which they became ready, which keeps that of the output.
        for fd in self._signals.wait(self._seconds_to_next()):
            if not pump(fd, self._outputs[fd]):
                self._signals.forget(fd)

    def _seconds_to_next(self) -> float | None:
        """None: nothing is due, so only signals and output wake this process."""
        now = time.monotonic()
        times = [
            self._stopping.next_time(),
            self._memory.next_time(),
            self._context.collectors.next_time(),
            self._cut_off_at(),
        ]
        if not self._stopping.cause:
            times.append(self._timeout_at())
        if self._awaits_response():
            times.append(now + RESPONSE_CHECK_SECONDS)
        if not signals.LINUX:
            times.append(now + PARENT_CHECK_SECONDS)
        soonest = min(times)
        return None if math.isinf(soonest) else max(0.0, soonest - now)

    def _clear_up(self) -> list[int]:
        """Kill what the main process left running, and read the rest of the output.

        It does not wait for the pipes' end: an unkillable process could hold them open.
        """
        left = self._tree.kill()
        for fd, take in self._outputs.items():
            pump(fd, take)
        return left

    def _outcome(self, *, left: list[int]) -> AttemptOutcome:
        verdict = self._verdict()
        unkilled = f"; processes {left} could not be killed" if left else ""
        return replace(
            verdict,
            message=verdict.message + unkilled,
            exit=self._tree.exit,
            elapsed=self._tree.elapsed(),
            peak_memory=self._memory.peak,
            unkilled=tuple(left),
            writing=self._writing,
            ended_at=time.time(),
        )

    def _verdict(self) -> AttemptOutcome:
        """Cause, code and message of the end."""
        end, stopping = self._tree.exit, self._stopping
        if stopping.cause == OUT_OF_MEMORY:
            return out_of_memory(stopping.message, over_limit=True)
        if stopping.cause is not None:
            return AttemptOutcome(cause=stopping.cause, message=stopping.message)
        if reason := self._response.reason():
            return AttemptOutcome(cause="stopped", message=reason)
        death = self._memory.death(end)
        if not death.code and (
            named := named_by(self._context.log.last_lines(LAST_LINES), end)
        ):
            peak = size_in_words(self._memory.peak)
            return out_of_memory(f"{end}: {named}; its peak was {peak}")
        return death
