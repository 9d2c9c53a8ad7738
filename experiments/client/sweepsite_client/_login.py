"""The site that this person works with."""

from __future__ import annotations

import json
import os


def login() -> tuple[str, str]:
    """Address and token: of the environment, else of the file of a login; "" for what
    neither has."""
    url, token = (os.environ.get(f"SWEEPSITE_{name}", "") for name in ("URL", "TOKEN"))
    if url and token:
        return url, token
    try:
        with open(login_file(), encoding="utf-8") as file:
            found = json.load(file)
        return url or str(found["url"]), token or str(found["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return url, token


def login_file() -> str:
    folder = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return os.path.join(folder, "sweepsite", "login.json")


def save_login(url: str, token: str) -> str:
    """Keep them for later, readable by this person alone; returns the file."""
    path = login_file()
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    part = f"{path}.{os.getpid()}"
    opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        json.dump({"url": url, "token": token}, file)
    os.replace(part, path)
    return path
