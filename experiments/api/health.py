"""The state of the installation, for administrators of the site."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from experiments.api.auth import administrator
from experiments.api.schemas import answers
from experiments.health.checks import health_issues
from experiments.health.status import InstallationStatus, installation_status, versions

router = Router(tags=["site"])


class IssueOut(Schema):
    critical: Annotated[
        bool, Field(description="work has stopped, or data may be lost")
    ]
    title: str
    text: str
    todo: Annotated[str, Field(description="what to do about it")]


class PoolWorkOut(Schema):
    name: str
    hosts: Annotated[int, Field(description="that respond")]
    slots: int
    busy: int
    free: Annotated[int, Field(description="of hosts that are not draining")]
    queued: int
    waiting: Annotated[int, Field(description="queued trials of running sweeps")]
    running: int
    overdue: Annotated[int, Field(description="running trials past the lease")]


class LossOut(Schema):
    reason: str
    total: int
    day: Annotated[int, Field(description="in the last 24 hours")]
    hour: Annotated[int, Field(description="in the last hour")]


class QueueOut(Schema):
    memory: Annotated[int, Field(description="bytes in use")]
    limit: Annotated[int, Field(description="bytes; 0: no limit")]
    policy: Annotated[str, Field(description="what it does when its memory is full")]


class DiskOut(Schema):
    holds: Annotated[str, Field(description="what is on it")]
    free: Annotated[int, Field(description="bytes")]
    total: Annotated[int, Field(description="bytes")]


class HealthOut(Schema):
    """Measured now."""

    issues: Annotated[list[IssueOut], Field(description="the worst first")]
    sweeps: Annotated[dict[str, int], Field(description="how many, by state")]
    ended: Annotated[dict[str, int], Field(description="trials that ended, by state")]
    pools: list[PoolWorkOut]
    losses: Annotated[list[LossOut], Field(description="lost attempts, by reason")]
    scheduler_seen_at: Annotated[
        datetime | None, Field(description="its last round; null: none ever")
    ]
    queue: Annotated[QueueOut | None, Field(description="null: it does not answer")]
    disk: Annotated[DiskOut, Field(description="the fullest one")]
    versions: dict[str, str]

    @classmethod
    def of(cls, found: InstallationStatus) -> HealthOut:
        work = found.work
        return cls(
            issues=[IssueOut.from_orm(each) for each in health_issues(found)],
            sweeps=dict(work.sweeps),
            ended=dict(work.ended),
            pools=[PoolWorkOut.from_orm(each) for each in work.pools],
            losses=[LossOut.from_orm(each) for each in work.losses],
            scheduler_seen_at=work.last_heartbeat,
            queue=QueueOut.from_orm(found.queue) if found.queue else None,
            disk=DiskOut.from_orm(found.disk),
            versions=dict(versions()),
        )


@router.get("/health", response=answers(200, HealthOut))
def health(request: HttpRequest) -> HealthOut:
    """What is wrong with the installation and what to do about it, and how busy it is.

    `/healthz` and `/metrics` are for programs that watch it.
    """
    administrator(request)
    return HealthOut.of(installation_status())
