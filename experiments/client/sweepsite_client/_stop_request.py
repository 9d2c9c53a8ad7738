"""The request to stop, and what the runner learns of the script's response."""

from __future__ import annotations

import contextlib
import json
import os

MAX_REPORTS = 3  # after more of them since a stop request, the script is not stopping


class StopRequest:
    """From the site's replies, or from the runner in a file beside the spool."""

    def __init__(self, spool: str) -> None:
        names = ("stop", "seen", "client")
        self._note, self._seen, client = (f"{spool}.{n}" * bool(spool) for n in names)
        self._reason, self._reports = "", 0
        _write(client, "", "a")  # tells the runner that this script notices a request

    def reason(self) -> str:
        if not self._reason and os.path.exists(self._note):
            with contextlib.suppress(OSError, ValueError), open(self._note) as file:
                self.ask(str(json.load(file)["reason"]))
        return self._reason

    def ask(self, reason: str) -> None:
        """Note the request, and tell the runner, which then delays its SIGTERM."""
        if not self._reason:
            self._reason = reason
            _write(self._seen, reason)

    def count_report(self) -> None:
        """A script that continues to report is not stopping: SIGTERM may come."""
        self._reports += bool(self._reason)
        if self._reports == MAX_REPORTS:
            _write(self._seen, "\n")


def _write(path: str, text: str, mode: str = "w") -> None:  # "": there is no runner
    with contextlib.suppress(OSError), open(path, mode) as file:
        file.write(text)
