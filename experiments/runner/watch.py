"""While training runs: output, signals, the site's wishes and the time limit."""

from __future__ import annotations

import json
import logging
import math
import time

from experiments.runner import signals
from experiments.runner.errors import Stop
from experiments.runner.failpoints import failpoint
from experiments.runner.folder import AttemptFolder, size_in_words
from experiments.runner.heartbeat import HeartbeatThread
from experiments.runner.limits import Cgroup
from experiments.runner.logs import OutputLog, pump
from experiments.runner.outcome import (
    CUT_OFF,
    CUT_OFF_AFTER,
    GONE_AFTER,
    AttemptOutcome,
    Lease,
    cut_off_message,
)
from experiments.runner.process_tree import (
    OUT_OF_MEMORY,
    MemoryWatch,
    ProcessTree,
    named_by,
)
from experiments.runner.processes import FileId, writers
from experiments.runner.signals import Signals
from experiments.runner.spec import AttemptSpec
from experiments.runner.stopping import ScriptResponse, StopSchedule, StopSignal

logger = logging.getLogger(__name__)

RELEASE_GRACE = 5.0
# A script that was told to stop has had its time; SIGTERM is then a last call.
LAST_CALL = 3.0
LEAVING_LOOK = 0.25
LAST_LINES = 12
PARENT_LOOK = 1.0


class Watch:
    """Stays with one tree until nothing of it is left."""

    def __init__(
        self,
        tree: ProcessTree,
        *,
        spec: AttemptSpec,
        folder: AttemptFolder,
        log: OutputLog,
        signals: Signals,
        heartbeat: HeartbeatThread,
        lease: Lease,
        parent: int,
        group: Cgroup | None = None,
    ) -> None:
        self._tree = tree
        self._spec = spec
        self._folder = folder
        self._log = log
        self._signals = signals
        self._heartbeat = heartbeat
        self._lease = lease
        self._parent = parent
        self._stopping = StopSchedule()
        self._stop_seen: Stop | None = None
        self._terminations = 0
        self._leaving = ScriptResponse(folder)
        self._leaving_grace = 0.0
        self._memory = MemoryWatch(tree, limit=spec.limits.memory_bytes, group=group)
        self._writing: frozenset[FileId] | None = None
        self._cut_off = False

    def until_end(self) -> AttemptOutcome:
        """Returns when the main process has ended and its leftovers are killed."""
        with self._signals.watching(self._tree.output):
            while not self._tree.reap():
                now = time.monotonic()
                self._take_news(now)
                self._carry_out(self._stopping.step(now))
                self._wait()
        return self._outcome(left=self._clear_up())

    def _take_news(self, now: float) -> None:
        self._see_release(now)
        self._see_stale(now)
        self._see_stop(now)
        self._see_timeout(now)
        self._see_excess(now)
        self._see_cut_off(now)

    def _see_release(self, now: float) -> None:
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
        """Only where the kernel does not tell by a signal."""
        return not signals.LINUX and not signals.parent_is(self._parent)

    def _see_stale(self, now: float) -> None:
        """Another attempt may be running already: no time to lose."""
        if self._heartbeat.stale is not None and self._stopping.cause != "stale":
            self._stopping = StopSchedule()
            self._begin("stale", str(self._heartbeat.stale), now=now, grace=0.0)

    def _see_stop(self, now: float) -> None:
        if self._heartbeat.stop is not self._stop_seen and self._heartbeat.stop:
            self._stop_seen = self._heartbeat.stop
            self._begin_stop(self._heartbeat.stop, now)
        self._see_leaving(now)

    def _see_leaving(self, now: float) -> None:
        """Whether the script is on its way out, which a SIGTERM might spoil."""
        if not self._is_leaving():
            return
        heard = self._leaving.heard()
        if heard is False:
            self._stopping.ask_now(now=now, grace=self._leaving_grace)
        elif heard:
            last_call = min(LAST_CALL, self._leaving_grace / 2)
            self._stopping.put_off(before_end=last_call)

    def _begin_stop(self, stop: Stop, now: float) -> None:
        grace = self._spec.grace if stop.grace is None else stop.grace
        self._begin_gently("stopped", stop.message, now=now, grace=grace)

    def _begin_gently(
        self, cause: str, message: str, *, now: float, grace: float
    ) -> None:
        """Leave word first: a script that listens has half of the grace to hear it
        before SIGTERM, and nearly all of it to leave once it has heard."""
        heard = self._leaving.heard()
        self._leave_word(message)
        leave, rest = 0.0, grace
        if heard and (left := self._leaving.left(grace)) > 0:
            leave, rest = left, min(grace, LAST_CALL)
        elif heard is None and self._leaving.listens:
            leave = rest = grace / 2
        self._leaving_grace = grace if leave else 0.0
        self._begin(cause, message, now=now, grace=rest, leave=leave)

    def _is_leaving(self) -> bool:
        return self._leaving_grace > 0 and not self._stopping.asked

    def _see_timeout(self, now: float) -> None:
        limit = self._spec.trial_timeout
        if limit is None or self._stopping.cause or now < self._timeout_at():
            return
        message = f"the trial ran longer than its limit of {limit:g} s"
        self._begin_gently("trial_timeout", message, now=now, grace=self._spec.grace)

    def _see_excess(self, now: float) -> None:
        excess = self._memory.excess(now)
        if excess and self._stopping.cause != OUT_OF_MEMORY:
            self._begin(OUT_OF_MEMORY, excess, now=now, grace=0.0)

    def _see_cut_off(self, now: float) -> None:
        """Be gone before the site, which hears nothing, starts another attempt."""
        lease = self._spec.lease_seconds
        if not lease or now < self._cut_off_at():
            return
        self._cut_off = True
        grace = min(self._spec.grace, (GONE_AFTER - CUT_OFF_AFTER) * lease)
        self._begin(CUT_OFF, cut_off_message(lease), now=now, grace=grace)

    def _cut_off_at(self) -> float:
        return math.inf if self._cut_off else self._lease.cut_off_at(self._spec)

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
            # Once it has ended, what it was writing cannot be seen any more.
            self._writing = writers(self._tree.members()).changing
        if step is StopSignal.ASK:
            self._leave_word(self._stopping.message)
            self._tree.ask_to_end()
            failpoint("stop.asked")
        else:
            self._tree.kill()

    def _leave_word(self, message: str) -> None:
        """For a script that reports or asks, or handles SIGTERM and then looks why."""
        word = {"reason": message}
        try:
            self._folder.stop.write_text(json.dumps(word))
        except OSError as problem:
            logger.warning("the reason could not be left: %s", problem)

    def _wait(self) -> None:
        ready = self._signals.wait(self._seconds_to_next())
        if self._tree.output in ready and not pump(self._tree.output, self._log.feed):
            self._signals.forget(self._tree.output)

    def _seconds_to_next(self) -> float | None:
        """None: nothing will happen by itself, only signals and output wake us."""
        now = time.monotonic()
        times = [
            self._stopping.next_time(),
            self._memory.next_time(),
            self._cut_off_at(),
        ]
        if not self._stopping.cause:
            times.append(self._timeout_at())
        if self._is_leaving():
            times.append(now + LEAVING_LOOK)
        if not signals.LINUX:
            times.append(now + PARENT_LOOK)
        soonest = min(times)
        return None if math.isinf(soonest) else max(0.0, soonest - now)

    def _clear_up(self) -> list[int]:
        """Kill what the main process left running, and take the last of the output.

        Not until the end of the pipe: something unkillable could hold it open.
        """
        left = self._tree.kill()
        pump(self._tree.output, self._log.feed)
        return left

    def _outcome(self, *, left: list[int]) -> AttemptOutcome:
        cause, code, message = self._verdict()
        if left:
            message += f"; processes {left} could not be killed"
        return AttemptOutcome(
            cause=cause,
            code=code,
            message=message,
            exit=self._tree.exit,
            elapsed=self._tree.elapsed(),
            peak_memory=self._memory.peak,
            unkilled=tuple(left),
            writing=self._writing,
            ended_at=time.time(),
        )

    def _verdict(self) -> tuple[str, str, str]:
        """Cause, code and sentence of the end."""
        end = self._tree.exit
        if self._stopping.cause == OUT_OF_MEMORY:
            return "exited", OUT_OF_MEMORY, self._stopping.message
        if self._stopping.cause is not None:
            return self._stopping.cause, "", self._stopping.message
        if told := self._leaving.reason():
            return "stopped", "", told
        code, message = self._memory.death(end)
        if not code and (named := named_by(self._log.last_lines(LAST_LINES), end)):
            peak = size_in_words(self._memory.peak)
            code, message = OUT_OF_MEMORY, f"{end}: {named}; its peak was {peak}"
        return "exited", code, message
