"""A whole installation of separate processes, with a network that fails on demand.

Valkey, the database, web servers, schedulers and worker hosts each have their own
processes, folders and ports, as on a team's machines; ``up`` plays no part.
"""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from experiments.management import embedded_valkey
from tests.chaos.databases import DATABASES, Database, Postgres
from tests.chaos.keeping import Keeper, Kept
from tests.chaos.proxies import Network
from tests.processes.running_site import (
    ROOT,
    SCRIPTS,
    call,
    command_of,
    free_port,
    sweep_document,
)

PASSWORD = "only-for-this-test"
TIMEOUT = 60.0
OURS = ("SWEEPSITE_", "DATABASE_URL", "REDIS_URL", "TEST_DATABASE_URL", "DJANGO_")
SIGN_ON = """
from experiments.management.commands.setup import ensure_admin
from experiments.models import ApiToken, Pool, User, WorkerToken
from experiments.tokens import new_token
ensure_admin()
token = new_token("swp")
ApiToken.objects.create(user=User.objects.get(), scope="admin",
                        prefix=token.prefix, digest=token.digest)
print("TOKENS", token.secret, WorkerToken.issue(Pool.objects.get()).secret)
"""


class Installation:
    """Web servers ``web-0`` …, ``scheduler-0`` …, hosts ``host-0`` …, and ``queue``.

    Links: ``site-0`` … (a host's way to its web server), ``queue-web``,
    ``queue-scheduler``, ``queue-host-0`` …, and with PostgreSQL ``db-web`` and
    ``db-scheduler``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database: str = "sqlite",
        hosts: int = 2,
        slots: int = 1,
        schedulers: int = 1,
        webs: int = 1,
        durable_queue: bool = True,
        **settings: str,
    ) -> None:
        self.folder, self.slots = folder, slots
        self.home = folder / "site"
        self.home.mkdir(parents=True)
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.durable_queue = durable_queue
        self.network, self.keeper = Network(), Keeper()
        self.database: Database = DATABASES[database](self.home)
        self.hosts = [f"host-{n}" for n in range(hosts)]
        self.schedulers = [f"scheduler-{n}" for n in range(schedulers)]
        self.webs = [f"web-{n}" for n in range(webs)]
        self.web_ports = [free_port() for _ in self.webs]
        self.queue_port = free_port()
        self.settings = {
            "SWEEPSITE_HEARTBEAT_SECONDS": "1",
            "SWEEPSITE_LEASE_SECONDS": "6",
            "SWEEPSITE_GRACE_SECONDS": "2",
            **settings,
        }
        self.token = self.worker_token = ""
        self._link()

    def _link(self) -> None:
        queue = ("127.0.0.1", self.queue_port)
        for name in ("web", "scheduler", *self.hosts):
            self.network.add(f"queue-{name}", free_port(), queue)
        for n in range(max(1, len(self.hosts))):
            port = self.web_ports[n % len(self.webs)]
            self.network.add(f"site-{n}", free_port(), ("127.0.0.1", port))
        if self.database.socket is not None:
            for name in ("web", "scheduler"):
                self.network.add(f"db-{name}", free_port(), self.database.socket)

    # --- environments -------------------------------------------------------------

    def address(self, name: str) -> str:
        """The IP address at which a process of this name listens."""
        return "127.0.0.1"

    def inside(self, name: str, argv: Sequence[str]) -> Sequence[str]:
        """The command with whatever puts it on the machine of that name."""
        return argv

    def database_url(self, who: str) -> str:
        link = self.network.links.get(f"db-{who}")
        return self.database.url(link.port if link else None)

    def _bare(self) -> dict[str, str]:
        return {k: v for k, v in os.environ.items() if not k.startswith(OURS)}

    def _redis(self, who: str) -> str:
        port = self.network.links[f"queue-{who}"].port
        return f"redis://:{PASSWORD}@127.0.0.1:{port}/0"

    def site_url(self, n: int = 0) -> str:
        return f"http://127.0.0.1:{self.network.links[f'site-{n}'].port}"

    def site_environment(self, who: str = "web", number: int = 0) -> dict[str, str]:
        """For ``web`` and ``scheduler``: they see the database."""
        return {
            **self._bare(),
            **self.settings,
            "SWEEPSITE_HOME": str(self.home),
            "SWEEPSITE_URL": self.site_url(number),
            "SWEEPSITE_ADMIN_PASSWORD": PASSWORD,
            "DATABASE_URL": self.database_url(who),
            "REDIS_URL": self._redis(who),
            "PYTHONUNBUFFERED": "1",
        }

    def host_environment(self, number: int) -> dict[str, str]:
        """For a worker: three addresses and secrets, and no database."""
        home = self.folder / self.hosts[number]
        # Hosts of one name tell each other apart by locks in the temporary folder.
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        # The scripts write their own records past the system, through their walls.
        self.witness.touch()
        return {
            **self._bare(),
            "SWEEPSITE_HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "SWEEPSITE_URL": self.site_url(number),
            "SWEEPSITE_WORKER_TOKEN": self.worker_token,
            "REDIS_URL": self._redis(self.hosts[number]),
            "SWEEPSITE_TRIAL_WRITE": str(self.witness),
            "PYTHONUNBUFFERED": "1",
        }

    # --- processes ----------------------------------------------------------------

    def start(self, **extra: str) -> None:
        """Everything, until the workers have signed on. ``extra``: more environment
        for all processes but those that prepare the database."""
        self.extra = extra
        self.manage("setup")
        said = self.manage("shell", "-c", SIGN_ON)
        line = next(x for x in said.splitlines() if x.startswith("TOKENS"))
        _, self.token, self.worker_token = line.split()
        self._keep("queue", self._queue_command(), self._bare())
        for n, name in enumerate(self.webs):
            self._keep(name, self._web_command(n), self.site_environment("web", n))
        for name in self.schedulers:
            environment = self.site_environment("scheduler")
            self._keep(name, self._manage("scheduler"), environment)
        for n, name in enumerate(self.hosts):
            command = self._manage("worker", "--slots", str(self.slots))
            self._keep(name, command, self.host_environment(n))
        self.wait(self._signed_on, "the workers to sign on", 3 * TIMEOUT)

    def _keep(self, name: str, argv: Sequence[str], given: dict[str, str]) -> None:
        log = self.logs / f"{name}.log"
        command = self.inside(name, argv)
        self.keeper.keep(Kept(name, command, given | self.extra, log))

    def _manage(self, *arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *arguments]

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            self._manage(*arguments),
            env=self.site_environment(),
            capture_output=True,
            text=True,
            timeout=3 * TIMEOUT,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _queue_command(self) -> list[str]:
        data = self.folder / "queue"
        data.mkdir(exist_ok=True)
        return [
            *(embedded_valkey.find_binary(), "--bind", self.address("queue")),
            *("--port", str(self.queue_port), "--requirepass", PASSWORD),
            *("--appendonly", "yes" if self.durable_queue else "no", "--save", ""),
            *("--dir", str(data), "--maxmemory-policy", "noeviction"),
        ]

    def _web_command(self, number: int) -> list[str]:
        name = self.webs[number]
        return [
            *(sys.executable, "-m", "gunicorn"),
            *("-c", str(ROOT / "sweepsite" / "web_server.py")),
            *("--log-level", "warning"),
            *("--bind", f"{self.address(name)}:{self.web_ports[number]}"),
            *("--access-logfile", str(self.logs / f"access-{number}.log")),
            *("--access-logformat", "%(t)s %(s)s %(m)s %(U)s"),
        ]

    def _signed_on(self) -> bool:
        query = "SELECT COUNT(*) FROM experiments_worker WHERE stopped_at IS NULL"
        signed = self.database.rows(query)[0][0] >= len(self.hosts)
        return bool(signed) and self.answers()

    def answers(self) -> bool:
        try:
            self.api("GET", "/sweeps?limit=1")
        except (OSError, http.client.HTTPException):
            return False
        return True

    def stop(self) -> None:
        """End all of it, workers first; kill whatever is left of it."""
        self.network.heal()
        self.keeper.end([n for n in self.keeper.kept if n in self.hosts], timeout=12)
        self.keeper.close()
        for pid, _ in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.network.close()
        self.database.close()

    # --- looking from outside -----------------------------------------------------

    def processes(self) -> Iterator[tuple[int, list[str]]]:
        """Living processes of this installation: (id, command). Not PostgreSQL's."""
        mark, inside = f"={self.folder}/".encode(), f"{self.folder}/"
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                environment = (folder / "environ").read_bytes().split(b"\0")
                command = command_of(folder)
                state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            except (OSError, UnicodeDecodeError):
                continue
            marked = any(b"SWEEPSITE_" in x and mark in x for x in environment)
            marked = marked or any(inside in part for part in command)
            if marked and state != "Z" and int(folder.name) != os.getpid():
                yield int(folder.name), command

    def pids(self, *words: str, host: str = "") -> list[int]:
        """Processes whose command has all the words (and that belong to the host)."""
        return [
            pid
            for pid, command in self.processes()
            if all(any(word in part for part in command) for word in words)
            and (not host or self._is_of(pid, command, host))
        ]

    def _is_of(self, pid: int, command: Sequence[str], host: str) -> bool:
        place = f"{self.folder}/{host}"
        environment = _environ(pid)
        return (
            f"SWEEPSITE_HOME={place}\0".encode() in environment
            or f"SWEEPSITE_SPOOL={place}/".encode() in environment
            or any(f"{place}/" in part for part in command)
        )

    def training(self) -> dict[int, int]:
        """Living training processes and their descendants: process id -> attempt."""
        found = {}
        spool = f"SWEEPSITE_SPOOL={self.folder}/".encode()
        for pid, _ in self.processes():
            for part in (environment := _environ(pid)).split(b"\0"):
                if part.startswith(b"SWEEPSITE_ATTEMPT=") and spool in environment:
                    found[pid] = int(part.partition(b"=")[2])
        return found

    def wait(
        self,
        condition: Callable[[], object],
        what: str,
        timeout: float = TIMEOUT,
        pause: float = 0.1,
    ) -> float:
        """Until it is true; the seconds that it took. AssertionError when too many."""
        began = time.monotonic()
        while not condition():
            took = time.monotonic() - began
            assert took < timeout, f"waited {took:.0f} s for {what}\n{self.story()}"
            time.sleep(pause)
        return time.monotonic() - began

    def story(self) -> str:
        """The last lines of every log."""
        logs = sorted(self.logs.glob("[!a]*.log"))
        return "\n".join(f"--- {x.name}\n{x.read_text()[-1500:]}" for x in logs)

    # --- the API ------------------------------------------------------------------

    def api(self, method: str, path: str, body: object = None, web: int = 0) -> Any:
        """A call of the native API, past the proxies. Raises HTTPError."""
        site = f"http://{self.address(self.webs[web])}:{self.web_ports[web]}"
        return call(f"{site}/api/v1{path}", method, body, token=self.token)

    def insist(self, method: str, path: str, body: object = None) -> Any:
        """The same, again and again while there is no answer: something may be dead."""
        answer: list[Any] = []

        def asked() -> bool:
            try:
                answer.append(self.api(method, path, body))
            except urllib.error.HTTPError as problem:
                if problem.code < 500:
                    raise
            except (OSError, http.client.HTTPException):
                return False
            return bool(answer)

        self.wait(asked, f"an answer to {method} {path}")
        return answer[0]

    def submit(
        self, command: str, *, trials: int, at_once: int = 0, **more: Any
    ) -> int:
        """Start a sweep of tests/scripts; its id. WITNESS is in its environment."""
        limits = {
            "max_total_trials": trials,
            "max_concurrent_trials": at_once or len(self.hosts) * self.slots,
            **more.pop("limits", {}),
        }
        retries = {"max_attempts": 10}
        retries |= more.pop("retries", {})
        environment = {"WITNESS": str(self.witness), **more.pop("environment", {})}
        document = sweep_document(
            command=command,
            environment=environment,
            limits=limits,
            retries=retries,
            **more,
        )
        number: int = self.insist("POST", "/sweeps?start=true", document)["id"]
        return number

    @property
    def witness(self) -> Path:
        return self.folder / "witness"

    def live_trials(self, sweep: int) -> int:
        query = "SELECT COUNT(*) FROM experiments_trial WHERE sweep_id ="
        query += f" {sweep} AND state IN ('queued', 'running')"
        return int(self.database.rows(query)[0][0])

    def ended_trials(self, sweep: int) -> int:
        query = "SELECT COUNT(*) FROM experiments_trial WHERE sweep_id ="
        query += f" {sweep} AND state NOT IN ('queued', 'running')"
        return int(self.database.rows(query)[0][0])

    def state(self, sweep: int) -> str:
        query = f"SELECT state FROM experiments_sweep WHERE id = {sweep}"
        return str(self.database.rows(query)[0][0])

    def wait_for_end(self, sweep: int, timeout: float = 120.0) -> float:
        def ended() -> bool:
            if self.state(sweep) in {"draft", "running", "paused"}:
                return False
            return not self.live_trials(sweep)

        return self.wait(ended, f"sweep {sweep} to end", timeout, pause=0.25)

    def crash_database(self, *, away: float = 0.0) -> None:
        assert isinstance(self.database, Postgres)
        self.database.crash(away=away)


def _environ(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes() + b"\0"
    except OSError:
        return b""


@contextmanager
def installed(folder: Path, **options: Any) -> Iterator[Installation]:
    """An installation, of that ``kind``, that runs until the end of the block."""
    extra = options.pop("extra", {})
    made: Installation = options.pop("kind", Installation)(folder, **options)
    try:
        made.start(**extra)
        yield made
    finally:
        made.stop()


__all__ = ["SCRIPTS", "Installation", "installed"]
