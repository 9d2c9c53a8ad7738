"""A whole installation started by ``manage.py up``, for tests with real processes."""

from __future__ import annotations

import atexit
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from experiments.runner.launch import RUNNER

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "tests" / "scripts"
PASSWORD = "only-for-this-test"
TIMEOUT = 180.0
# Not the shared generator, which property tests set back to a seed.
CHANCE = random.SystemRandom()
# Not those that the system gives to clients: it may be some seconds until a
# port's server starts.
PORTS = range(12_000, 32_000)
# As many processes of one suite choose from ports of their own.
PARTS = 8
TRIES = 100
_given: set[int] = set()


def free_port() -> int:
    """A free port that was not used before."""
    for port in CHANCE.sample(_ports(), TRIES):
        if port in _given:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port
    raise RuntimeError(f"none of {TRIES} ports of 127.0.0.1 could be bound")


def _ports() -> range:
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    if not worker:
        return PORTS
    share = len(PORTS) // PARTS
    first = int(worker) % PARTS * share
    return PORTS[first : first + share]


def call(url: str, method: str, body: object = None, *, token: str) -> Any:
    """What a site answers, read where it is JSON. Raises HTTPError."""
    request = urllib.request.Request(
        url,
        method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        text = answer.read().decode(errors="replace")
        is_json = "json" in answer.headers.get("Content-Type", "")
        return json.loads(text or "null") if is_json else text


def command_of(process: Path) -> list[str]:
    """The words of a process's command, by its folder in /proc; a runner's is its name,
    as it is forked from its slot. Raises OSError once it is gone."""
    if (process / "comm").read_text().strip() == RUNNER:
        return [RUNNER]
    return (process / "cmdline").read_bytes().decode().split("\0")


def new_database(server: str, *, like: str = "template1") -> str:
    """The URL of a database on a PostgreSQL server: empty, or a copy of another."""
    import psycopg
    from django.db import connection

    facts = connection.settings_dict
    name = f"site_{uuid.uuid4().hex}"
    with psycopg.connect(
        host=facts["HOST"], user=facts["USER"], dbname="postgres", autocommit=True
    ) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"')
    return server.rpartition("/")[0] + f"/{name}"


@dataclass(frozen=True)
class Prepared:
    """A data folder that was set up, with the environment that its commands need."""

    environment: dict[str, str]
    token: str

    @property
    def home(self) -> Path:
        return Path(self.environment["SWEEPSITE_HOME"])

    @property
    def database(self) -> str:
        return self.environment["DATABASE_URL"].rpartition("/")[2]


@cache
def prepared() -> Prepared:
    """What most sites begin as a copy of: static files and tables take longer than
    the start itself."""
    folder = tempfile.mkdtemp(prefix="sweepsite-prepared-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    site = RunningSite(Path(folder) / "home", fresh=True)
    site.manage("setup")
    return Prepared(site.environment, site.admin_token())


class RunningSite:
    """One data folder, and the ``up`` that runs on it (if it runs). ``fresh``: it
    begins without a folder, as an installation does."""

    timeout = TIMEOUT

    def __init__(
        self, home: Path, *, slots: int = 2, fresh: bool = False, **settings: str
    ) -> None:
        self.home, self.slots, self.port = home, slots, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = home.parent / f"{home.name}-up.log"
        self.environment = {
            **os.environ,
            "SWEEPSITE_HOME": str(home),
            "SWEEPSITE_ADMIN_PASSWORD": PASSWORD,
            "SWEEPSITE_HEARTBEAT_SECONDS": "1",
            "SWEEPSITE_LEASE_SECONDS": "6",
            "SWEEPSITE_GRACE_SECONDS": "2",
            "DJANGO_SETTINGS_MODULE": "sweepsite.settings",
            **settings,
        }
        for name in ("REDIS_URL", "SWEEPSITE_URL", "SWEEPSITE_SECRET_KEY"):
            if name not in settings:
                self.environment.pop(name, None)
        self.token = ""
        server = os.environ.get("TEST_DATABASE_URL")
        if not fresh:
            shutil.copytree(prepared().home, home)
            self.token = prepared().token
        if server:
            like = {} if fresh else {"like": prepared().database}
            self.environment["DATABASE_URL"] = new_database(server, **like)

    # --- the processes ------------------------------------------------------------

    def start(self, *arguments: str) -> None:
        """Start ``up`` and wait until its workers have signed on."""
        command = self._manage("up", "--port", str(self.port))
        command += ["--slots", str(self.slots), *arguments]
        with self.output.open("ab") as output:
            self._said_before = output.tell()
            self.up = subprocess.Popen(
                command,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_for(self._ready, "up to be ready", self.said, self.timeout)
        self.token = self.token or self.admin_token()

    def admin_token(self) -> str:
        words = ("token", "create", "--user", "admin", "--scope", "admin")
        return self.manage(*words).split()[-1]

    def _ready(self) -> bool:
        assert self.up.poll() is None, f"up has ended:\n{self.said()}"
        return b"Open http" in self.output.read_bytes()[self._said_before :]

    def said(self) -> str:
        return self.output.read_text()

    def settle(self) -> None:
        """Whatever the last test has left: the site runs, and no sweep does."""
        if self.up.poll() is not None:
            self.start()
        wait_for(self._calmed, "the last test's sweeps to end", self.said)

    def _calmed(self) -> bool:
        try:
            for sweep in self.api("GET", "/sweeps?state=running&state=paused")["items"]:
                self.api("POST", f"/sweeps/{sweep['id']}/cancel")
        except OSError:
            # A part that was killed may not be back yet, a sweep may have ended.
            return False
        return not self.training()

    def _manage(self, *arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *arguments]

    def manage(self, *arguments: str) -> str:
        """Run another command of the installation; its standard output."""
        done = subprocess.run(
            self._manage(*arguments),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def stop(self, number: signal.Signals = signal.SIGTERM) -> float:
        """End ``up`` and say how long that took, in seconds."""
        began = time.monotonic()
        self.up.send_signal(number)
        try:
            self.up.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            self.up.kill()
            self.up.wait()
            raise
        return time.monotonic() - began

    def pids(self, *words: str) -> list[int]:
        """Living processes of this installation whose command has all the words;
        that of a runner is its name."""
        return [
            pid
            for pid, command in self._processes()
            if all(any(word in part for part in command) for word in words)
        ]

    def _processes(self) -> Iterator[tuple[int, list[str]]]:
        mark = f"SWEEPSITE_HOME={self.home}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                command = command_of(folder)
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
                inside = (folder / "cwd").readlink().is_relative_to(self.home)
            except (OSError, UnicodeDecodeError):
                continue
            named = any(str(self.home) in part for part in command)
            ours = mark in environment or inside or named
            if state != "Z" and ours and int(folder.name) != os.getpid():
                yield int(folder.name), command

    def training(self) -> list[int]:
        """Living processes that carry the mark of one of our attempts."""
        mark = f"SWEEPSITE_SPOOL={self.home}".encode()
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes()
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            if mark in environment and state != "Z":
                found.append(int(folder.name))
        return found

    # --- the API ------------------------------------------------------------------

    def api(self, method: str, path: str, body: object = None) -> Any:
        """A call of the native API; the answer's JSON. Raises HTTPError."""
        return call(f"{self.url}/api/v1{path}", method, body, token=self.token)

    def submit(self, **changes: Any) -> int:
        """Start a sweep of the scripts in tests/scripts; its id."""
        answer = self.api("POST", "/sweeps?start=true", sweep_document(**changes))
        number: int = answer["id"]
        return number

    def sweep(self, sweep: int) -> dict[str, Any]:
        answer: dict[str, Any] = self.api("GET", f"/sweeps/{sweep}")
        return answer

    def trials(self, sweep: int) -> list[dict[str, Any]]:
        answer = self.api("GET", f"/sweeps/{sweep}/trials?limit=500&sort=number")
        items: list[dict[str, Any]] = answer["items"]
        return items

    def wait_for_end(self, sweep: int, timeout: float = TIMEOUT) -> dict[str, Any]:
        """Until the sweep has ended and no trial of it lives; the sweep."""

        def ended() -> bool:
            try:
                if self.sweep(sweep)["state"] in {"draft", "running", "paused"}:
                    return False
                live = {"queued", "running"}
                return not any(trial["state"] in live for trial in self.trials(sweep))
            except (urllib.error.URLError, OSError):
                return False

        wait_for(ended, f"sweep {sweep} to end", lambda: self.story(sweep), timeout)
        return self.sweep(sweep)

    def log(self, trial: int) -> str:
        return self.download(f"/trials/{trial}/log")

    def download(self, path: str) -> str:
        request = urllib.request.Request(
            f"{self.url}/api/v1{path}",
            headers={"Authorization": f"Bearer {self.token}"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            text: str = answer.read().decode(errors="replace")
            return text

    def story(self, sweep: int) -> str:
        """What to read when a test has failed."""
        logs = sorted((self.home / "logs").glob("*.log"))
        tails = (f"{log.name}:\n{log.read_text()[-3000:]}" for log in logs)
        try:
            rows = json.dumps(self.trials(sweep), indent=1)[:6000]
        except OSError as error:
            rows = str(error)
        return "\n".join((self.said(), *tails, rows))


def sweep_document(**changes: Any) -> dict[str, Any]:
    """A quick sweep: four trials of train_ok.py, with any part replaced."""
    files = {path.name: path.read_text() for path in SCRIPTS.glob("*.py")}
    document: dict[str, Any] = {
        "experiment_name": "quick",
        "trial": {"command": "python train_ok.py", "code": {"files": files}},
        "search_space": {"x": {"type": "uniform", "min_value": 0, "max_value": 1}},
        "sampling_algorithm": {"type": "random", "seed": 1},
        "objective": {"primary_metric": "accuracy", "goal": "maximize"},
        "limits": {"max_total_trials": 4, "max_concurrent_trials": 2},
    }
    command = changes.pop("command", None)
    variables = changes.pop("environment", None)
    document.update(changes)
    if command:
        document["trial"]["command"] = command
    if variables:
        document["trial"]["environment_variables"] = variables
    if witness := (variables or {}).get("WITNESS"):
        # Beside the data folder, a trial cannot make a file, but can write one.
        Path(witness).touch()
    return document


def wait_for(
    condition: Callable[[], bool],
    what: str,
    story: Callable[[], str] = str,
    timeout: float = TIMEOUT,
) -> None:
    """Look again and again until it is true; fail with the story when it takes long.

    The longer it takes, the rarer it looks: looking costs the site processor time.
    """
    began = time.monotonic()
    while not condition():
        waited = time.monotonic() - began
        assert waited < timeout, f"waited for {what}\n{story()}"
        time.sleep(min(0.05 + waited / 20, 0.3))


@contextmanager
def running_site(
    home: Path, *arguments: str, settings: Mapping[str, str] | None = None, **kw: Any
) -> Iterator[RunningSite]:
    site = RunningSite(home, **kw, **(settings or {}))
    try:
        site.start(*arguments)
        yield site
    finally:
        if site.up.poll() is None:
            site.stop()
