"""What is needed to run a script again: the site leaves out secrets."""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator

MAX_DIFF = 200_000
MAX_SECONDS = 5.0
DIFF = ("git", "diff", "--no-ext-diff", "--no-textconv", "HEAD")
PACKAGE = re.compile(
    r"([A-Za-z0-9][\w.]*)-(\d[\w.!+]*)(?:-py[\d.]+)?\.(?:dist|egg)-info"
)


def provenance() -> dict[str, object]:
    """Command, interpreter, packages, machine and code; what is not known is absent."""
    facts: dict[str, object] = {
        "command": getattr(sys, "orig_argv", [sys.executable, *sys.argv]),
        "script": os.environ.get("JPY_SESSION_NAME") or _script(),
        "folder": os.getcwd(),
        "python": platform.python_version(),
        "interpreter": sys.executable,
        "packages": sorted(set(_packages()), key=str.lower),
        "host": socket.gethostname(),
        "os": platform.platform(),
        "cpus": os.cpu_count() or 1,
        **_gpus(),
        **_repository(),
    }
    return {name: value for name, value in facts.items() if value}


def _packages() -> Iterator[str]:
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if found := PACKAGE.fullmatch(name):
                yield f"{found[1].replace('_', '-')}=={found[2]}"


def _gpus() -> dict[str, object]:
    if not shutil.which("nvidia-smi"):
        return {}
    fields = "--query-gpu=name,memory.total,driver_version"
    lines = _output("nvidia-smi", fields, "--format=csv,noheader").splitlines()
    parts = [line.rpartition(", ") for line in lines]
    return {
        "gpus": [gpu for gpu, _, _ in parts],
        "driver": "".join({p[2] for p in parts}),
    }


def _repository() -> dict[str, object]:
    """Of the script's folder, or of the folder of a notebook."""
    commit = _output("git", "rev-parse", "HEAD")
    if not commit:
        return {}
    return {
        "repository": _output("git", "remote", "get-url", "origin"),
        "branch": _output("git", "branch", "--show-current"),
        "commit": commit,
        "diff": _output("git", "diff", "--no-ext-diff", "--no-textconv", "HEAD")[
            :MAX_DIFF
        ],
    }


def _output(*command: str) -> str:
    """What a program writes; "" if it fails."""
    try:
        done = subprocess.run(
            command,
            cwd=_folder(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=MAX_SECONDS,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace").strip() if not done.returncode else ""


def _folder() -> str:
    """The script's, or the one that an interactive session works in."""
    return os.path.dirname(_script()) or os.getcwd()


def _script() -> str:
    """The path of the script; "" in an interactive session."""
    path = os.path.abspath(sys.argv[0])
    return path if os.path.isfile(path) and not hasattr(sys, "ps1") else ""
