"""Single runs: what a script logs outside of sweeps; inside a trial the same names."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from types import MappingProxyType, TracebackType
from typing import Any
from urllib.parse import quote, urlencode

from ._connection import Away, Ended, Rejected, SiteConnection
from ._environment import outputs, trial_id
from ._environment import params as trial_params
from ._login import login, login_file
from ._provenance import provenance
from ._reporter import say
from ._reports import Reports, begin_run, end_run, reports_to, this_trial

MAX_START_SECONDS, START_PAUSE = 15.0, 1.0
MAX_MESSAGE = 2_000
STATES = ("completed", "failed", "cancelled")


class RunNotStarted(RuntimeError):
    """The site is away, or refuses to start the run."""


class TrackedRun:
    """A run that its script has started; usable from several threads, and as a `with`
    block, which marks the run as failed if an exception leaves it.

    What the site refuses, and a lost site, cost no training: standard error says so.
    """

    def __init__(
        self, where: tuple[str, ...], *, url: str, params: Mapping[str, Any]
    ) -> None:
        self.id, self.url = where[1], url
        self._where, self._params = where, dict(params)
        self._pid, self._ended = os.getpid(), False

    @property
    def _reports(self) -> Reports:
        """Of this process, which may be a fork of the one that started the run."""
        return reports_to(self._where)

    @property
    def params(self) -> Mapping[str, Any]:
        """The parameters, to read; log_params() adds some."""
        return MappingProxyType(self._params)

    def log(self, *, step: int | None = None, **metrics: Any) -> bool:
        """Report metrics, as sweepsite_client.log() does."""
        return self._reports.log(step, metrics)

    def should_stop(self) -> bool:
        """Whether somebody has asked this run to stop."""
        return bool(self._reports.stop.reason())

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Add parameters. One that is logged already cannot change."""
        self._params = {**params, **self._params}
        self._post("params", {"params": _texts(params)})

    def tag(self, name: str, value: Any) -> None:
        """Set a tag; None removes it."""
        self._post("tags", {"tags": {name: None if value is None else str(value)}})

    def log_artifact(self, path: str | os.PathLike[str], folder: str = "") -> None:
        """Keep a file, or a folder with all of its files, below this folder of the
        run's files. Raises FileNotFoundError, and ValueError for a folder with ".."."""
        for file, name in _files(os.fspath(path), folder):
            self._keep(file, name)

    def finish(self, state: str = "completed", message: str = "") -> None:
        """End the run as completed, failed or cancelled; a second time does nothing.
        Raises ValueError for another state."""
        if state not in STATES:
            words = f"{', '.join(STATES[:-1])} or {STATES[-1]}"
            raise ValueError(f"state is {state!r}; it must be {words}")
        if self._ended or os.getpid() != self._pid:
            return
        self._ended = True
        known = message[:MAX_MESSAGE].replace("\0", "").encode("utf-8", "replace")
        self._post("finish", {"state": state, "message": known.decode()})
        self._reports.flush()
        end_run(self._where)
        atexit.unregister(self._finish_at_exit)

    def _finish_at_exit(self) -> None:
        # A notebook keeps its last error, which need not be of this run.
        error = None if hasattr(sys, "ps1") else getattr(sys, "last_value", None)
        self._finish_after(error)

    def _finish_after(self, error: BaseException | None) -> None:
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.finish()
        elif isinstance(error, KeyboardInterrupt):
            self.finish("cancelled", "It was interrupted.")
        else:
            self.finish("failed", f"{type(error).__name__}: {error}")

    def _keep(self, file: str, name: str) -> None:
        path = f"api/v1/runs/{self.id}/artifacts?{urlencode({'path': name})}"

        def put(site: SiteConnection) -> None:
            if not os.access(file, os.R_OK):
                raise Rejected(f"{file} cannot be read")
            with open(file, "rb") as opened:
                site.put(path, opened, os.fstat(opened.fileno()).st_size)

        self._reports.request(put)

    def _post(self, action: str, body: Mapping[str, Any]) -> None:
        path, data = f"api/v1/runs/{self.id}/{action}", json.dumps(body).encode()
        self._reports.request(lambda site: site.post(path, data))

    def __enter__(self) -> TrackedRun:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._finish_after(error)


class TrialRun(TrackedRun):
    """The trial of a sweep under a run's names. Its runner reports its end."""

    def finish(self, state: str = "completed", message: str = "") -> None:
        """Nothing: the end of the script is the trial's end."""

    def _keep(self, file: str, name: str) -> None:
        kept = os.path.realpath(outputs())
        if not os.path.realpath(file).startswith(os.path.join(kept, "")):
            target = os.path.join(kept, *name.split("/"))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(file, target)


def run(
    name: str = "",
    *,
    experiment: str = "default",
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    team: str = "",
    site: tuple[str, str] | None = None,
) -> TrackedRun:
    """Start a run of this experiment, which log() and the callbacks report to, too.

    Inside a trial it is the trial itself, and the sweep's values replace those of
    `params`. `site` is an address and a token, by default those of the environment or
    of the login. Raises RunNotStarted.
    """
    if trial_id():
        return _this_trial(params or {}, tags or {})
    url, token = site or login()
    if not url or not token:
        raise RunNotStarted(
            "Set SWEEPSITE_URL and SWEEPSITE_TOKEN to the site's address and your API"
            f" token, or write them into {login_file()}."
        )
    body = {
        "experiment": experiment,
        "name": name,
        "params": _texts(params or {}),
        "tags": {key: str(value) for key, value in (tags or {}).items()},
        "client": os.path.basename(sys.argv[0]) or "python",
        "environment": provenance(),
    }
    answer = _started(SiteConnection(url, token), url, body, team)
    where = (url, str(answer["id"]), str(answer["token"]))
    started = TrackedRun(where, url=str(answer["url"]), params=params or {})
    begin_run(where)
    atexit.register(started._finish_at_exit)
    say(f"this run is at {started.url}")
    return started


def _this_trial(params: Mapping[str, Any], tags: Mapping[str, Any]) -> TrialRun:
    values = trial_params()
    where = this_trial()
    page = f"{where[0].rstrip('/')}/trials/{where[1]}/"
    found = TrialRun(where, url=page, params=values)
    if own := {key: value for key, value in params.items() if key not in values}:
        found.log_params(own)
    for key, value in tags.items():
        found.tag(key, value)
    return found


def _started(
    site: SiteConnection, url: str, body: Mapping[str, Any], team: str
) -> dict[str, Any]:
    """The site's answer. The key makes one run of requests that are sent again."""
    path = f"api/v1/runs?team={quote(team)}" if team else "api/v1/runs"
    data, key = json.dumps(body).encode(), {"Idempotency-Key": os.urandom(16).hex()}
    deadline = time.monotonic() + MAX_START_SECONDS
    while True:
        try:
            return site.post(path, data, key)
        except (Rejected, Ended) as problem:
            raise RunNotStarted(f"{url} refused the run: {problem}") from problem
        except Away as problem:
            if time.monotonic() + START_PAUSE > deadline:
                raise RunNotStarted(f"{url} does not answer: {problem}") from problem
            time.sleep(START_PAUSE)


def _texts(values: Mapping[str, Any]) -> dict[str, str]:
    """As the site keeps them: text, and the JSON of numbers, lists and mappings."""
    return {name: _text(value) for name, value in values.items()}


def _text(value: Any) -> str:
    plain = _plain(value)
    if plain is None or isinstance(plain, (bool, int, float, list, tuple, dict)):
        return json.dumps(plain, default=_plain, skipkeys=True)
    return str(plain)


def _plain(value: Any) -> Any:
    """Arrays, tensors and their scalars as JSON has them; text for other objects."""
    if value is None or isinstance(value, (bool, int, float, list, tuple, dict)):
        return value
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _files(path: str, folder: str) -> Iterator[tuple[str, str]]:
    """Each file, and its name on the site."""
    if ".." in folder.split("/"):
        raise ValueError(f"folder is {folder!r}; it must be below the run's files")
    prefix = f"{folder.strip('/')}/" if folder else ""
    if not os.path.isdir(path):
        if not os.path.exists(path):
            raise FileNotFoundError(f"{path!r} does not exist")
        yield path, prefix + os.path.basename(path)
        return
    parent = os.path.dirname(os.path.abspath(path))
    for base, _, names in os.walk(path):
        for name in sorted(names):
            file = os.path.join(os.path.abspath(base), name)
            yield file, prefix + os.path.relpath(file, parent).replace(os.sep, "/")
