"""Files that a script writes while they are read: each byte is read once."""

from __future__ import annotations

import os
import time
from pathlib import Path

from experiments.runner.folder import open_unlinked

# So much of a file is read at once, so that the runner keeps to its other work.
MAX_READ = 256 * 1024
# A change in here means that the file was written anew.
HEAD = 200
MAX_FILES = 200
MAX_ENTRIES = 20_000
POLL_SECONDS, MAX_POLL_SECONDS = 1.0, 5.0
# A pause is this many times as long as the look before it.
PAUSE_SHARE = 20


class GrowingFile:
    """Reads what a file below `top` has got; links are not followed.

    A file that was written anew is read from its start; `restarts` counts that.
    """

    def __init__(self, path: Path, *, top: Path) -> None:
        self.path = path
        self.offset = 0
        self._top = top
        self.restarts = 0
        self._size = 0
        self._head = b""
        self._data = b""
        self._at = 0

    def refill(self, size: int = MAX_READ) -> bool:
        """Read the next part; False if there is nothing new."""
        waiting = self._data[self._at :]
        try:
            with open_unlinked(self.path, top=self._top) as file:
                length = os.fstat(file.fileno()).st_size
                head = file.read(HEAD)
                if length < self._size or not head.startswith(self._head):
                    self.offset, waiting = 0, b""
                    self.restarts += 1
                self._size, self._head = length, head
                file.seek(self.offset + len(waiting))
                new = file.read(size)
        except (OSError, ValueError):
            return False
        self._data, self._at = waiting + new, 0
        return bool(new)

    @property
    def unread(self) -> int:
        """Bytes that the file had when it was last read, and that are still to come."""
        return max(0, self._size - self.offset)

    def peek(self, count: int) -> bytes:
        """The next bytes, as far as they have been read."""
        return self._data[self._at : self._at + count]

    def skip(self, count: int) -> None:
        """Move ahead, also to where the file is not long enough yet."""
        self.offset += count
        self._at = min(self._at + count, len(self._data))

    def take(self) -> bytes:
        """Everything that has been read."""
        data = self._data[self._at :]
        self.skip(len(data))
        return data


class Poll:
    """When to look again: every second, and less often while nothing is new or where a
    look takes long."""

    def __init__(self) -> None:
        self._pause = POLL_SECONDS
        self.at = time.monotonic() + POLL_SECONDS

    def note_look(self, *, started: float, is_new: bool) -> None:
        ended = time.monotonic()
        self._pause = min(2 * self._pause, MAX_POLL_SECONDS)
        if is_new:
            self._pause = POLL_SECONDS
        self.at = ended + max(self._pause, PAUSE_SHARE * (ended - started))


def files_below(top: Path, mark: str) -> list[Path]:
    """The files below a folder with this text in their names, links left out."""
    found: list[Path] = []
    entries = 0
    for folder, folders, files in os.walk(top):
        folders.sort()
        found += [Path(folder, name) for name in sorted(files) if mark in name]
        entries += len(files) + len(folders)
        if entries > MAX_ENTRIES or len(found) > MAX_FILES:
            break
    return found[:MAX_FILES]
