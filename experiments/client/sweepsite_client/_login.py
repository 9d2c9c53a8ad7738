"""The site that this person logs runs to."""

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
