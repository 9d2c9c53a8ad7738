"""The services of compose.yaml as processes of this machine: they start in their order
and run a sweep. Their images are not needed: what they run, and with which settings, is
what the file says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from experiments.management import embedded_valkey
from tests.processes.running_site import (
    ROOT,
    call,
    free_port,
    new_database,
    sweep_document,
    wait_for,
)

pytestmark = [pytest.mark.processes, pytest.mark.slow, pytest.mark.timeout(600)]

FILES = ROOT / "docs" / "installation"
SITE = ("setup", "web", "scheduler", "site-worker", "worker")


def services(values: Mapping[str, str]) -> dict[str, Any]:
    """The file's services with the values of .env, as compose reads them."""

    def value(found: re.Match[str]) -> str:
        name, default = found[1], found[2]
        if default is None:
            assert values.get(name), f"{name} is missing in compose.env"
        return values.get(name) or default

    text = (FILES / "compose.yaml").read_text()
    text = re.sub(r"(?<!\$)\$\{(\w+):(?:\?[^}]*|-([^}]*))\}", value, text)
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


def filled_in() -> dict[str, str]:
    """compose.env as a person would fill it in."""
    lines = (FILES / "compose.env").read_text().splitlines()
    pairs = (line.partition("=") for line in lines if line and line[0] != "#")
    return {name: value or f"{name.lower()}0123456789" for name, _, value in pairs} | {
        "SWEEPSITE_WORKER_TOKEN": "wrk_" + "5eed" * 12
    }


class Installation:
    """One folder for each volume, and ports of this machine for the services' names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.web, self.queue = free_port(), free_port()
        self.services = services(filled_in())
        (folder / "data").mkdir(mode=0o700)
        (folder / "queue").mkdir()

    def environment(self, name: str) -> dict[str, str]:
        """The service's own and no other setting, with addresses of this machine."""
        given = {key: str(v) for key, v in self.services[name]["environment"].items()}
        text = {key: self._here(value) for key, value in given.items()}
        if "DATABASE_URL" in text:
            server = os.environ.get("TEST_DATABASE_URL")
            if server:
                self.database = getattr(self, "database", None) or new_database(server)
                text["DATABASE_URL"] = self.database
            else:
                text["DATABASE_URL"] = f"sqlite:///{self.folder / 'data' / 'site.db'}"
        shared = "volumes" in self.services[name]
        home = self.folder / ("data" if shared else name)
        return {
            **{key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ},
            **text,
            "SWEEPSITE_HOME": str(home),
            "TMPDIR": str(self.folder),
        }

    def _here(self, value: str) -> str:
        value = value.replace("queue:6379", f"127.0.0.1:{self.queue}")
        value = value.replace("web:8000", f"127.0.0.1:{self.web}")
        return value.replace("localhost:8000", f"localhost:{self.web}")

    def command(self, name: str) -> list[str]:
        words = self.services[name].get("command")
        if words is None:
            containerfile = (FILES / "Containerfile").read_text()
            (found,) = re.findall(r"^CMD (\[.*\])$", containerfile, re.MULTILINE)
            words = yaml.safe_load(found)
            words[words.index("0.0.0.0:8000")] = f"127.0.0.1:{self.web}"
        return [sys.executable, *words]

    def queue_command(self) -> list[str]:
        *shell, text = self.services["queue"]["command"]
        text = text.replace("$$", "$").replace(
            "/valkey.conf", str(FILES / "valkey.conf")
        )
        text = text.replace("valkey-server", str(embedded_valkey.find_binary()))
        folder = str(self.folder / "queue")
        return [*shell, text.replace("/data", f"{folder} --port {self.queue}")]

    @contextmanager
    def running(self, name: str, command: list[str]) -> Iterator[None]:
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                env=self.environment(name),
                cwd=ROOT,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)

    def manage(self, *words: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            env=self.environment("setup"),
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def said(self) -> str:
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{log.name}:\n{log.read_text()[-2000:]}" for log in logs)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.web}/healthz") as page:
                return bool(page.status == 200)
        except OSError:
            return False


def test_its_services_run_a_sweep(tmp_path: Path) -> None:
    site = Installation(tmp_path)
    url = f"http://127.0.0.1:{site.web}/api/v1"
    with ExitStack() as stack:
        stack.enter_context(site.running("queue", site.queue_command()))
        redis = site.environment("setup")["REDIS_URL"]
        wait_for(lambda: embedded_valkey.is_up(redis), "the queue", site.said)
        shown = site.manage(*site.services["setup"]["command"][1:])
        assert "as given in SWEEPSITE_ADMIN_PASSWORD" in shown
        for name in SITE[1:]:
            stack.enter_context(site.running(name, site.command(name)))
        wait_for(site.answers, "the web server", site.said)
        token = site.manage("token", "create", "--user", "admin").split()[-1]
        document = sweep_document(command="python train_ok.py 3 0")
        sweep = call(f"{url}/sweeps?start=true", "POST", document, token=token)["id"]

        def state() -> str:
            return str(call(f"{url}/sweeps/{sweep}", "GET", token=token)["state"])

        wait_for(lambda: state() not in {"running", "draft"}, "its end", site.said)
        assert state() == "completed", site.said()


def test_the_setup_can_run_again_and_keeps_a_revoked_credential_revoked(
    tmp_path: Path,
) -> None:
    site = Installation(tmp_path)
    site.manage("setup")
    site.manage("worker-token", "revoke", "1")
    site.manage("setup")
    assert site.manage("worker-token", "list").strip() == "There is none."
