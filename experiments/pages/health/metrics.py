"""/metrics: the installation's state in Prometheus' text format 0.0.4.

It takes a bearer token: an admin's API token, or SWEEPSITE_METRICS_TOKEN, which opens
nothing else.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_safe

from experiments import access
from experiments.health.status import InstallationStatus, installation_status
from experiments.models import ApiToken
from experiments.tokens import same_digest, token_digest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
Labels = Mapping[str, str]
# A pool's name must not break its line.
LABEL_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})
HELP_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n"})


@dataclass
class Family:
    """One metric. ``samples``: pairs of labels and a value; None is left out."""

    name: str
    help: str
    kind: str = "gauge"
    samples: list[tuple[Labels, float]] = field(default_factory=list)

    def add(self, value: float | None, **labels: str) -> None:
        if value is not None:
            self.samples.append((labels, value))

    def lines(self) -> Sequence[str]:
        head = [
            f"# HELP {self.name} {self.help.translate(HELP_ESCAPES)}",
            f"# TYPE {self.name} {self.kind}",
        ]
        return head + [
            f"{self.name}{_labels(labels)} {_number(value)}"
            for labels, value in self.samples
        ]


def text_of(families: Iterable[Family]) -> str:
    """The whole answer, without families that have no samples."""
    lines = (line for family in families if family.samples for line in family.lines())
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Labels) -> str:
    pairs = (
        f'{name}="{text.translate(LABEL_ESCAPES)}"' for name, text in labels.items()
    )
    return f"{{{','.join(pairs)}}}" if labels else ""


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(value)


@require_safe
@login_not_required
def metrics(request: HttpRequest) -> HttpResponse:
    """The state of the installation, for those who may read it."""
    if not may_scrape(request):
        text = "Send an admin's API token, or SWEEPSITE_METRICS_TOKEN, as bearer.\n"
        answer = HttpResponse(text, status=401, content_type="text/plain")
        answer["WWW-Authenticate"] = "Bearer"
        return answer
    return HttpResponse(
        text_of(families(installation_status())), content_type=CONTENT_TYPE
    )


def may_scrape(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        return False
    own = settings.METRICS_TOKEN
    if own and same_digest(token, token_digest(own)):
        return True
    known = ApiToken.use(token, address=access.address_of(request))
    return known is not None and access.sees_everything(known.user)


def families(found: InstallationStatus) -> Iterator[Family]:
    yield from _pool_families(found)
    yield from _trial_families(found)
    yield from _queue_families(found)
    yield from _disk_families(found)
    build = Family("sweepsite_build_info", "The versions that the site runs; always 1.")
    build.add(
        1,
        version=settings.VERSION,
        python=platform.python_version(),
        database=f"{found.database.name} {found.database.version}",
    )
    yield build


def _pool_families(found: InstallationStatus) -> Iterator[Family]:
    metrics = (
        ("sweepsite_hosts", "Hosts with a recent heartbeat.", "hosts"),
        ("sweepsite_slots", "Slots of live hosts.", "slots"),
        ("sweepsite_slots_busy", "Slots that run a trial.", "busy"),
        ("sweepsite_slots_free", "Slots that are free now.", "free"),
        ("sweepsite_attempts_queued", "Queued attempts.", "queued"),
        ("sweepsite_attempts_waiting", "Queued attempts of running sweeps.", "waiting"),
        ("sweepsite_attempts_running", "Running attempts.", "running"),
        ("sweepsite_attempts_overdue", "Running attempts past their lease.", "overdue"),
    )
    for name, help_text, column in metrics:
        family = Family(name, help_text)
        for pool in found.work.pools:
            family.add(getattr(pool, column), pool=pool.name)
        yield family


def _trial_families(found: InstallationStatus) -> Iterator[Family]:
    work = found.work
    sweeps = Family("sweepsite_sweeps", "Sweeps by state.")
    for state, n in work.sweeps.items():
        sweeps.add(n, state=state)
    ended = Family("sweepsite_trials_ended_total", "Trials ended.", "counter")
    for state, n in work.ended.items():
        ended.add(n, state=state)
    lost = Family("sweepsite_attempts_lost_total", "Attempts lost.", "counter")
    for loss in work.losses:
        lost.add(loss.total, reason=loss.reason)
    if not work.losses:
        lost.add(0, reason="silent")
    oldest = Family("sweepsite_oldest_waiting_seconds", "Longest wait for a slot.")
    oldest.add(work.oldest_seconds)
    yield from (sweeps, ended, lost, oldest)


def _queue_families(found: InstallationStatus) -> Iterator[Family]:
    age = Family(
        "sweepsite_scheduler_heartbeat_age_seconds",
        "Seconds since a scheduler's last round; no sample before the first.",
    )
    age.add(found.work.heartbeat_age)
    up = Family("sweepsite_queue_up", "1 if the queue answers, else 0.")
    up.add(0 if found.queue is None else 1)
    depth = Family("sweepsite_queue_depth", "Jobs waiting in a pool's queue.")
    memory = Family("sweepsite_queue_memory_bytes", "Memory used by the queue.")
    if found.queue is not None:
        for pool, n in found.queue.depths.items():
            depth.add(n, pool=pool)
        memory.add(found.queue.memory)
    yield from (age, up, depth, memory)


def _disk_families(found: InstallationStatus) -> Iterator[Family]:
    for name, help_text, value in (
        ("disk_free_bytes", "Bytes free on the data folder's disk.", found.disk.free),
        ("disk_total_bytes", "Bytes of the data folder's disk.", found.disk.total),
        ("database_bytes", "Bytes of the database.", found.database.size),
        (
            "database_wal_bytes",
            "Write-ahead log, bytes (SQLite).",
            found.database.wal,
        ),
        (
            "database_connections",
            "Open (PostgreSQL).",
            found.database.connections,
        ),
    ):
        family = Family(f"sweepsite_{name}", help_text)
        family.add(value)
        yield family


urlpatterns = [path("metrics", metrics, name="metrics")]
