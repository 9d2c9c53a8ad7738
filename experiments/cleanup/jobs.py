"""The background jobs of cleanup that wait or run now."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.queues import site_jobs
from experiments.queues.site_jobs import SiteJob

TITLES = {
    "measure": "Measuring the space",
    "orphans": "Removing orphans",
    "rules": "Running the rules",
    "purge": "Emptying the trash",
}


@dataclass(frozen=True)
class CleanupJob:
    """``name`` is the id of the job."""

    name: str
    title: str
    progress: SiteJob


def running_jobs() -> list[CleanupJob]:
    """Empty if the queue does not answer."""
    found = ((name, site_jobs.running(name)) for name in TITLES)
    return [CleanupJob(name, TITLES[name], job) for name, job in found if job]
