"""Landlock, with which a process gives up rights without privileges (Linux 5.13 and
later): its system calls, and what each version of it can do."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from functools import cache

from experiments.runner.signals import LINUX, gain_no_rights

# The same numbers on every architecture that has Landlock and Python's wheels.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
CREATE_VERSION, PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (
    1 << bit for bit in range(6)
)
MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM = (
    1 << bit for bit in range(6, 13)
)
REFER, TRUNCATE, IOCTL_DEV = (1 << bit for bit in range(13, 16))
# How many of the rights above each version handles, from version 1 on.
KNOWN_BITS = (13, 14, 15, 15, 16)
SCOPED_SINCE, SCOPES = 6, 0b11

READ = EXECUTE | READ_FILE | READ_DIR
# Plain files only: the runner reads them, and a link could lead it elsewhere.
NOTES = READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | REMOVE_FILE | MAKE_REG
WRITE = READ | NOTES | REMOVE_DIR | REFER | MAKE_DIR | MAKE_SOCK | MAKE_FIFO | MAKE_SYM
DEVICE = READ | WRITE_FILE | IOCTL_DEV
# The kernel refuses the others for a file.
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

_LIBC = ctypes.CDLL(None, use_errno=True) if LINUX else None


@cache
def version() -> int:
    """The kernel's version of Landlock; 0 where there is none, or it is forbidden."""
    if _LIBC is None:
        return 0
    found: int = _LIBC.syscall(CREATE_RULESET, None, 0, CREATE_VERSION)
    return max(0, found)


class Ruleset:
    """Rules for the process that enters them, and for all that it starts."""

    def __init__(self) -> None:
        """Raises OSError without Landlock."""
        known = version()
        self.handled = (1 << KNOWN_BITS[min(known, len(KNOWN_BITS)) - 1]) - 1
        attributes = struct.pack(
            "=QQQ", self.handled, 0, SCOPES if known >= SCOPED_SINCE else 0
        )
        # An older kernel refuses fields that it does not know.
        size = 24 if known >= SCOPED_SINCE else 8
        self._fd = _call(CREATE_RULESET, attributes, size, 0)

    def allow(self, path: str, rights: int) -> None:
        """Allow this for the path and all below it; nothing if it does not exist."""
        try:
            found = os.open(path, os.O_PATH | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return
        try:
            mode = os.fstat(found).st_mode
            if stat.S_ISLNK(mode):
                return
            given = rights & self.handled
            if not stat.S_ISDIR(mode):
                given &= FILE_RIGHTS
            rule = struct.pack("=Qi", given, found)
            _call(ADD_RULE, self._fd, PATH_BENEATH, rule, 0)
        finally:
            os.close(found)

    def enter(self) -> None:
        """Confine this process for good. Raises OSError."""
        gain_no_rights()
        _call(RESTRICT_SELF, self._fd, 0)

    def __enter__(self) -> Ruleset:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _call(*arguments: object) -> int:
    if _LIBC is None:
        raise OSError(errno.ENOSYS, "this system has no Landlock")
    result: int = _LIBC.syscall(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result
