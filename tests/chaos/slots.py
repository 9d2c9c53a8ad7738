"""Many worker slots at once, played by one process: heartbeats and reports by HTTP.

The trials are real rows, claimed and finished in the workers' own protocol; only the
training is missing. What is asked: does every beat come in time for its lease?
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.case import Case
from tests.chaos.installation import Installation
from tests.processes.running_site import sweep_document

SECONDS = 30.0
HEADERS = "X-Sweepsite-Protocol: 2\r\nContent-Type: application/json\r\n"
FILL = """
from experiments import lifecycle
from experiments.models import Sweep, Worker, Pool
from experiments.tokens import new_token
pool = Pool.objects.get()
sweep = Sweep.objects.get()
lifecycle.start_sweep(sweep)
for n in range({size}):
    worker, _ = Worker.objects.get_or_create(
        pool=pool, name=f"simulated-{{n % 10}}",
        defaults=dict(host="simulated", slots=100))
    trial = lifecycle.create_trial(sweep, number=n, params={{"x": 1}}, origin="random")
    claim = lifecycle.claim_attempt(
        trial.current_attempt_id, worker=worker, slot=n // 10)
    print("SLOT", trial.pk, claim.attempt.pk, claim.runner_token.secret,
          claim.trial_token.secret)
"""


@dataclass
class Tally:
    """Seconds that answers took, and what kinds of answers there were."""

    took: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    refused: dict[str, int] = field(default_factory=dict)

    def quantile(self, share: float) -> float:
        ordered = sorted(self.took) or [0.0]
        return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


class Slot:
    """One simulated slot: a beat a second and a report a second, on two connections
    that are kept open, as those of the runner and of the script."""

    def __init__(self, port: int, words: list[str], tally: Tally) -> None:
        _, self.trial, self.attempt, self.runner, self.script = words
        self.port, self.tally = port, tally

    async def live(self, until: float, offset: float) -> None:
        await asyncio.sleep(offset)
        await asyncio.gather(
            self._every_second(until, self._beat()), self._report(until)
        )

    def _beat(self) -> tuple[str, str, dict[str, Any]]:
        path = f"/api/worker/v1/attempts/{self.attempt}/heartbeat"
        return path, self.runner, {"elapsed": 1.0, "pid": 1}

    async def _report(self, until: float) -> None:
        path = f"/api/v1/trials/{self.trial}/metrics"
        point: dict[str, Any] = {"points": [{"name": "accuracy", "value": 0.5}]}
        await self._every_second(until, (path, self.script, point), steps=True)

    async def _every_second(
        self, until: float, call: tuple[str, str, dict[str, Any]], steps: bool = False
    ) -> None:
        path, token, body = call
        step = 0
        last = time.monotonic()
        streams = None
        while (now := time.monotonic()) < until:
            if steps:
                body["points"][0]["step"] = step
                step += 1
            try:
                if streams is None:
                    streams = await asyncio.open_connection("127.0.0.1", self.port)
                status = await _post(*streams, path, token, json.dumps(body).encode())
            except (OSError, asyncio.IncompleteReadError, ValueError, IndexError):
                status, streams = 0, None
            done = time.monotonic()
            self.tally.took.append(done - now)
            if status != 200:
                key = str(status)
                self.tally.refused[key] = self.tally.refused.get(key, 0) + 1
            elif not steps:
                self.tally.late.append(done - last)
                last = done
            await asyncio.sleep(max(0.0, now + 1.0 - time.monotonic()))


async def _post(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    path: str,
    token: str,
    body: bytes,
) -> int:
    writer.write(
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
        f"{HEADERS}Content-Length: {len(body)}\r\n\r\n".encode()
        + body
    )
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    length = next(
        int(x.split(":")[1]) for x in head if x[:15].lower() == "content-length:"
    )
    await reader.readexactly(length)
    return int(head[0].split()[1])


def slots(case: Case) -> list[str]:
    """``size`` slots that beat and report once a second; no beat later than a lease."""
    settings = {"SWEEPSITE_LEASE_SECONDS": "30"}
    with case.installed(hosts=0, schedulers=1, **settings) as site:
        words = _filled(site, case.size)
        tally = Tally()
        asyncio.run(_load(site.web_ports[0], words, tally))
        lost = site.database.rows(
            "SELECT COUNT(*) FROM experiments_attempt WHERE state = 'lost'"
        )[0][0]
        latest = round(max(tally.late, default=0.0), 1)
        case.figures.update(
            {
                "slots": case.size,
                "requests a second": round(len(tally.took) / SECONDS),
                "asked for a second": 2 * case.size,
                "p50": tally.quantile(0.5),
                "p99": tally.quantile(0.99),
                "longest between beats": latest,
                "not 200": tally.refused,
                "lost": lost,
            }
        )
        found = [f"{lost} attempts were lost"] if lost else []
        if latest > 30:
            found.append(f"a beat came {latest} s after the one before")
        return found


def _filled(site: Installation, size: int) -> list[list[str]]:
    limits = {"max_total_trials": size, "max_concurrent_trials": size}
    site.insist("POST", "/sweeps", sweep_document(limits=limits))
    # It would place trials of its own.
    site.keeper.hold("scheduler-0")
    said = site.manage("shell", "-c", FILL.format(size=size))
    site.keeper.release("scheduler-0")
    return [x.split() for x in said.splitlines() if x.startswith("SLOT")]


async def _load(port: int, words: list[list[str]], tally: Tally) -> None:
    until = time.monotonic() + SECONDS
    every = [Slot(port, line, tally) for line in words]
    await asyncio.gather(
        *(slot.live(until, n / len(every)) for n, slot in enumerate(every))
    )
