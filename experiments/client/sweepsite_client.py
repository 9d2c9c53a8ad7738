"""Report metrics from a training script, and learn whether to stop.

    import sweepsite_client as sweep

    p = sweep.params()                        # {} outside a sweep
    for step in range(30):
        if sweep.log(step=step, accuracy=0.9):   # True: asked to stop
            break

Outside a sweep everything does nothing, and `log` prints its line. Standard library
only, Python 3.8 and later; safe to use from several threads and after a fork.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import operator
import os
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows: no runner shares the spool there, so no lock is needed
    fcntl = None  # type: ignore[assignment]

__all__ = ["log", "outputs", "params", "resume_from", "should_stop", "stop_reason"]
__all__ += ["trial_id", "trial_name"]

CONNECT_TIMEOUT, ANSWER_TIMEOUT = 2.0, 5.0
COST, FIRST_PAUSE, MAX_PAUSE = 20, 0.5, 30.0  # a pause: 20 times a failed try
POINTS_AT_ONCE, MAX_IN_MEMORY = 500, 10_000
NOTES = ("stop", "seen", "client")  # suffixes of the files beside the spool
MAX_SPOOL, MAX_WARNINGS, MAX_NAME = 32 << 20, 30, 300  # names: the site takes 250
MAX_REPORTS = 3  # after more of them since a stop request, the script is not stopping
STALE, RETRY = (401, 403, 404, 409), (408, 425, 429)
JSON, CLOSED = "application/json", (ConnectionError, http.client.HTTPException)


def params() -> dict[str, Any]:
    """This trial's parameters by name; {} outside a sweep."""
    return dict(json.loads(os.environ.get("SWEEPSITE_PARAMS") or "{}"))


def log(step: int | None = None, **metrics: Any) -> bool:
    """Report metrics of one step; returns True once the trial is asked to stop.

    `step` is a whole number, by default one more than this process's last one, from 0.
    Values are anything that float() accepts except text, such as numpy scalars and
    tensors of one element; NaN and infinity are reported too. A report that cannot be
    delivered is kept and sent later; standard error names the metrics that the site
    refuses. Raises TypeError for a bad step, ValueError without a metric.
    """
    return _client().log(step, metrics)


def should_stop() -> bool:
    """Whether this trial has been asked to stop, as far as this process knows."""
    return bool(stop_reason())


def stop_reason() -> str:
    """Why it was asked to stop, in one sentence; "" if it was not."""
    return _client().stop.reason()


def outputs() -> str:
    """An existing folder, whose files are kept with the trial."""
    folder = os.environ.get("SWEEPSITE_OUTPUTS") or os.path.abspath("outputs")
    os.makedirs(folder, exist_ok=True)
    return folder


def resume_from() -> Path | None:
    """A read-only folder with what an earlier attempt left in outputs(), or None."""
    return Path(found) if (found := os.environ.get("SWEEPSITE_RESUME_FROM")) else None


def trial_id() -> str:
    """This trial's id on the site; "" outside a sweep."""
    return os.environ.get("SWEEPSITE_TRIAL_ID", "")


def trial_name() -> str:
    """This trial's name, such as "digits-3/17"; "" outside a sweep."""
    return os.environ.get("SWEEPSITE_TRIAL_NAME", "")


class _Away(Exception): ...  # no valid answer; send the points again


class _Refused(Exception): ...  # the site rejects these points


class _Stale(Exception): ...  # the trial has ended for the site


class _Client:
    """One process's reports: it counts the steps and knows of a stop."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._lock = threading.RLock()
        self._next_step = 0
        spool = environ.get("SWEEPSITE_SPOOL") or ""
        self.stop = _Stop(spool)
        args = [environ.get(f"SWEEPSITE_{n}", "") for n in ("URL", "TRIAL_ID", "TOKEN")]
        site = _Site(*args) if all(args) else None
        self._reporter = _Reporter(site, _Spool(spool), self.stop) if site else None

    def log(self, step: int | None, metrics: dict[str, Any]) -> bool:
        if not metrics:
            raise ValueError("log() needs a metric, for example log(step=1, loss=0.3)")
        values = {name[:MAX_NAME]: _number(v) for name, v in metrics.items()}
        with self._lock:
            number = self._next_step if step is None else _whole(step)
            self._next_step = number + 1
            if self._reporter is None:
                shown = "{}={:.6g}".format, "{}={}".format
                parts = [shown[isinstance(v, str)](n, v) for n, v in values.items()]
                print(f"step {number}", *parts, sep="  ", flush=True)
                return False
            common = {"step": number, "time": time.time()}
            points = [{"name": n, "value": v, **common} for n, v in values.items()]
            self._reporter.report(points)
            return bool(self.stop.reason())


class _Stop:
    """The request to stop, from the site's replies or from the runner."""

    def __init__(self, spool: str) -> None:
        self._note, self._seen, client = (f"{spool}.{n}" * bool(spool) for n in NOTES)
        self._reason, self._reports = "", 0
        _write(client, "", "a")  # tells the runner that this script notices a request

    def reason(self) -> str:
        if not self._reason and os.path.exists(self._note):
            with contextlib.suppress(OSError, ValueError), open(self._note) as file:
                self.ask(str(json.load(file)["reason"]))
        return self._reason

    def ask(self, reason: str) -> None:
        """Note the request, and tell the runner, which then delays its SIGTERM."""
        if not self._reason:
            self._reason = reason
            _write(self._seen, reason)

    def count_report(self) -> None:
        """A script that continues to report is not stopping: SIGTERM may come."""
        self._reports += bool(self._reason)
        if self._reports == MAX_REPORTS:
            _write(self._seen, "\n")


class _Reporter:
    """Sends points in their order, keeps them while the site is away."""

    def __init__(self, site: _Site, spool: _Spool, stop: _Stop) -> None:
        self._site, self._spool, self._stop = site, spool, stop
        self._stale, self._retry_at, self._pause = False, 0.0, FIRST_PAUSE
        self._warned: set[str] = set()

    def report(self, points: list[dict[str, Any]]) -> None:
        if self._stale:
            return
        self._stop.count_report()
        if time.monotonic() < self._retry_at:
            return self._keep(points)
        started = time.monotonic()
        try:
            self._send_kept()
            self._deliver(points)
            self._pause = FIRST_PAUSE
        except _Away as problem:
            self._keep(points)
            self._back_off(time.monotonic() - started, problem)
        except _Stale as problem:
            self._stale = True
            self._stop.ask(str(problem))

    def _send_kept(self) -> None:
        while kept := self._spool.peek():
            self._deliver(kept)
            self._spool.drop(len(kept))

    def _deliver(self, points: list[dict[str, Any]]) -> None:
        """Send points, at most 500 at once; what the site refuses is not sent again."""
        for first in range(0, len(points), POINTS_AT_ONCE):
            batch = points[first : first + POINTS_AT_ONCE]
            try:
                answer = self._site.send(batch)
            except _Refused as problem:
                answer = {"refused": [{"name": "all metrics", "reason": problem}]}
                self._spool.note(len(batch))
            for each in answer.get("refused", ()):
                self._warn(each["name"], "{name!r} is refused: {reason}".format(**each))
            if answer.get("stop"):
                self._stop.ask(str(answer.get("reason") or "asked to stop"))

    def _keep(self, points: list[dict[str, Any]]) -> None:
        try:
            if not self._spool.add(points):
                self._warn(" full", "too many reports are waiting; new ones are lost")
        except OSError as problem:
            self._warn(" disk", f"reports wait in memory, not on disk: {problem}")

    def _back_off(self, cost: float, problem: Exception) -> None:
        self._warn(" away", f"the site is away, reports are kept: {problem}")
        pause = min(MAX_PAUSE, max(self._pause, COST * cost, self._site.retry_after))
        self._retry_at = time.monotonic() + pause
        self._pause = min(2 * self._pause, MAX_PAUSE)

    def _warn(self, kind: str, sentence: str) -> None:
        if len(self._warned) >= MAX_WARNINGS:
            kind, sentence = " more", "further warnings are left out"
        if kind not in self._warned:
            self._warned.add(kind)
            with contextlib.suppress(OSError):  # it may be a file on a full disk
                sys.stderr.write(f"sweepsite_client: {sentence}\n")


class _Site:
    """The metrics route of one trial, over one open connection."""

    def __init__(self, url: str, trial: str, token: str) -> None:
        address = urllib.parse.urlsplit(url)
        secure = address.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(address.netloc, timeout=CONNECT_TIMEOUT)
        self._path = f"{address.path.rstrip('/')}/api/v1/trials/{trial}/metrics"
        self.retry_after = 0.0  # seconds that the site asked to wait
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": JSON}

    def send(self, points: list[dict[str, Any]]) -> dict[str, Any]:
        """Raises _Away, _Refused or _Stale."""
        body = json.dumps({"points": points}, allow_nan=False).encode("utf-8")
        try:
            if self._connection.sock is not None:
                # Servers close idle connections silently; that is not an outage.
                with contextlib.suppress(*CLOSED):
                    return self._exchange(body)
            return self._exchange(body)
        except (OSError, http.client.HTTPException) as problem:
            raise _Away(f"{type(problem).__name__}: {problem}") from problem

    def _exchange(self, body: bytes) -> dict[str, Any]:
        try:
            if self._connection.sock is None:
                self._connection.connect()  # with its own time limit
                self._connection.sock.settimeout(ANSWER_TIMEOUT)  # type: ignore[attr-defined]
            self._connection.request("POST", self._path, body, self._headers)
            response = self._connection.getresponse()
            wait = response.getheader("Retry-After") or ""
            self.retry_after = float(wait) if wait.isdigit() else 0.0
            return _answer(response.status, response.read())
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise


class _Spool:
    """Waiting points: JSON lines in a file that the runner reads too, or in memory
    without a path or disk space. The sender renames the file first, under a lock."""

    def __init__(self, path: str) -> None:
        self._path, self._own = path, f"{path}.{os.getpid()}.sending"
        self._points: list[dict[str, Any]] = []
        self._unkept: list[dict[str, Any]] = []  # newer than those in the file

    def add(self, points: list[dict[str, Any]]) -> bool:
        """False if some are lost, as too many wait. OSError: all are in memory."""
        self.note(len(points))
        self._unkept += points
        lost = self._unkept[MAX_IN_MEMORY:]
        del self._unkept[MAX_IN_MEMORY:]
        if self._path:
            self._write_unkept()
        return not lost

    def _write_unkept(self) -> None:
        lines = "".join(json.dumps(point) + "\n" for point in self._unkept).encode()
        with _locked(f"{self._path}.lock"), open(self._path, "ab", 0) as file:
            if (end := file.tell()) >= MAX_SPOOL:
                return
            if file.write(lines) < len(lines):
                file.truncate(end)  # half a line would spoil the next one
                raise OSError("no room on the disk")
        self.note(-len(self._unkept))
        self._unkept = []

    def note(self, change: int) -> None:
        """Count points that are lost, or only in memory, for the runner: by the size of
        a file, which can grow on a full disk."""
        if self._path and change:
            with contextlib.suppress(OSError), _locked(f"{self._path}.client") as file:
                file.truncate(max(0, file.tell() + change))

    def peek(self) -> list[dict[str, Any]]:
        """The oldest points."""
        if not self._points and self._path:
            with contextlib.suppress(OSError):
                if not os.path.exists(self._own):
                    os.stat(self._path)  # usually nothing waits: no lock is needed
                    with _locked(f"{self._path}.lock"):
                        os.rename(self._path, self._own)
                self._points = _points_in(self._own)
                if not self._points:
                    os.unlink(self._own)
        in_file = self._points or os.path.exists(self._own)
        return (self._points if in_file else self._unkept)[:POINTS_AT_ONCE]

    def drop(self, count: int) -> None:
        """Remove delivered points; a file only with its last one, so none is lost."""
        waiting = self._points or self._unkept
        del waiting[:count]
        if waiting is self._unkept:
            self.note(-count)
        elif not waiting:
            with contextlib.suppress(OSError):
                os.unlink(self._own)


# By process: a fork needs its own connection and steps, threads share them.
_clients: dict[int, _Client] = {}


def _client() -> _Client:
    pid = os.getpid()
    return _clients.get(pid) or _clients.setdefault(pid, _Client(dict(os.environ)))


def _number(value: Any) -> float | str:
    """A finite float, or text: for a non-finite one, or for what the site refuses."""
    if isinstance(value, (str, bytes)) or value is None:
        return str(value)[:MAX_NAME]
    try:
        number = float(value)
    except OverflowError:
        return "too large for a float"
    except (TypeError, ValueError, RuntimeError):
        return f"a {type(value).__name__}"
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _whole(step: Any) -> int:
    if isinstance(step, float) and step.is_integer():
        return int(step)
    if not isinstance(step, bool):
        with contextlib.suppress(TypeError):
            return operator.index(step)
    raise TypeError(f"step is {step!r}; it must be a whole number such as 3")


def _answer(status: int, text: bytes) -> dict[str, Any]:
    """Only the site's own error object counts: a proxy's error page means "away"."""
    answer = None
    with contextlib.suppress(ValueError):
        answer = json.loads(text.decode("utf-8") or "{}")
    if isinstance(answer, dict) and 200 <= status < 300:
        return answer
    error = answer.get("error") if isinstance(answer, dict) else None
    if not isinstance(error, dict) or status // 100 != 4 or status in RETRY:
        raise _Away(f"status {status}")
    if status in STALE:
        raise _Stale(str(error.get("message") or "this trial has ended"))
    raise _Refused(f"{error.get('message')} {error.get('fields') or ''}")


@contextlib.contextmanager
def _locked(path: str) -> Iterator[BinaryIO]:
    with open(path, "ab") as file, contextlib.ExitStack() as stack:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
            stack.callback(fcntl.flock, file, fcntl.LOCK_UN)  # a fork has it open too
        yield file


def _write(path: str, text: str, mode: str = "w") -> None:  # "": there is no runner
    with contextlib.suppress(OSError), open(path, mode) as file:
        file.write(text)


def _points_in(path: str) -> list[dict[str, Any]]:
    """The points of a spool; an incomplete line is left out."""
    points = []
    with open(path, "rb") as file:
        for line in file:
            with contextlib.suppress(ValueError):
                points.append(json.loads(line.decode("utf-8")))
    return points
