"""One process's reports: it counts the steps, and knows of a stop."""

from __future__ import annotations

import atexit
import os
import threading
import time
from typing import Any

from ._connection import SiteConnection
from ._reporter import Call, Reporter
from ._spool import PointSpool
from ._stop_request import StopRequest
from ._values import MAX_NAME, MAX_STEP, as_step, as_value

MIN_BETWEEN = 2e-6  # the site knows a report by its step and time, in microseconds
MAX_EXIT_SECONDS = 10.0


class Reports:
    """The reports of this process to one trial or run; usable from several threads."""

    def __init__(
        self, url: str = "", trial: str = "", token: str = "", spool: str = ""
    ) -> None:
        self._lock, self._pid = threading.RLock(), os.getpid()
        self._next_step, self._last_time = 0, 0.0
        self.stop = StopRequest(spool)
        self._reporter: Reporter | None = None
        if url and trial and token:
            self._reporter = Reporter(
                SiteConnection(url, token),
                f"api/v1/trials/{trial}/metrics",
                spool=PointSpool(spool),
                stop=self.stop,
            )
            if not spool:  # else the runner sends what is left
                atexit.register(self.flush)

    def log(self, step: Any, metrics: dict[str, Any]) -> bool:
        if not metrics:
            raise ValueError("log() needs a metric, for example log(step=1, loss=0.3)")
        values = {name[:MAX_NAME]: as_value(v) for name, v in metrics.items()}
        with self._lock:
            number = self._next_step if step is None else as_step(step)
            if abs(number) <= MAX_STEP:  # else the site refuses only this report
                self._next_step = number + 1
            if self._reporter is None:
                _print(number, values)
                return False
            common = {"step": number, "time": self._now()}
            points = [{"name": n, "value": v, **common} for n, v in values.items()]
            self._reporter.report(points)
            return bool(self.stop.reason())

    def request(self, call: Call) -> None:
        """Make a call to the site besides reports, or make it later."""
        if self._reporter is not None:
            with self._lock:
                self._reporter.request(call)

    def flush(self) -> None:
        """Send what waits in memory within seconds, and close the connection."""
        if self._reporter is not None and os.getpid() == self._pid:
            with self._lock:
                self._reporter.flush(MAX_EXIT_SECONDS)

    def _now(self) -> float:
        """Never the time of the report before, which some clocks give twice."""
        now = time.time()
        if abs(now - self._last_time) < MIN_BETWEEN:
            now = self._last_time + MIN_BETWEEN
        self._last_time = now
        return now


def _print(step: int, values: dict[str, float | str]) -> None:
    shown = "{}={:.6g}".format, "{}={}".format
    parts = [shown[isinstance(v, str)](n, v) for n, v in values.items()]
    print(f"step {step}", *parts, sep="  ", flush=True)


# Where the runs of this script report, the newest last; a fork has them too.
_runs: list[tuple[str, ...]] = []
# By process: a fork needs its own connection and steps, threads share them.
_reports: dict[tuple[int, tuple[str, ...]], Reports] = {}


def current() -> Reports:
    """Those to the newest run, else to this trial."""
    return reports_to(_runs[-1] if _runs else this_trial())


def reports_to(where: tuple[str, ...]) -> Reports:
    key = os.getpid(), where
    return _reports.get(key) or _reports.setdefault(key, Reports(*where))


def this_trial() -> tuple[str, ...]:
    """Where the reports of this process's trial go; empty texts outside a sweep."""
    names = ("URL", "TRIAL_ID", "TOKEN", "SPOOL")
    return tuple(os.environ.get(f"SWEEPSITE_{name}", "") for name in names)


def begin_run(where: tuple[str, ...]) -> None:
    _runs.append(where)


def end_run(where: tuple[str, ...]) -> None:
    _runs.remove(where)


def log(step: int | None = None, **metrics: Any) -> bool:
    """Report metrics of one step; returns True once the trial is asked to stop.

    `step` is a whole number, by default one more than this process's last one, from 0.
    Values are anything that float() accepts except text, such as numpy scalars and
    tensors of one element; NaN and infinity are reported too. A report that cannot be
    delivered is kept and sent later; standard error names the metrics that the site
    refuses. Raises TypeError for a bad step, ValueError without a metric.
    """
    return current().log(step, metrics)


def report(step: int, metrics: dict[str, Any]) -> bool:
    """The same for metrics of any name, and without metrics."""
    return current().log(step, metrics) if metrics else should_stop()


def should_stop() -> bool:
    """Whether this trial has been asked to stop, as far as this process knows."""
    return bool(stop_reason())


def stop_reason() -> str:
    """Why it was asked to stop, in one sentence; "" if it was not."""
    return current().stop.reason()
