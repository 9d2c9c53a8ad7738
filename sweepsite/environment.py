"""Environment variables as values of settings, checked. Errors name the variable."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from sweepsite.data_folder import address_from_up


def env_bool(name: str, *, default: bool) -> bool:
    text = os.environ.get(name, "").strip().lower()
    if text in {"", "0", "false", "no", "off", "1", "true", "yes", "on"}:
        return default if not text else text in {"1", "true", "yes", "on"}
    raise ImproperlyConfigured(f"{name} is {text!r}; allowed are 1 or 0, such as 1.")


def env_int(name: str, default: int, *, low: int, high: int) -> int:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if text.isascii() and text.isdigit() and low <= int(text) <= high:
        return int(text)
    raise ImproperlyConfigured(
        f"{name} is {text!r}; allowed are whole numbers from {low} to {high},"
        f" such as {default}."
    )


def env_level(name: str, default: str) -> str:
    text = os.environ.get(name, "").strip().upper() or default
    allowed = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    if text in allowed:
        return text
    raise ImproperlyConfigured(
        f"{name} is {os.environ[name]!r}; allowed are {', '.join(allowed)}."
    )


def env_url(name: str, default: str, *, schemes: tuple[str, ...]) -> str:
    text = os.environ.get(name, "").strip() or default
    try:
        parts = urlsplit(text)
        # Reading the port checks it.
        known = parts.scheme in schemes and (parts.port or True)
    except ValueError as error:
        raise bad_url(name, text, f"it is not a URL: {error}") from error
    if not known:
        allowed = ", ".join(f"{scheme}://" for scheme in schemes)
        raise bad_url(name, text, f"it must start with {allowed}")
    return text


def bad_url(name: str, text: str, why: str) -> ImproperlyConfigured:
    """The error for a URL, without its password, since it goes to terminals and
    logs."""
    shown = re.sub(r"//[^/]*@", "//***@", text)
    return ImproperlyConfigured(f"{name} is {shown!r}; {why.rstrip('.')}.")


def metrics_token() -> str:
    """The token that opens /metrics and nothing else; empty: none."""
    text = os.environ.get("SWEEPSITE_METRICS_TOKEN", "").strip()
    if text and len(text) < 16:
        raise ImproperlyConfigured(
            f"SWEEPSITE_METRICS_TOKEN has {len(text)} characters; at least 16 are"
            " needed."
        )
    return text


def site_url(folder: Path) -> str:
    """SWEEPSITE_URL, else what an ``up`` on this folder serves, else the usual port."""
    url = env_url(
        "SWEEPSITE_URL",
        address_from_up(folder, "site_url") or "http://127.0.0.1:8000",
        schemes=("http", "https"),
    )
    if not urlsplit(url).hostname:
        raise bad_url(
            "SWEEPSITE_URL", url, "a host is missing, as in https://sweeps.example.org"
        )
    return url.rstrip("/")


def syslog_url() -> str:
    """Where events are sent; empty: nowhere."""
    name = "SWEEPSITE_SYSLOG"
    if not os.environ.get(name, "").strip():
        return ""
    url = env_url(name, "", schemes=("udp", "tcp", "unix"))
    if not (urlsplit(url).path if url.startswith("unix") else urlsplit(url).hostname):
        why = "the host is missing, as in tcp://logs.example.org:514"
        raise bad_url(name, url, why)
    return url


def redis_url(folder: Path) -> str:
    """REDIS_URL, else the embedded server that ``up`` runs, else the usual port."""
    url = env_url(
        "REDIS_URL",
        address_from_up(folder, "redis_url") or "redis://127.0.0.1:6379/0",
        schemes=("redis", "rediss", "unix"),
    )
    if "?" in url:
        # Only here: the library takes 10 MB, which a worker's parent does not need.
        from redis.connection import parse_url

        try:
            parse_url(url)  # type: ignore[no-untyped-call]
        except ValueError as error:
            raise bad_url("REDIS_URL", url, str(error)) from error
    if url.startswith("unix") and not urlsplit(url).path:
        why = "the path of the socket is missing, as in unix:///run/valkey.sock"
        raise bad_url("REDIS_URL", url, why)
    return url


def smtp_url() -> str:
    """The server that sends e-mail; empty: none is sent."""
    given = os.environ.get("SWEEPSITE_SMTP_URL", "").strip()
    if not given:
        return ""
    url = env_url("SWEEPSITE_SMTP_URL", "", schemes=("smtp", "smtps"))
    if not urlsplit(url).hostname:
        why = "a host is missing, as in smtp://USER:PASSWORD@mail.example.org:587"
        raise bad_url("SWEEPSITE_SMTP_URL", url, why)
    return url


def database(folder: Path) -> dict[str, Any]:
    url = env_url(
        "DATABASE_URL",
        f"sqlite:///{folder / 'sweepsite.sqlite3'}",
        schemes=("sqlite", "postgres", "postgresql"),
    )
    try:
        config: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=60))
    except ValueError as error:
        raise bad_url("DATABASE_URL", url, str(error)) from error
    # A service of libpq names the database itself.
    if not (config["NAME"] or config.get("OPTIONS", {}).get("service")):
        why = "the name of the database is missing, as in postgres://USER@HOST/NAME"
        raise bad_url("DATABASE_URL", url, why)
    config["CONN_HEALTH_CHECKS"] = True
    if url.startswith("sqlite"):
        # IMMEDIATE: a transaction that reads and then writes waits for the lock
        # instead of failing at once. FULL: what was acknowledged survives a power cut.
        # Checkpoints: see experiments/db/wal.py.
        config["OPTIONS"] = {
            "timeout": 20,
            "transaction_mode": "IMMEDIATE",
            "init_command": (
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                "PRAGMA temp_store=MEMORY; PRAGMA cache_size=-20000;"
                "PRAGMA journal_size_limit=8388608; PRAGMA wal_autocheckpoint=0;"
            ),
        }
    return config
