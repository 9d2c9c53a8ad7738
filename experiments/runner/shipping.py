"""Sends an attempt's log file to the site, chunk by chunk."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

from experiments.runner.answers import Refused, SiteAway
from experiments.runner.site import Site

logger = logging.getLogger(__name__)

LARGEST_CHUNK = 256 * 1024


class LogShipper:
    """Numbers the chunks of one log; usable from two threads.

    A chunk keeps its bytes until the site has taken it: had it grown before a second
    try, the site could not tell what it has already.
    """

    def __init__(self, path: Path, site: Site) -> None:
        self.dropped = 0
        self._site = site
        self._fd = os.open(path, os.O_RDONLY)
        self._sequence = 0
        self._offset = 0
        self._chunk = b""
        self._guard = threading.Lock()

    def send_next(self) -> bool:
        """Send one chunk; False when there was nothing to send.

        Raises SiteError; the next call then sends the same chunk again.
        """
        with self._guard:
            self._chunk = self._chunk or os.pread(self._fd, LARGEST_CHUNK, self._offset)
            if not self._chunk:
                return False
            self._deliver(self._chunk)
            self._offset += len(self._chunk)
            self._chunk = b""
            return True

    def close(self) -> None:
        os.close(self._fd)

    def _deliver(self, chunk: bytes) -> None:
        try:
            following = self._site.send_log(self._sequence, chunk)
        except Refused as problem:
            logger.warning("%s bytes of output were refused: %s", len(chunk), problem)
            self.dropped += len(chunk)
            return
        if following <= self._sequence:
            raise SiteAway(f"the site expects log chunk {following} again")
        self._sequence = following
