"""What one report costs in a large sweep: ``python -m tests.benchmarks.judging``.

Builds a sweep in a throw-away database, then reports to its running trials over HTTP,
under each policy in turn. For the full size add ``--trials 10000 --reports 1000``, for
PostgreSQL start it by ``python -m tests.postgres python -m tests.benchmarks.judging``.
Each takes about a minute on two idle cores.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
POLICIES: tuple[dict[str, Any] | None, ...] = (
    None,
    {"type": "median_stopping"},
    {"type": "bandit", "slack_factor": 0.5},
    {"type": "truncation_selection", "truncation_percentage": 20},
    {
        "type": "truncation_selection",
        "truncation_percentage": 20,
        "exclude_finished_jobs": True,
    },
)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1_000)
    parser.add_argument("--reports", type=int, default=100)
    parser.add_argument("--live", type=int, default=100, help="trials that run")
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument(
        "--policy",
        type=json.loads,
        action="append",
        help="a policy as JSON, any number of times; else a choice of them",
    )
    return parser.parse_args()


def main() -> None:
    import django

    django.setup()
    logging.disable(logging.WARNING)
    from django.core.management import call_command
    from django.db import connection

    from tests.benchmarks.large_sweep import large_sweep

    wanted = arguments()
    # A request would close a connection that has become old meanwhile.
    connection.settings_dict["CONN_MAX_AGE"] = None
    call_command("migrate", verbosity=0)
    started = time.perf_counter()
    large = large_sweep(wanted.trials, wanted.reports, live=wanted.live)
    print(
        f"{connection.vendor}: {wanted.trials:,} trials x {wanted.reports:,} reports"
        f" stored in {time.perf_counter() - started:.0f} s"
    )
    policies = wanted.policy or [*POLICIES, *other_policies()]
    for policy, measure in zip(
        policies, measured(large, policies, rounds=wanted.requests), strict=True
    ):
        print(
            f"  by the clock {in_words(measure.clock)}; of CPU {in_words(measure.cpu)};"
            f" {measure.queries} queries: {json.dumps(policy)}",
            flush=True,
        )


def in_words(seconds: Sequence[float]) -> str:
    ordered = sorted(seconds)
    least, median, high, most = (
        ordered[int(share * (len(ordered) - 1))] * 1e3 for share in (0, 0.5, 0.95, 1)
    )
    return (
        f"least {least:4.1f} ms, median {median:4.1f}, p95 {high:5.1f}, most {most:.0f}"
    )


@dataclass
class Measure:
    """Seconds of each request by the clock and of CPU, and the queries of one."""

    clock: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    queries: int = 0


def other_policies() -> Iterator[dict[str, Any]]:
    """Those kinds that need no settings, beside the ones that are named above."""
    from experiments.search import termination
    from experiments.search.fields import DefinitionError
    from experiments.search.records import Objective
    from experiments.search.termination import make_policy

    named = {policy["type"] for policy in POLICIES if policy}
    for kind in sorted(termination.POLICIES.keys() - named):
        try:
            make_policy({"type": kind}, Objective("accuracy", "maximize"))
        except DefinitionError:
            continue
        yield {"type": kind}


def measured(
    large: Any, policies: Sequence[Mapping[str, Any] | None], *, rounds: int
) -> list[Measure]:
    """Each policy in turn, round by round: all meet the same load of the machine. First
    without a policy, as memories do not know those reports."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from tests.site_client import SiteClient

    client, live = SiteClient(), cycle(large.live)
    measures = [Measure() for _ in policies]
    pairs = list(zip(policies, measures, strict=True))
    without = [pair for pair in pairs if pair[0] is None]
    turns = [*[without] * (rounds + 2), *[[p for p in pairs if p[0]]] * (rounds + 2)]
    for turn, some in enumerate(turns):
        number = turn % (rounds + 2) - 1
        for policy, measure in some:
            prepare(large, policy)
            if number == rounds:
                with CaptureQueriesContext(connection) as queries:
                    report(client, next(live))
                    measure.queries = len(queries)
                continue
            clock, cpu = report(client, next(live))
            # The first round also loads the code that answers it.
            if number >= 0:
                measure.clock.append(clock)
                measure.cpu.append(cpu)
    return measures


def prepare(large: Any, policy: Mapping[str, Any] | None) -> None:
    """Judge by this policy, as if no trial had been ended before."""
    from experiments.models import Sweep, Trial

    Sweep.objects.filter(pk=large.sweep.pk).update(early_termination=policy)
    running = Trial.objects.filter(sweep=large.sweep, state="running")
    running.exclude(stop_reason="").update(stop_reason="", stop_message="")


def report(client: Any, live: Any) -> tuple[float, float]:
    """Report once; the seconds that it took, and those of CPU."""
    live.trial.refresh_from_db(fields=["reports"])
    point = {"name": "accuracy", "step": live.trial.reports, "value": 0.93}
    before, used = time.perf_counter(), cpu_seconds()
    answer = client.post(
        f"/api/v1/trials/{live.trial.pk}/metrics",
        {"points": [point]},
        content_type="application/json",
        headers={"Authorization": f"Bearer {live.token.secret}"},
    )
    took = time.perf_counter() - before, cpu_seconds() - used
    if answer.status_code != 200:
        raise RuntimeError(f"{answer.status_code}: {answer.content[:300]!r}")
    return took


def cpu_seconds() -> float:
    """Of this process and of its database server: what a busy machine leaves alone."""
    from django.db import connection

    used = time.process_time()
    if connection.vendor == "postgresql":
        server = connection.connection.info.backend_pid
        used += int(Path(f"/proc/{server}/schedstat").read_text().split()[0]) / 1e9
    return used


if __name__ == "__main__":
    main()
