"""Pools, their hosts, and the credentials of their workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from django.core.exceptions import ValidationError as FieldError
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field, PlainSerializer

from experiments import access, lifecycle
from experiments.accounts.pools import (
    check_name,
    issue_credential,
    revoke_credential,
    save_pool,
)
from experiments.api.auth import administrator, reader
from experiments.api.errors import (
    WITHOUT_NUL,
    ApiError,
    ClosedSchema,
    check_seen,
    invalid,
    refused_field,
    refused_twice,
)
from experiments.api.idempotency import idempotent
from experiments.api.pagination import paginate
from experiments.api.schemas import answers
from experiments.code.folders import FoldersField
from experiments.db.clock import database_now
from experiments.models import Pool, Team, User, Worker, WorkerToken
from experiments.models.trials import AttemptState
from experiments.models.workers import SILENT_AFTER
from experiments.sweeps.control import NotPossible

router = Router(tags=["pools"])
MAX_NAMES, MAX_REASON = 1_000, 200
Name = Annotated[str, Field(min_length=1, max_length=150, pattern=WITHOUT_NUL)]
# A number in JSON.
Price = Annotated[Decimal, PlainSerializer(float, return_type=float)]
Names = Annotated[list[Name], Field(max_length=MAX_NAMES)]
LINKS: Mapping[str, tuple[Any, str]] = {
    "teams": (Team, "slug"),
    "runners": (User, "username"),
}


class PoolChangeIn(ClosedSchema):
    teams: Annotated[Names | None, Field(description="slugs of those that use it")] = (
        None
    )
    runners: Annotated[
        Names | None,
        Field(description="user names of who may run commands; empty: all members"),
    ] = None
    price_per_hour: Annotated[
        Decimal | None,
        Field(ge=0, max_digits=10, decimal_places=4, description="of one slot"),
    ] = None
    python: Annotated[str | None, Field(max_length=300, pattern=WITHOUT_NUL)] = None
    folders: Annotated[
        list[Annotated[str, Field(max_length=1_000, pattern=WITHOUT_NUL)]] | None,
        Field(max_length=50, description="on its hosts, whose code sweeps may run"),
    ] = None


class PoolIn(PoolChangeIn):
    name: Annotated[
        str,
        Field(
            max_length=60,
            pattern=r"^[-a-zA-Z0-9_]+$",
            description="cannot be changed: its workers listen to a queue of that name",
        ),
    ]


class PoolOut(Schema):
    name: str
    teams: Annotated[list[str], Field(description="slugs; of those that you see")]
    may_run: Annotated[bool, Field(description="whether you may run commands on it")]
    price_per_hour: Price | None
    python: Annotated[str, Field(description="of its trials; empty: the worker's own")]
    folders: list[str]
    hosts: Annotated[int, Field(description="that respond and are not draining")]


def _rows(request: HttpRequest, page: Iterable[Pool]) -> list[PoolOut]:
    user = reader(request)
    seen = set(access.teams_for(user).values_list("pk", flat=True))
    pks = [pool.pk for pool in page]
    allowed = access.runnable(Pool.objects.filter(pk__in=pks), user)
    runnable = set(allowed.values_list("pk", flat=True))
    alive = Worker.objects.alive().filter(pool__in=pks, draining_since=None)
    hosts = dict(alive.values("pool").annotate(n=Count("pk")).values_list("pool", "n"))
    return [
        PoolOut(
            name=pool.name,
            teams=[team.slug for team in pool.teams.all() if team.pk in seen],
            may_run=pool.pk in runnable,
            price_per_hour=pool.price_per_hour,
            python=pool.python,
            folders=pool.folders,
            hosts=hosts.get(pool.pk, 0),
        )
        for pool in page
    ]


def _readable(request: HttpRequest, name: str) -> Pool:
    return access.found_or_404(access.pools_for(reader(request)), name=name)


def _of_admin(request: HttpRequest, name: str) -> tuple[Pool, User]:
    actor = administrator(request)
    return access.found_or_404(Pool.objects.all(), name=name), actor


@router.get("/pools", response=answers(200, list[PoolOut]))
@paginate(rows_for=_rows)
def list_pools(request: HttpRequest) -> QuerySet[Pool]:
    """The pools that your teams may use."""
    pools = access.pools_for(reader(request))
    return pools.prefetch_related("teams").order_by("name")


@router.get("/pools/{name}", response=answers(200, PoolOut))
def get_pool(request: HttpRequest, name: str) -> PoolOut:
    return _rows(request, [_readable(request, name)])[0]


@router.post("/pools", response=answers(201, PoolOut))
@idempotent
def add_pool(request: HttpRequest, body: PoolIn) -> Status[PoolOut]:
    """Create a pool, as an administrator of the site."""
    actor = administrator(request)
    try:
        pool = Pool(name=check_name(body.name))
    except FieldError as error:
        raise refused_field(error, "name") from error
    taken = ApiError(409, "name_taken", f"A pool named {body.name} already exists.")
    with refused_twice(Pool.objects.filter(name=body.name), taken):
        return Status(201, _saved(request, pool, body, actor))


@router.patch("/pools/{name}", response=answers(200, PoolOut))
def change_pool(request: HttpRequest, name: str, body: PoolChangeIn) -> PoolOut:
    """Change its settings, as an administrator of the site. Other fields stay."""
    pool, actor = _of_admin(request, name)
    return _saved(request, pool, body, actor)


def _saved(
    request: HttpRequest, pool: Pool, body: PoolChangeIn, actor: User
) -> PoolOut:
    given = body.dict(exclude_unset=True, exclude={"name"})
    links = {name: _named(name, given.pop(name)) for name in LINKS if name in given}
    if given.get("folders") is not None:
        given["folders"] = _folders(given["folders"])
    check_seen("python", given.get("python") or "")
    # Null clears what may be empty.
    empty = {"python": "", "folders": []}
    columns = {n: empty.get(n) if v is None else v for n, v in given.items()}
    save_pool(pool, columns, links, changed=[*links, *columns], actor=actor)
    return _rows(request, [pool])[0]


def _named(field: str, names: list[str] | None) -> list[Any]:
    model, key = LINKS[field]
    wanted = set(names or ())
    rows = list(model.objects.filter(**{f"{key}__in": wanted}))
    if missing := sorted(wanted - {getattr(row, key) for row in rows}):
        words = f"There is no {model._meta.verbose_name} {missing[0]!r}."
        raise invalid(field, words)
    return rows


def _folders(folders: list[str]) -> list[str]:
    try:
        found: list[str] = FoldersField(required=False).clean("\n".join(folders))
    except FieldError as error:
        raise refused_field(error, "folders") from error
    return found


# --- credentials --------------------------------------------------------------------


class CredentialOut(Schema):
    id: int
    prefix: Annotated[str, Field(description="the first characters of the secret")]
    created_by: str | None
    created_at: datetime
    last_used_at: datetime | None

    @classmethod
    def of(cls, token: WorkerToken) -> CredentialOut:
        same = ("prefix", "created_at", "last_used_at")
        by = token.created_by.username if token.created_by else None
        fields = {name: getattr(token, name) for name in same}
        return cls(id=token.pk, created_by=by, **fields)


class NewCredentialOut(CredentialOut):
    secret: Annotated[str, Field(description="only in this answer")]


def _credential_rows(page: list[WorkerToken]) -> list[CredentialOut]:
    return [CredentialOut.of(token) for token in page]


@router.get("/pools/{name}/credentials", response=answers(200, list[CredentialOut]))
@paginate(rows=_credential_rows)
def list_credentials(request: HttpRequest, name: str) -> QuerySet[WorkerToken]:
    """The credentials of the pool's workers that are valid, the newest first."""
    pool, _ = _of_admin(request, name)
    valid = pool.tokens.filter(revoked_at=None)
    return valid.select_related("created_by").order_by("-id")


@router.post("/pools/{name}/credentials", response=answers(201, NewCredentialOut))
@idempotent
def add_credential(request: HttpRequest, name: str) -> Status[NewCredentialOut]:
    """A credential for workers: their SWEEPSITE_WORKER_TOKEN."""
    pool, actor = _of_admin(request, name)
    secret = issue_credential(pool, actor=actor)
    row = pool.tokens.select_related("created_by").get(digest=secret.digest)
    fields = CredentialOut.of(row).dict()
    return Status(201, NewCredentialOut(**fields, secret=secret.secret))


@router.delete("/pools/{name}/credentials/{credential_id}", response=answers(204, None))
def remove_credential(
    request: HttpRequest, name: str, credential_id: int
) -> Status[None]:
    """Revoke a credential. Workers that use it are refused from now on."""
    pool, actor = _of_admin(request, name)
    valid = pool.tokens.filter(revoked_at=None).select_related("pool")
    revoke_credential(access.found_or_404(valid, pk=credential_id), actor=actor)
    return Status(204, None)


# --- hosts --------------------------------------------------------------------------


class HostOut(Schema):
    id: int
    name: str
    host: str
    slots: int
    gpus: Annotated[list[dict[str, Any]], Field(description="index and name of each")]
    gpus_per_slot: int
    running: Annotated[int, Field(description="trials")]
    silent: Annotated[bool, Field(description="no heartbeat for a while")]
    draining_since: datetime | None
    drain_cause: Annotated[
        str, Field(description="person, host, failures, disk_full or leaving")
    ]
    drain_reason: str
    version: str
    python: str
    facts: Annotated[dict[str, Any], Field(description="cores, memory, free disk")]
    started_at: datetime
    seen_at: datetime


def _host_rows(page: Iterable[Worker]) -> list[HostOut]:
    now, same = database_now(), set(HostOut.model_fields) - {"silent"}
    return [
        HostOut(
            silent=worker.seen_at < now - SILENT_AFTER,
            **{name: getattr(worker, name) for name in same},
        )
        for worker in page
    ]


def _hosts(pool: Pool) -> QuerySet[Worker]:
    running = Count("attempts", filter=Q(attempts__state=AttemptState.RUNNING))
    return pool.workers.filter(stopped_at=None).annotate(running=running)


@router.get("/pools/{name}/hosts", response=answers(200, list[HostOut]))
@paginate(rows=_host_rows)
def list_hosts(request: HttpRequest, name: str) -> QuerySet[Worker]:
    """The pool's hosts, those that are silent or draining included."""
    return _hosts(_readable(request, name)).order_by("id")


def _host(request: HttpRequest, name: str, host_id: int) -> tuple[Worker, User]:
    pool, actor = _of_admin(request, name)
    return access.found_or_404(_hosts(pool), pk=host_id), actor


def _host_out(worker: Worker) -> HostOut:
    return _host_rows([_hosts(worker.pool).get(pk=worker.pk)])[0]


class HostDrainIn(ClosedSchema):
    reason: Annotated[
        str,
        Field(
            max_length=MAX_REASON,
            pattern=WITHOUT_NUL,
            description="for everybody who sees the pool",
        ),
    ] = ""


@router.post("/pools/{name}/hosts/{host_id}/drain", response=answers(200, HostOut))
def drain(
    request: HttpRequest, name: str, host_id: int, body: HostDrainIn | None = None
) -> HostOut:
    """Give the host no new trials; running ones continue to their end. Idempotent."""
    worker, actor = _host(request, name, host_id)
    reason = (body or HostDrainIn()).reason.strip()
    check_seen("reason", reason, in_line=False)
    lifecycle.drain_worker(
        worker, reason=lifecycle.drain_words(reason, actor), actor=actor
    )
    return _host_out(worker)


@router.post("/pools/{name}/hosts/{host_id}/undrain", response=answers(200, HostOut))
def undrain(request: HttpRequest, name: str, host_id: int) -> HostOut:
    """Give the host trials again. Idempotent."""
    worker, actor = _host(request, name, host_id)
    lifecycle.undrain_worker(worker, actor=actor)
    return _host_out(worker)


@router.delete("/pools/{name}/hosts/{host_id}", response=answers(204, None))
def forget(request: HttpRequest, name: str, host_id: int) -> Status[None]:
    """Remove a silent host from the list. It comes back when its worker responds."""
    worker, actor = _host(request, name, host_id)
    if not lifecycle.forget_worker(worker, actor=actor):
        raise NotPossible(
            f"{worker.name} was not forgotten: it responds. Drain it, or stop its"
            " worker."
        )
    return Status(204, None)
