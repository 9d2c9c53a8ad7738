"""Simulations of other policies on a sweep, for people who wait for the answer.

A small one runs in the request. A larger one is a job on the site's queue: the page
polls, and enqueues a lost job again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments import storage
from experiments.lru_cache import LruCache
from experiments.models import Sweep
from experiments.queues import site_jobs
from experiments.queues.site_jobs import QueueBusy, SiteJob
from experiments.search.records import Objective
from experiments.search.simulation import Recording
from experiments.search.simulation.figures import Average
from experiments.search.simulation.judging import (
    Progress,
    averages,
    simulations,
)
from experiments.search.simulation.recording import sample
from experiments.search.termination import Policy, make_policy
from experiments.tracking.recordings import (
    Mark,
    RecordingCache,
    load_recording,
    mark_of,
)

logger = logging.getLogger(__name__)

Settings = Mapping[str, Any]
Answer = NDArray[np.int64] | Average

# At most this many reports are simulated in the request, for this many seconds.
MAX_QUICK_REPORTS = 50_000
MAX_QUICK_SECONDS = 0.4
# A request waits this long for a job before it shows the progress.
MAX_WAIT = 0.8
POLL_SECONDS = 0.05
# Seconds between two reports of a job's progress.
PROGRESS_SECONDS = 0.25
MAX_ANSWERS = 300
KEEP_RESULTS, KEEP_READING = 3_600, 60
# Reports judged for a trade-off, over all of its policies and orders.
MAX_TRADE_OFF_REPORTS = 3_000_000
MAX_ORDERS = 20

_recordings = RecordingCache()
_answers: LruCache[str, Answer] = LruCache(MAX_ANSWERS)
_enqueued: LruCache[str, bool] = LruCache(MAX_ANSWERS)


class TooLong(Exception):
    """It takes longer than a request may."""


class Abandoned(Exception):
    """Nobody waits for the answer any more."""


@dataclass(frozen=True)
class Question:
    """Policies to simulate on a sweep as it was at its mark.

    `orders` is 0 for the recorded order of trials, or how many shuffled ones are
    averaged, on trials with at most `reports` reports in sum.
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

    def key(self, *policies: str) -> str:
        """The key of the answers for these policies."""
        parts = (*self.mark, astuple(self.objective), policies)
        text = json.dumps((*parts, self.orders, self.reports))
        return hashlib.sha256(text.encode()).hexdigest()

    def job_id(self, *policies: str) -> str:
        return f"simulation-{self.key(*policies)}"

    def known(self) -> list[Answer | None]:
        return [_answers.get(self.key(policy)) for policy in self.policies]

    def missing(self) -> list[str]:
        known = zip(self.policies, self.known(), strict=True)
        return [policy for policy, answer in known if answer is None]

    def keep(self, policies: Sequence[str], answers: Iterator[Answer]) -> None:
        for policy, answer in zip(policies, answers, strict=True):
            _answers.put(self.key(policy), answer)


@dataclass(frozen=True)
class SimulationResult:
    """The answers in the order of the policies; None for missing ones.

    `done` is the share of the work that is done, `problem` says why it failed, and
    `busy` what it waits for.
    """

    answers: Sequence[Answer | None]
    done: float = 1.0
    problem: str = ""
    busy: str = ""

    @property
    def complete(self) -> bool:
        return all(answer is not None for answer in self.answers)


def mark_named(sweep: Sweep, text: str) -> Mark:
    """The mark with this text if its recording is stored or being read, or else the
    sweep's mark now. So a page keeps the data that it began with."""
    named = Mark.named(sweep.pk, text)
    if named is not None and (_is_stored(named) or _is_being_read(sweep, named)):
        return named
    return mark_of(sweep)


def _is_stored(mark: Mark) -> bool:
    return (
        _recordings.get(mark) is not None
        or storage.recording_path(mark.sweep, str(mark)).exists()
    )


def _is_being_read(sweep: Sweep, mark: Mark) -> bool:
    return site_jobs.is_wanted(Question.of(sweep, mark, ()).job_id())


def recording_of(sweep: Sweep, mark: Mark) -> Recording | None:
    """The recording, if it is stored or small."""
    found = _recordings.get(mark) or _stored(mark)
    if found is None and mark.reports <= MAX_QUICK_REPORTS:
        found = load_recording(sweep)
    if found is not None:
        _recordings.put(mark, found)
    return found


def _stored(mark: Mark) -> Recording | None:
    try:
        return Recording.load(
            storage.recording_path(mark.sweep, str(mark)).read_bytes()
        )
    except FileNotFoundError:
        return None


def _store(mark: Mark, recording: Recording) -> None:
    if not storage.recording_path(mark.sweep, str(mark)).exists():
        storage.keep_recording(mark.sweep, str(mark), recording.dump())


def read(
    sweep: Sweep, mark: Mark, *, keep: float
) -> tuple[Recording | None, SimulationResult]:
    """The recording, or None and the progress of reading it.

    The job stops unless somebody calls this again within `keep` seconds.
    """
    found = recording_of(sweep, mark)
    if found is not None:
        return found, SimulationResult(())
    result = _run_job(Question.of(sweep, mark, ()), wait=MAX_WAIT, keep=keep)
    return recording_of(sweep, mark), result


def ask(
    sweep: Sweep, question: Question, *, wait: float = MAX_WAIT, keep: float
) -> SimulationResult:
    """The answers, or the progress after `wait` seconds; see `read`."""
    recording = recording_of(sweep, question.mark)
    if recording is not None:
        # Not while a job works on them: its id depends on what was missing.
        if not _enqueued.get(question.job_id(*question.missing())):
            _answer_now(question, recording)
        if not question.missing():
            return SimulationResult(question.known())
        _store(question.mark, recording)
    return _run_job(question, wait=wait, keep=keep)


def _answer_now(question: Question, recording: Recording) -> None:
    """Simulate in the request as much as time allows."""
    missing = question.missing()
    reports = len(missing) * recording.size * max(1, question.orders)
    if not missing or reports > MAX_QUICK_REPORTS * 2:
        return
    deadline = time.monotonic() + MAX_QUICK_SECONDS

    def progress(share: float) -> None:
        if time.monotonic() > deadline:
            raise TooLong

    try:
        question.keep(missing, _simulated(question, missing, recording, progress))
    except TooLong:
        logger.debug("a simulation of sweep %s takes longer", question.mark.sweep)


def _run_job(question: Question, *, wait: float, keep: float) -> SimulationResult:
    """Enqueue a job for the missing answers, and wait a little for it."""
    missing, mark = question.missing(), question.mark
    job_id = question.job_id(*missing)
    words = (mark.sweep, str(mark), json.dumps(missing))
    job = partial(
        site_jobs.ensure_job,
        site_jobs.SIMULATE,
        *(*words, question.orders, question.reports),
        job_id=job_id,
        # The result of reading is a file, which newer ones replace.
        keep=KEEP_RESULTS if missing else KEEP_READING,
        wanted=keep,
    )
    deadline = time.monotonic() + wait
    try:
        found = job()
        _enqueued.put(job_id, True)
        while not found.ended and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
            found = job()
    except QueueBusy as busy:
        return SimulationResult(question.known(), 0.0, busy=str(busy))
    return _result(question, missing, found)


def _result(
    question: Question, missing: Sequence[str], job: SiteJob
) -> SimulationResult:
    failed = job.has_failed or (job.result or {}).get("failed", False)
    if job.result and not failed:
        found = (_decoded(row, question.orders) for row in job.result["answers"])
        question.keep(missing, found)
    problem = "The simulation failed; the server's log says why." if failed else ""
    return SimulationResult(question.known(), job.done, problem)


def _decoded(row: list[float], orders: int) -> Answer:
    return Average(*row) if orders else np.array(row, np.int64)


def _encoded(answer: Answer) -> list[Any]:
    found = astuple(answer) if isinstance(answer, Average) else answer.tolist()
    return list(found)


def simulate(
    sweep_id: int, mark_text: str, policies: str, orders: int, reports: int
) -> dict[str, Any] | None:
    """The job: the answers, which RQ keeps for a while; None if nobody waits."""
    try:
        sweep, mark = Sweep.objects.get(pk=sweep_id), Mark.named(sweep_id, mark_text)
        if mark is None:
            raise ValueError(f"not a mark: {mark_text!r}")
        recording = _read_for_job(sweep, mark)
        question = Question(
            mark, sweep.objective, tuple(json.loads(policies)), orders, reports
        )
        found = _simulated(question, question.policies, recording, _paced(1.0))
        return {"answers": [_encoded(answer) for answer in found]}
    except Abandoned:
        logger.info("simulation of sweep %s: nobody waits for it", sweep_id)
        return None
    except Exception:
        # The page shows the failure and does not ask again.
        logger.exception("simulation of sweep %s failed", sweep_id)
        return {"failed": True}


def _read_for_job(sweep: Sweep, mark: Mark) -> Recording:
    found = _stored(mark)
    if found is None:
        found = load_recording(sweep, _paced(1 / max(1, mark.reports)))
        _store(mark, found)
    return found


def _paced(unit: float) -> Progress:
    """Reports progress in this unit now and then; raises Abandoned."""
    last = 0.0

    def report(done: float) -> None:
        nonlocal last
        if time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            if not site_jobs.report_progress(min(1.0, done * unit)):
                raise Abandoned

    return report


def _simulated(
    question: Question,
    policies: Sequence[str],
    recording: Recording,
    progress: Progress,
) -> Iterator[Answer]:
    progress(0.0)
    made = [_policy(text, question.objective) for text in policies]
    if question.orders:
        drawn = sample(recording, question.reports)
        yield from averages(drawn, made, progress, orders=question.orders)
    else:
        yield from simulations(recording, made, progress)


def _policy(text: str, objective: Objective) -> Policy:
    policy = make_policy(json.loads(text), objective)
    if policy is None:
        raise ValueError(f"not a policy: {text}")
    return policy


def trade_off_size(mark: Mark, policies: int) -> tuple[int, int]:
    """How many orders of the trials and how many reports a trade-off can afford."""
    share = MAX_TRADE_OFF_REPORTS // max(1, policies)
    orders = min(MAX_ORDERS, max(1, share // max(1, mark.reports)))
    return orders, min(share, mark.reports)
