"""What must be true after every scenario, by the database, the witness files, the
process table and the web server's log. Nothing of the system itself is asked."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.chaos.installation import Installation
from tests.chaos.series import stored_series
from tests.chaos.witnesses import Run, runs

ENDS = {"completed", "terminated", "cancelled", "failed"}


@dataclass(frozen=True)
class TrialRow:
    id: int
    number: int
    state: str
    reason: str
    reports: int
    current: int | None
    message: str


@dataclass(frozen=True)
class AttemptRow:
    id: int
    trial: int
    n: int
    state: str
    reason: str


class Oracle:
    """The state of one sweep after its end."""

    def __init__(self, site: Installation, sweep: int) -> None:
        self.site, self.sweep = site, sweep
        rows = site.database.rows
        self.trials = [
            TrialRow(*row)
            for row in rows(
                "SELECT id, number, state, reason, reports, current_attempt_id, message"
                f" FROM experiments_trial WHERE sweep_id = {sweep} ORDER BY number"
            )
        ]
        self.attempts = [
            AttemptRow(*row)
            for row in rows(
                "SELECT a.id, a.trial_id, a.n, a.state, a.reason"
                " FROM experiments_attempt a JOIN experiments_trial t"
                f" ON t.id = a.trial_id WHERE t.sweep_id = {sweep} ORDER BY a.id"
            )
        ]

    def problems(self, *, budget: int, all_completed: bool = True) -> list[str]:
        """Everything that is broken; empty when all invariants hold."""
        checks: list[Callable[[], list[str]]] = [
            lambda: self.one_end_each(budget, all_completed=all_completed),
            self.one_effective_attempt,
            self.points_once,
            self.nothing_left_alive,
            self.nothing_left_waiting,
            self.database_is_sound,
            self.no_server_errors,
        ]
        return [problem for check in checks for problem in check()]

    def one_end_each(self, budget: int, *, all_completed: bool = True) -> list[str]:
        """I1: the budget exactly, numbered without a gap, each with a final state."""
        numbers = [trial.number for trial in self.trials]
        found = []
        if numbers != list(range(budget)):
            found.append(f"I1 numbers are {numbers}, the budget is {budget}")
        wrong = ENDS - {"completed"} if all_completed else set()
        found += [
            f"I1 trial {t.number} is {t.state} ({t.reason}: {t.message})"
            for t in self.trials
            if t.state not in ENDS or t.state in wrong
        ]
        return found

    def one_effective_attempt(self) -> list[str]:
        """I2: one attempt counts, the others are lost; each was started once."""
        found = []
        by_trial: dict[int, list[AttemptRow]] = defaultdict(list)
        for attempt in self.attempts:
            by_trial[attempt.trial].append(attempt)
        for trial in self.trials:
            tried = by_trial[trial.id]
            if [a.n for a in tried] != list(range(1, len(tried) + 1)):
                found.append(f"I2 trial {trial.number}: attempts {tried}")
            finished = [a.id for a in tried if a.state == "finished"]
            if trial.state == "completed" and finished != [trial.current]:
                found.append(
                    f"I2 trial {trial.number} counts {trial.current}, and finished are"
                    f" {finished}"
                )
        starts = Counter(run.attempt for run in self._runs())
        found += [f"I2 attempt {a} ran {n} times" for a, n in starts.items() if n > 1]
        return found

    def points_once(self) -> list[str]:
        """I3: what a completed trial's process wrote down is there, once each."""
        stored: dict[int, Counter[int]] = defaultdict(Counter)
        for series in stored_series(self.site.database.rows):
            if series.name == "accuracy":
                stored[series.attempt].update(series.steps)
        witnessed = {run.attempt: run.steps for run in self._runs()}
        found = []
        for trial in self.trials:
            if trial.state != "completed" or trial.current not in witnessed:
                continue
            steps = witnessed[trial.current]
            if stored[trial.current] != Counter(steps):
                found.append(
                    f"I3 trial {trial.number}: stored {dict(stored[trial.current])},"
                    f" witnessed {steps}"
                )
            if steps and trial.reports != len(steps):
                found.append(f"I3 trial {trial.number}: {trial.reports} reports")
        return found

    def nothing_left_alive(self) -> list[str]:
        """I4: no process carries the mark of an attempt that is not running."""
        live = {
            row[0]
            for row in self.site.database.rows(
                "SELECT id FROM experiments_attempt WHERE state = 'running'"
            )
        }

        def strays() -> dict[int, int]:
            return {p: a for p, a in self.site.training().items() if a not in live}

        try:
            self.site.wait(lambda: not strays(), "strays to end", timeout=15)
        except AssertionError:
            return [f"I4 process {p} of attempt {a} lives" for p, a in strays().items()]
        return []

    def nothing_left_waiting(self) -> list[str]:
        """I5: no attempt of the sweep is queued or runs."""
        live = {"queued", "running"}
        return [f"I5 {attempt}" for attempt in self.attempts if attempt.state in live]

    def database_is_sound(self) -> list[str]:
        """I6."""
        return [f"I6 {damage}" for damage in self.site.database.damage()]

    def no_server_errors(self) -> list[str]:
        """I7: no answer of 500 and above but 503, which says: try again."""
        found: Counter[str] = Counter()
        for log in self.site.logs.glob("access-*.log"):
            for line in log.read_text().splitlines():
                status = line.partition("] ")[2][:3]
                if status[:1] == "5" and status != "503":
                    found[re.sub(r"\d{2,}", "N", line.partition("] ")[2])] += 1
        return [f"I7 {line} ({count} times)" for line, count in found.items()]

    # --- figures ------------------------------------------------------------------

    def takeovers(self) -> list[float]:
        """Seconds from the loss of an attempt to the claim of the next one."""
        rows = self.site.database.rows(
            "SELECT a.ended_at, b.claimed_at FROM experiments_attempt a"
            " JOIN experiments_attempt b ON b.trial_id = a.trial_id AND b.n = a.n + 1"
            " JOIN experiments_trial t ON t.id = a.trial_id"
            f" WHERE a.state = 'lost' AND t.sweep_id = {self.sweep}"
            " AND b.claimed_at IS NOT NULL"
        )
        return sorted(seconds_of(two) - seconds_of(one) for one, two in rows)

    def spans(self, columns: str) -> list[float]:
        """Seconds from the first to the second of two columns of the attempts."""
        first, second = columns.split(", ")
        rows = self.site.database.rows(
            f"SELECT a.{first}, a.{second} FROM experiments_attempt a"
            " JOIN experiments_trial t ON t.id = a.trial_id"
            f" WHERE t.sweep_id = {self.sweep}"
            f" AND a.{first} IS NOT NULL AND a.{second} IS NOT NULL"
        )
        return [seconds_of(two) - seconds_of(one) for one, two in rows]

    def losses(self) -> Counter[str]:
        return Counter(a.reason for a in self.attempts if a.state == "lost")

    def _runs(self) -> list[Run]:
        return [r for r in runs(self.site.witness) if r.attempt in self._ids()]

    def _ids(self) -> set[int]:
        return {attempt.id for attempt in self.attempts}


def seconds_of(moment: object) -> float:
    """Seconds since 1970 of a moment as either database gives it."""
    if isinstance(moment, str):
        return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()
    assert isinstance(moment, datetime)
    return moment.timestamp()
