"""Secrets leave the environment that the kernel shows, and still reach children."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from experiments.runner.launch import PROJECT
from experiments.workers.secrets import sealed

SECRETS = {"REDIS_URL": "redis://:queue-password@host", "PROXY": "http://a:proxy-pw@b"}
CHILD = """
import ctypes, json, os
from pathlib import Path
from experiments.workers.secrets import protect
protect()
libc = ctypes.CDLL(None)
libc.getenv.restype = ctypes.c_char_p
raw = Path("/proc/self/environ").read_bytes().decode()
print(json.dumps([raw, dict(os.environ), libc.getenv(b"REDIS_URL").decode()]))
"""
# What another process of the same user may read of one that is protected.
NOSY = """
import os, pathlib, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", '''
from experiments.workers.secrets import protect
protect()
import os
os.listdir("/proc/self/fd"); open("/proc/self/stat").read()
print("ready", flush=True); input()
'''], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdout.readline()
for name in ("environ", "mem", "maps"):
    try:
        pathlib.Path("/proc", str(child.pid), name).open("rb").read(1)
        print(name)
    except PermissionError:
        pass
child.communicate(b"end")
print("status", child.returncode)
"""


def run(environment: dict[str, str], *, fds: tuple[int, ...] = ()) -> list[object]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD],
        env=environment,
        pass_fds=fds,
        cwd=PROJECT,
        capture_output=True,
        check=True,
    )
    found: list[object] = json.loads(done.stdout)
    return found


def test_a_process_wipes_the_secrets_it_was_started_with() -> None:
    shown, known, in_c = run({"HOME": "/", **SECRETS, "LAST": "stays"})
    assert "queue-password" not in str(shown) and "proxy-pw" not in str(shown)
    assert "HOME=/" in str(shown) and "LAST=stays" in str(shown)
    assert isinstance(known, dict) and known.items() >= SECRETS.items()
    assert in_c == SECRETS["REDIS_URL"]


def test_a_child_gets_them_without_showing_them() -> None:
    with sealed({"HOME": "/", **SECRETS}) as given:
        shown, known, in_c = run(given["env"], fds=given["pass_fds"])
    assert "queue-password" not in str(shown)
    assert isinstance(known, dict) and known.items() >= SECRETS.items()
    assert "SWEEPSITE_SEALED" not in known
    assert in_c == SECRETS["REDIS_URL"]


def test_other_processes_of_the_user_cannot_read_it(tmp_path: Path) -> None:
    """As a user without root's rights, where this user can run Python."""
    root = os.geteuid() == 0
    python = "/usr/bin/python3" if root else sys.executable
    done = subprocess.run(
        [python, "-c", NOSY],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        **({"user": 65534, "group": 65534, "extra_groups": []} if root else {}),
    )
    assert done.stdout == "status 0\n", done.stderr
