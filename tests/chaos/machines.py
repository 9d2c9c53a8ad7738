"""An installation on several machines: a network namespace for each, on one bridge.

Web server, scheduler, Valkey (with a password), PostgreSQL (with a password) and every
worker host have an IP address of their own. Needs root and Linux.
"""

from __future__ import annotations

import os
import secrets
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos.databases import Postgres
from tests.chaos.installation import PASSWORD, Installation

NETWORK = "10.77.0"


def obstacle() -> str:
    """Why there can be no machines here; "" when there can."""
    if os.getuid() != 0:
        return "network namespaces need root"
    tried = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True)
    if tried.returncode == 0:
        name = f"sweepsite-{secrets.token_hex(3)}"
        tried = subprocess.run(
            ["ip", "netns", "add", name], capture_output=True, text=True
        )
        if tried.returncode == 0:
            ip("netns", "del", name)
            return ""
    return f"no network namespaces here: {tried.stderr.strip()}"


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Machines(Installation):
    """Names: ``pg``, ``queue``, ``web-0``, ``scheduler-0``, ``host-0`` …"""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.mark = secrets.token_hex(2)
        self.bridge = f"sw{self.mark}"
        self.addresses: dict[str, str] = {}
        super().__init__(folder, database="postgres", **options)
        self._move_database()

    def _link(self) -> None:
        ip("link", "add", self.bridge, "type", "bridge")
        ip("addr", "add", f"{NETWORK}.1/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")
        names = ("pg", "queue", *self.webs, *self.schedulers, *self.hosts)
        for number, name in enumerate(names, 2):
            self._add_machine(name, number)

    def _add_machine(self, name: str, number: int) -> None:
        space, here = self._space(name), self._port(name)
        ip("netns", "add", space)
        ip("link", "add", here, "type", "veth", "peer", "name", "eth0", "netns", space)
        ip("link", "set", here, "master", self.bridge, "up")
        self.addresses[name] = f"{NETWORK}.{number}"
        ip("-n", space, "addr", "add", f"{NETWORK}.{number}/24", "dev", "eth0")
        ip("-n", space, "link", "set", "eth0", "up")
        ip("-n", space, "link", "set", "lo", "up")

    def _space(self, name: str) -> str:
        return f"sw{self.mark}-{name}"

    def _port(self, name: str) -> str:
        return f"v{self.mark}{name[0]}{name[-1]}"

    def _move_database(self) -> None:
        assert isinstance(self.database, Postgres)
        server = self.database.server
        self.database.execute(f"ALTER USER postgres PASSWORD '{PASSWORD}'")
        with (server.data / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {NETWORK}.0/24 scram-sha-256\n")
        server.stop()
        server.start(prefix=self.inside("pg", []), listen=self.address("pg"))

    def address(self, name: str) -> str:
        return self.addresses[name]

    def inside(self, name: str, argv: Sequence[str]) -> Sequence[str]:
        return ["ip", "netns", "exec", self._space(name), *argv]

    def database_url(self, who: str) -> str:
        return f"postgres://postgres:{PASSWORD}@{self.address('pg')}/postgres"

    def _redis(self, who: str) -> str:
        return f"redis://:{PASSWORD}@{self.address('queue')}:{self.queue_port}/0"

    def site_url(self, n: int = 0) -> str:
        return f"http://{self.address(self.webs[0])}:{self.web_ports[0]}"

    def cut_off(self, name: str) -> None:
        """Pull the machine's plug: what is sent to it or by it is lost."""
        ip("link", "set", self._port(name), "down")

    def heal(self, name: str) -> None:
        ip("link", "set", self._port(name), "up")

    def stop(self) -> None:
        try:
            super().stop()
        finally:
            for name in self.addresses:
                subprocess.run(["ip", "netns", "del", self._space(name)])
            ip("link", "del", self.bridge)
