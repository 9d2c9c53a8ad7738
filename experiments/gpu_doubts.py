"""Whether any host of a pool could run trials that ask for so many GPUs."""

from __future__ import annotations

from experiments.models import Pool, Worker
from experiments.search.figures import counted
from experiments.search.problems import Problem

FIELD = "resources.gpus"


def gpu_doubts(pool: Pool | None, gpus: object) -> list[Problem]:
    """A warning where no worker that is there now has enough GPUs: a sweep may be
    started before its hosts. Nothing where `gpus` is no number of them."""
    if pool is None or type(gpus) is not int or gpus < 1:
        return []
    hosts = list(Worker.objects.alive().filter(pool=pool).order_by("name"))
    if any(host.slots_for(gpus) is not None for host in hosts):
        return []
    best = max(hosts, key=lambda host: len(host.gpus), default=None)
    if best is None:
        there = f"no worker of pool {pool.name} runs"
    else:
        there = f"in pool {pool.name}, host {best.name} has the most: {len(best.gpus)}"
    text = f"Each trial needs {counted(gpus, 'GPU')} on one host, but {there}."
    return [Problem(FIELD, f"{text} Its trials wait until a host has them.")]
