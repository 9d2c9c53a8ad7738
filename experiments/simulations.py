"""Replays of a sweep for people who wait: at once, or with word of their progress.

Little work is done while the request waits. More goes to a process of its own, watched
by a thread; the answer is asked for again and again, and kept under the sweep's mark
and the policy's settings, so that what was asked once is answered at once.
"""

from __future__ import annotations

import json
import logging
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from threading import BoundedSemaphore, Event, Lock, Thread
from typing import Any

from django.db import connection

from experiments.models import Sweep
from experiments.recordings import Mark, Shelf, load_recording, mark_of
from experiments.search.records import Objective
from experiments.search.replay import Recording
from experiments.search.replay.apart import Answer, replay_apart
from experiments.search.replay.work import averages, replays, sample
from experiments.search.termination import Policy, make_policy

logger = logging.getLogger(__name__)

Settings = Mapping[str, Any]

# What is read and judged while the request waits: this many reports, this many seconds.
QUICK_REPORTS = 50_000
QUICK_SECONDS = 0.4
# A request waits so long for the first answer before it tells how far it is.
PATIENCE = 0.8
# Processes at one time, and jobs that may wait for one.
MOST_AT_ONCE = 2
MOST_WAITING = 12
MOST_ANSWERS = 300
# Reports judged for a trade-off, over all of its policies and orders.
TRADE_OFF_REPORTS = 3_000_000
MOST_ORDERS = 20


class Busy(Exception):
    """Too many replays are waiting already."""


class TooLong(Exception):
    """Not done within the time that a request may take."""


class Abandoned(Exception):
    """Nobody asks for the answer any more."""


@dataclass(frozen=True)
class Question:
    """Policies to be replayed on a sweep as it was at its mark.

    `orders` is 0 for the order that was recorded, else how many shuffled ones are
    averaged, on trials with at most `reports` reports together.
    """

    mark: Mark
    objective: Objective
    policies: tuple[str, ...]
    orders: int = 0
    reports: int = 0

    @classmethod
    def of(
        cls,
        sweep: Sweep,
        mark: Mark,
        policies: Sequence[Settings],
        *,
        orders: int = 0,
        reports: int = 0,
    ) -> Question:
        texts = tuple(json.dumps(each, sort_keys=True) for each in policies)
        return cls(mark, sweep.objective, texts, orders, reports)

    def key(self, policy: str) -> tuple[Any, ...]:
        return self.mark, self.objective, policy, self.orders, self.reports


@dataclass(frozen=True)
class Told:
    """The answers in the order of the policies; None for those that are worked on.

    `done` is the share that is done of these, `problem` a sentence when it failed.
    """

    answers: Sequence[Answer | None]
    done: float = 1.0
    problem: str = ""

    @property
    def complete(self) -> bool:
        return all(answer is not None for answer in self.answers)


@dataclass
class Job:
    """Work in another process on one question."""

    question: Question
    wanted_until: float
    done: float = 0.0
    problem: str = ""
    over: Event = field(default_factory=Event)

    def progress(self, share: float) -> None:
        self.done = share
        if time.monotonic() > self.wanted_until:
            raise Abandoned


class Desk:
    """Where replays are asked for. One for each process of the site.

    Sweeps with more than `few` reports are read in the background. Work that is not
    done within `quick` seconds goes to another process; at most `waiting` questions are
    worked on or wait for that.
    """

    def __init__(
        self,
        *,
        few: int = QUICK_REPORTS,
        quick: float = QUICK_SECONDS,
        waiting: int = MOST_WAITING,
    ) -> None:
        self._few = few
        self._quick = quick
        self._waiting = waiting
        self._lock = Lock()
        self._slots = BoundedSemaphore(MOST_AT_ONCE)
        self._jobs: dict[Question, Job] = {}
        self._answers: OrderedDict[tuple[Any, ...], Answer] = OrderedDict()
        self._shelf = Shelf()

    def mark(self, sweep: Sweep, text: str) -> Mark:
        """The mark that reads like this while its recording is at hand or on its way;
        else the sweep's mark now. So a page stays with what it began with."""
        with self._lock:
            marks = [question.mark for question in self._jobs]
        underway = (m for m in marks if m.sweep == sweep.pk and str(m) == text)
        found = self._shelf.named(sweep.pk, text) or next(underway, None)
        return found or mark_of(sweep)

    def recording(self, sweep: Sweep, mark: Mark) -> Recording | None:
        """The sweep's recording, if it is at hand or read in no time."""
        found = self._shelf.get(mark)
        if found is None and mark.reports <= self._few:
            found = load_recording(sweep)
            self._shelf.put(mark, found)
        return found

    def read(
        self, sweep: Sweep, mark: Mark, *, keep: float
    ) -> tuple[Recording | None, float]:
        """The recording, or None and the share of it that is read. Raises Busy."""
        found = self.recording(sweep, mark)
        if found is not None:
            return found, 1.0
        job = self._job(sweep, Question.of(sweep, mark, ()), keep)
        job.over.wait(PATIENCE)
        found = self._shelf.get(mark)
        return found, job.done if found is None else 1.0

    def ask(
        self,
        sweep: Sweep,
        question: Question,
        *,
        patience: float = PATIENCE,
        keep: float,
    ) -> Told:
        """The answers, or how far they are after `patience` seconds.

        Work that is not asked for again within `keep` seconds is dropped. Raises Busy.
        """
        recording = self.recording(sweep, question.mark)
        if recording is not None:
            self._do_now(question, recording)
        told = Told(self._known(question))
        if told.complete:
            return told
        job = self._job(sweep, question, keep)
        job.over.wait(patience)
        return Told(self._known(question), job.done, job.problem)

    def _known(self, question: Question) -> list[Answer | None]:
        with self._lock:
            keys = [question.key(policy) for policy in question.policies]
            for key in keys:
                if key in self._answers:
                    self._answers.move_to_end(key)
            return [self._answers.get(key) for key in keys]

    def _missing(self, question: Question) -> list[str]:
        with self._lock:
            return [
                p for p in question.policies if question.key(p) not in self._answers
            ]

    def _keep(self, question: Question, policy: str, answer: Answer) -> None:
        with self._lock:
            self._answers[question.key(policy)] = answer
            while len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)

    def _do_now(self, question: Question, recording: Recording) -> None:
        """Answer as much as is answered in no time."""
        missing = self._missing(question)
        reports = len(missing) * recording.size * max(1, question.orders)
        if not missing or reports > QUICK_REPORTS * 2:
            return
        deadline = time.monotonic() + self._quick

        def progress(share: float) -> None:
            if time.monotonic() > deadline:
                raise TooLong

        try:
            answers = _answers_here(question, missing, recording, progress)
            for policy, answer in zip(missing, answers, strict=True):
                self._keep(question, policy, answer)
        except TooLong:
            logger.debug("a replay of sweep %s takes longer", question.mark.sweep)

    def _job(self, sweep: Sweep, question: Question, keep: float) -> Job:
        """The job on the question: the one that is under way, or a new one."""
        until = time.monotonic() + keep
        with self._lock:
            job = self._jobs.get(question)
            if job is not None:
                job.wanted_until = max(job.wanted_until, until)
                return job
            if len(self._jobs) >= self._waiting:
                raise Busy
            job = self._jobs[question] = Job(question, until)
        Thread(target=self._work, args=(sweep, job), daemon=True).start()
        return job

    def _work(self, sweep: Sweep, job: Job) -> None:
        try:
            with self._slots:
                self._replay(sweep, job)
        except Abandoned:
            logger.info("replay of sweep %s: nobody waits for it", sweep.pk)
        except Exception as error:
            # Whatever it was: whoever waits is told, and does not ask for ever.
            logger.exception("replay of sweep %s failed: %s", sweep.pk, error)
            job.problem = "The replay failed; the server's log says why."
        finally:
            with self._lock:
                self._jobs.pop(job.question, None)
            job.over.set()

    def _replay(self, sweep: Sweep, job: Job) -> None:
        question = job.question
        job.progress(0.0)
        recording = self._read(sweep, job)
        if question.orders:
            recording = sample(recording, question.reports)
        missing = self._missing(question)
        if not missing:
            return
        answers = replay_apart(
            recording,
            question.objective,
            [json.loads(policy) for policy in missing],
            orders=question.orders,
            progress=job.progress,
        )
        for policy, answer in zip(missing, answers, strict=True):
            self._keep(question, policy, answer)

    def _read(self, sweep: Sweep, job: Job) -> Recording:
        mark = job.question.mark
        found = self._shelf.get(mark)
        if found is None:
            whole = max(1, mark.reports)
            try:
                found = load_recording(
                    sweep, lambda reports: job.progress(min(1.0, reports / whole))
                )
            finally:
                # The connection is this thread's own.
                connection.close()
            self._shelf.put(mark, found)
            job.progress(0.0)
        return found


def _answers_here(
    question: Question, policies: Sequence[str], recording: Recording, progress: Any
) -> Iterator[Answer]:
    made = [_policy(text, question.objective) for text in policies]
    if question.orders:
        drawn = sample(recording, question.reports)
        yield from averages(drawn, made, progress, orders=question.orders)
    else:
        yield from replays(recording, made, progress)


def _policy(text: str, objective: Objective) -> Policy:
    policy = make_policy(json.loads(text), objective)
    if policy is None:
        raise ValueError(f"no policy: {text}")
    return policy


def trade_off_size(mark: Mark, policies: int) -> tuple[int, int]:
    """How many orders of the trials a trade-off can afford, and how many reports."""
    share = TRADE_OFF_REPORTS // max(1, policies)
    orders = min(MOST_ORDERS, max(1, share // max(1, mark.reports)))
    return orders, min(share, mark.reports)


desk = Desk()
