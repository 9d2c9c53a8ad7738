"""The background jobs of cleanup that wait or run now."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.formatting import share_text
from experiments.queues import site_jobs
from experiments.queues.site_jobs import SiteJob

TITLES = {
    "measure": "Measuring the space",
    "orphans": "Removing orphans",
    "move": "Moving to or from the trash",
    "rules": "Running the rules",
    "purge": "Emptying the trash",
}
# Jobs that another one may wait for.
WAITED_FOR = {
    site_jobs.SIMULATE: "a simulation",
    site_jobs.PURGE: "the trash to be emptied",
    site_jobs.MOVE: "a move to the trash",
    site_jobs.RUN_RULES: "the rules",
    site_jobs.MEASURE: "a measurement",
    site_jobs.REMOVE_ORPHANS: "orphans to be removed",
    site_jobs.COMPACT: "metrics to be compacted",
}


@dataclass(frozen=True)
class CleanupJob:
    """``name`` is the id of the job; ``waits`` says for what, before it runs."""

    name: str
    title: str
    progress: SiteJob
    waits: str

    @property
    def words(self) -> str:
        if self.progress.words or (self.waits and not self.progress.done):
            return self.progress.words or self.waits
        return share_text(self.progress.done)


def running_jobs() -> list[CleanupJob]:
    """Empty if the queue does not answer."""
    progress = ((name, site_jobs.running(name)) for name in TITLES)
    if not (found := [(name, job) for name, job in progress if job]):
        return []
    now, function = site_jobs.started_job() or ("", "")
    waits = f"waits for {WAITED_FOR.get(function, 'its turn')}"
    return [
        CleanupJob(name, TITLES[name], job, "" if name == now else waits)
        for name, job in found
    ]
