"""``manage.py up``: runs everything on one machine until Ctrl-C.

The supervisor runs for weeks, so it loads neither Django's applications nor the queue's
client: another process prepares the database and ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import ipaddress
import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from experiments.management import embedded_valkey
from experiments.management.embedded_valkey import EmbeddedQueue, NoServer
from experiments.runner.environment import without_secrets
from experiments.runner.gpus import DeviceError
from experiments.runner.walls import MORE_HIDDEN, WallsError, weakness
from experiments.tokens import new_token
from experiments.workers.host import chosen_devices, slots_of
from experiments.workers.secrets import sealed
from experiments.workers.supervisor import Child, Supervisor, end_with

MAX_QUEUE_WAIT = 20.0
MAX_SITE_WAIT = 120.0
# Seconds without an answer before a restart. A site waits for a slow database, and a
# round for a sampler.
MAX_QUEUE_SILENCE, MAX_SITE_SILENCE, MAX_SCHEDULER_SILENCE = 6.0, 60.0, 180.0
# In the data folder.
ROUND_FILE = "scheduler_round"
# Other commands hold the lock for a moment, to see whether ``up`` runs.
LOCK_TRIES, LOCK_PAUSE = 20, 0.02
# Files of the data folder with the addresses of what runs, for other commands.
ADDRESS_FILES = ("redis_url", "site_url")
EVERY_ADDRESS = ("0.0.0.0", "::")  # nosec B104 # noqa: S104
# Secrets that a worker does not need.
SITE_ONLY = frozenset(
    {
        *("DATABASE_URL", "PGPASSWORD", "SWEEPSITE_METRICS_TOKEN"),
        *("SWEEPSITE_SECRET_KEY", "SWEEPSITE_SECRET_KEY_FALLBACKS"),
    }
)
# Workers report their trials' ends to the site, so they end first.
ENDS = {"worker": 0, "scheduler": 1, "site": 1, "web": 1, "queue": 2}
# The samplers' computations are too small for threads. While trainings use every
# processor, threads mostly wait for one another and take ten times as long.
COMPUTING = {name: {"OMP_NUM_THREADS": "1"} for name in ("scheduler", "site", "web")}


class Command(BaseCommand):
    help = "Runs everything on this machine: queue, scheduler, workers and web server."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--port", type=int, default=8000, help="default 8000")
        parser.add_argument(
            "--slots", type=int, help="trials at a time; default 2, or one per GPU"
        )
        parser.add_argument(
            "--gpus", default="none", help="auto (all), numbers such as 0,1, or none"
        )
        parser.add_argument("--demo", action="store_true", help="run the demo sweep")
        parser.add_argument(
            "--allow-http",
            action="store_true",
            help="with --host: accept passwords and tokens unencrypted from a network",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 1 <= options["port"] <= 65_535:
            raise CommandError("--port must be from 1 to 65535, such as 8000.")
        if settings.SECURE_SSL_REDIRECT and not settings.SECURE_PROXY_SSL_HEADER:
            raise CommandError(
                "SWEEPSITE_URL is https, so a proxy with TLS is before the site. Set"
                " SWEEPSITE_BEHIND_PROXY=1; otherwise every page redirects forever."
            )
        if not options["allow_http"]:
            check_transport(options["host"], os.environ.get("SWEEPSITE_URL", ""))
        options["slots"] = slots_for(options["slots"], gpus=options["gpus"])
        with locked_folder(settings.HOME):
            check_port(options["host"], options["port"])
            try:
                Machine(options, say=self._say).run()
            except WallsError as problem:
                raise CommandError(str(problem)) from problem

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def is_local(host: str) -> bool:
    """Whether only this machine can reach it."""
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def check_transport(host: str, url: str) -> None:
    """Refuse to serve a network over plain http."""
    if not is_local(host) and not url.startswith("https://"):
        raise CommandError(
            f"--host {host} would accept passwords and tokens unencrypted from the"
            " network. Put a proxy with TLS before the site and set SWEEPSITE_URL to"
            " its https address (docs/installation.md has examples for nginx and"
            " Caddy), or add --allow-http if you trust everyone on that network."
        )


def network_words(host: str, port: int, url: str) -> str:
    """What a person must know who opens plain http to a network; empty otherwise."""
    if is_local(host) or url.startswith("https://"):
        return ""
    text = "Passwords and tokens are not encrypted on the network.\n"
    if host not in EVERY_ADDRESS or os.environ.get("SWEEPSITE_URL"):
        return text
    return (
        "Other machines are refused until SWEEPSITE_URL is the address that they open,"
        f" such as http://{socket.gethostname()}:{port}.\n{text}"
    )


def slots_for(slots: int | None, *, gpus: str) -> int:
    """The number of slots that was given; else one for each GPU, or 2 without GPUs."""
    if slots is not None and not 0 <= slots <= 1_000:
        raise CommandError("--slots must be from 0 to 1000, such as 2.")
    try:
        devices = chosen_devices(gpus, os.environ).found
        if devices and slots != 0:
            return slots_of(devices, slots=slots, per_slot=1)
    except DeviceError as problem:
        raise CommandError(str(problem)) from problem
    return 2 if slots is None else slots


@contextlib.contextmanager
def locked_folder(home: Path) -> Iterator[None]:
    """Allow only one ``up`` on a data folder; the lock ends with the process."""
    with (home / "lock").open("a+") as lock:
        if not _taken(lock):
            lock.seek(0)
            raise CommandError(
                f"sweepsite already runs on {home} (process {lock.read().strip()})."
                " Stop it first, or set SWEEPSITE_HOME to another folder."
            )
        # They may be left from one that was killed.
        remove_address_files(home)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _taken(lock: IO[str]) -> bool:
    for tried in range(LOCK_TRIES):
        if tried:
            time.sleep(LOCK_PAUSE)
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


def remove_address_files(home: Path) -> None:
    for name in ADDRESS_FILES:
        (home / name).unlink(missing_ok=True)


def check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or "this is not a host"
            raise CommandError(
                f"Cannot listen on {host} port {port}: {why}. Choose"
                f" another port, such as --port {port + 1 if port < 65_535 else 8000}."
            ) from error


def hidden_from_trials(environment: Mapping[str, str]) -> Iterator[str]:
    """What the person who starts this hides, and a SQLite database outside the data
    folder."""
    yield from filter(None, environment.get(MORE_HIDDEN, "").split(os.pathsep))
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        yield from (f"{database['NAME']}{end}" for end in ("", "-wal", "-shm"))


class Machine:
    """The processes of one installation, in the order in which they start."""

    def __init__(self, options: dict[str, Any], *, say: Callable[[str], None]) -> None:
        self.host, self.port = options["host"], options["port"]
        self.slots, self.demo = options["slots"], options["demo"]
        self.gpus = options["gpus"]
        self.say = say
        self.supervisor = Supervisor(say=say)
        self.queue = None
        if not os.environ.get("REDIS_URL"):
            self.queue = EmbeddedQueue(settings.HOME, say=say)
        self.local = "127.0.0.1" if self.host in EVERY_ADDRESS else self.host
        local = f"[{self.local}]" if ":" in self.local else self.local
        url = os.environ.get("SWEEPSITE_URL") or f"http://{local}:{self.port}"
        self.environment = {
            **os.environ,
            "SWEEPSITE_HOME": str(settings.HOME),
            "SWEEPSITE_URL": url,
            "PYTHONUNBUFFERED": "1",
        }
        self.environment.pop("SWEEPSITE_WORKER_TOKEN", None)

    def run(self) -> None:
        self.supervisor.install_signals()
        # Only trials write files with the rights of the person who runs this.
        self.umask = os.umask(0o077)
        # Our own output is for people; the children have their own logs.
        logging.getLogger("experiments").setLevel(logging.WARNING)
        try:
            self._start()
            self.supervisor.run()
        finally:
            self.say("Stopping running trials, then everything else …")
            self.supervisor.stop()
            if self.queue is not None:
                self.queue.remove_socket()
            remove_address_files(settings.HOME)
            self.say("Stopped. Trials that were running start again next time.")

    def _start(self) -> None:
        self.say(f"sweepsite {settings.VERSION}, data in {settings.HOME}")
        (settings.HOME / "logs").mkdir(exist_ok=True)
        if self.slots and (sentence := weakness(os.environ)):
            self.say(f"Trials are not fully isolated: {sentence}")
        (settings.HOME / "site_url").write_text(self.environment["SWEEPSITE_URL"])
        self._start_queue()
        self.say("Preparing the database …")
        token = new_token("wrk").secret
        news = self._prepare(token)
        self._start_site()
        if self.queue is not None:
            self._wait(self.queue.answers, "queue", MAX_QUEUE_WAIT)
        rounds = RoundFile(settings.HOME / ROUND_FILE)
        self._add(
            "scheduler",
            "scheduler",
            answers=rounds.has_moved,
            max_silence=MAX_SCHEDULER_SILENCE,
        )
        self._add("site", "worker", "--site")
        self._start_workers(token)
        self._wait(self._site_answers, "web", MAX_SITE_WAIT)
        if not self.supervisor.stopping:
            url = self.environment["SWEEPSITE_URL"]
            self.say(
                f"{news}\nOpen {url}   ({self.slots} slots; Ctrl-C stops everything)\n"
                f"{network_words(self.host, self.port, url)}"
            )

    def _prepare(self, token: str) -> str:
        """Run ``setup`` with the workers' credential; returns its output."""
        command = ["setup", "--for-up", "--skip-checks", *["--demo"] * self.demo]
        supervisor = os.getpid()
        with sealed({**self.environment, "SWEEPSITE_WORKER_TOKEN": token}) as given:
            done = subprocess.run(
                [sys.executable, str(settings.BASE_DIR / "manage.py"), *command],
                **given,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                start_new_session=True,
                preexec_fn=lambda: end_with(supervisor),
            )
        for environment in (self.environment, os.environ):
            environment.pop("SWEEPSITE_ADMIN_PASSWORD", None)
        if done.returncode:
            text = done.stderr.strip().removeprefix("sweepsite: ")
            raise CommandError(f"The database was not prepared: {text}")
        return done.stdout

    # --- the processes ------------------------------------------------------------

    def _start_queue(self) -> None:
        """A server behind a private socket, unless REDIS_URL names one."""
        if self.queue is None:
            return
        try:
            command = self.queue.command()
        except NoServer as error:
            raise CommandError(str(error)) from error
        self.environment["REDIS_URL"] = self.queue.url
        embedded_valkey.write_private(settings.HOME / "redis_url", self.queue.url)
        self._add_child(
            "queue",
            command,
            environment=without_secrets(self.environment),
            prepare=self.queue.prepare,
            answers=self.queue.answers,
            max_silence=MAX_QUEUE_SILENCE,
        )

    def _start_site(self) -> None:
        served = str(settings.BASE_DIR / "sweepsite" / "web_server.py")
        argv = [sys.executable, "-m", "gunicorn", "-c", served]
        argv += ["--workers", "1", "--log-level", "warning"]
        host = f"[{self.host}]" if ":" in self.host else self.host
        self._add_child(
            "web",
            [*argv, "--bind", f"{host}:{self.port}"],
            stop_seconds=4.0,
            answers=self._site_answers,
            max_silence=MAX_SITE_SILENCE,
        )

    def _start_workers(self, token: str) -> None:
        if self.slots and not self.supervisor.stopping:
            environment = {
                **{n: v for n, v in self.environment.items() if n not in SITE_ONLY},
                "SWEEPSITE_WORKER_TOKEN": token,
                MORE_HIDDEN: os.pathsep.join(hidden_from_trials(os.environ)),
            }
            slots = ("--slots", str(self.slots), "--gpus", self.gpus)
            self._add(
                *("worker", "worker", *slots),
                stop_seconds=10.0,
                environment=environment,
                umask=self.umask,
            )

    def _add(self, name: str, *command: str, **fields: Any) -> None:
        manage = str(settings.BASE_DIR / "manage.py")
        self._add_child(name, [sys.executable, manage, *command], **fields)

    def _add_child(self, name: str, argv: list[str], **fields: Any) -> None:
        if self.supervisor.stopping:
            return
        environment = fields.pop("environment", self.environment)
        environment = {**COMPUTING.get(name, {}), **environment}
        child = Child(name, argv, environment, ends=ENDS[name], **fields)
        child.log = settings.HOME / "logs" / f"{name}.log"
        self.supervisor.add(child)

    # --- waiting ------------------------------------------------------------------

    def _wait(self, ready: Callable[[], bool], name: str, seconds: float) -> None:
        """Wait until it is ready; restarts children meanwhile."""
        deadline = time.monotonic() + seconds
        while not self.supervisor.stopping and not ready():
            self.supervisor.revive()
            if time.monotonic() > deadline:
                child = next(c for c in self.supervisor.children if c.name == name)
                raise CommandError(
                    f"The {name} process did not start within {seconds:g} s. Its last"
                    f" lines, from {child.log}:\n{child.last_lines()}"
                )
            time.sleep(0.05)

    def _site_answers(self) -> bool:
        """Whether the web server gives any answer."""
        host = next(iter(settings.ALLOWED_HOSTS), "*").replace("*", "localhost")
        request = f"GET /healthz HTTP/1.0\r\nHost: {host.lstrip('.')}\r\n\r\n"
        try:
            with socket.create_connection((self.local, self.port), timeout=2) as site:
                site.sendall(request.encode())
                return site.recv(5) == b"HTTP/"
        except OSError:
            return False


class RoundFile:
    """The file that a scheduler touches in each round."""

    def __init__(self, path: Path) -> None:
        self._path, self._seen = path, 0

    def has_moved(self) -> bool:
        """Whether there was a round since the last call."""
        before, self._seen = self._seen, self._time()
        return self._seen != before

    def _time(self) -> int:
        try:
            return self._path.stat().st_mtime_ns
        except FileNotFoundError:
            return 0
