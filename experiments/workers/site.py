"""The site's routes for a worker, with its pool's credential."""

from __future__ import annotations

from typing import Any

from experiments.runner.http import Connection


class WorkerSite:
    """Raises SiteAway without an answer, StaleAttempt on 401, 403, 404 and 409, and
    Refused on other 4xx answers."""

    def __init__(self, url: str, token: str) -> None:
        self._connection = Connection(f"{url}/api/worker/v1", token)

    def hello(self, **facts: object) -> dict[str, Any]:
        """Sign on; the answer has the worker's id and its pool."""
        return self._connection.send_json("hello", facts)

    def beat(self, worker: int, **facts: object) -> dict[str, Any]:
        """Send a heartbeat; the answer says whether the host drains, and why."""
        return self._connection.send_json("beat", {"worker": worker, **facts})

    def drain(self, worker: int, *, reason: str, leaves: bool) -> dict[str, Any]:
        """Ask for no more trials; one that leaves: until it signs on again."""
        body = {"worker": worker, "reason": reason, "leaves": leaves}
        return self._connection.send_json("drain", body)

    def slot_stuck(self, worker: int, slot: int, *, message: str) -> None:
        """Report that processes of a trial in this slot cannot be killed."""
        body = {"worker": worker, "slot": slot, "message": message[:2_000]}
        self._connection.send_json("slots/stuck", body)

    def slot_idle(self, worker: int, slot: int) -> list[int]:
        """Report that nothing runs in the slot; returns the attempts that are lost."""
        body = {"worker": worker, "slot": slot}
        lost: list[int] = self._connection.send_json("slots/idle", body)["lost"]
        return lost

    def bye(self, worker: int) -> None:
        self._connection.send_json("bye", {"worker": worker})

    def claim(self, attempt: int, *, worker: int, slot: int) -> dict[str, Any]:
        body = {"worker": worker, "slot": slot}
        return self._connection.send_json(f"attempts/{attempt}/claim", body)
