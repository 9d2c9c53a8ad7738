"""Where the act that is under way comes from, for the audit log.

Without a request or a command, sweepsite itself acts: its scheduler and its jobs.
"""

from __future__ import annotations

import getpass
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace

BROWSER, API, WORKER, ADMIN = "browser", "API", "worker", "Django admin"
COMMAND_LINE, ITSELF = "command line", "sweepsite"
# These processes act for nobody.
SERVICES = frozenset({"scheduler", "runserver"})
# Of the paths that begin so; all others are pages.
PATHS = (
    ("/admin/", ADMIN),
    ("/api/worker/", WORKER),
    ("/api/", API),
    ("/ajax-api/", API),
)


@dataclass(frozen=True)
class ActOrigin:
    """``person`` is who acts without an account of the site, such as root on the
    command line."""

    via: str = ITSELF
    address: str = ""
    request_id: str = ""
    person: str = ""


_current: ContextVar[ActOrigin] = ContextVar("origin", default=ActOrigin())  # noqa: B039


def current() -> ActOrigin:
    return _current.get()


@contextmanager
def of_request(path: str, address: str) -> Iterator[ActOrigin]:
    """Until the end of the request."""
    via = next((via for start, via in PATHS if path.startswith(start)), BROWSER)
    origin = ActOrigin(via, address, secrets.token_hex(6))
    before = _current.set(origin)
    try:
        yield origin
    finally:
        _current.reset(before)


@contextmanager
def by_itself() -> Iterator[None]:
    """What follows from an act of a person, but is not theirs."""
    before = _current.set(ActOrigin(request_id=_current.get().request_id))
    try:
        yield
    finally:
        _current.reset(before)


def note_token(name: str) -> None:
    """The caller's token is known now."""
    _current.set(replace(_current.get(), via=f"token {name}"))


def note_command(name: str) -> None:
    """This process is a command that a person has started."""
    if name not in SERVICES:
        _current.set(ActOrigin(COMMAND_LINE, person=_login_name()))


def _login_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # In a container the number may have no name.
        return f"user {os.getuid()}"
