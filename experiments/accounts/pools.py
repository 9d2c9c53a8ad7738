"""Pools: who may use them, and the credentials of their workers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models.functions import Now

from experiments.models import Event, Pool, User, WorkerToken
from experiments.tokens import Token

# Words that follow /pools/ in other addresses.
RESERVED_NAMES = frozenset({"new"})


def check_name(name: str) -> str:
    """The name of a new pool. Raises ValidationError."""
    if name in RESERVED_NAMES:
        raise ValidationError(f"{name!r} is reserved. Choose another name.")
    return name


@transaction.atomic
def save_pool(
    pool: Pool,
    columns: Mapping[str, Any],
    links: Mapping[str, Iterable[Any]],
    *,
    changed: Iterable[str],
    actor: User,
) -> Pool:
    """Store a new pool, or other settings. ``links``: its teams and runners."""
    is_new = pool.pk is None
    for name, value in columns.items():
        setattr(pool, name, value)
    if is_new:
        pool.save()
    elif columns:
        pool.save(update_fields=tuple(columns))
    for name, rows in links.items():
        getattr(pool, name).set(rows)
    words = ", ".join(changed) or "no changes"
    verb = "pool created" if is_new else "pool changed"
    Event.log(verb, f"{pool.name}: {words}", actor=actor)
    return pool


@transaction.atomic
def issue_credential(pool: Pool, *, actor: User) -> Token:
    """For the pool's workers. Its secret is shown only now."""
    token = WorkerToken.issue(pool, by=actor)
    Event.log("credential created", f"{pool.name} {token.prefix}…", actor=actor)
    return token


@transaction.atomic
def revoke_credential(token: WorkerToken, *, actor: User) -> None:
    """Workers that use it are refused from now on."""
    rows = WorkerToken.objects.filter(pk=token.pk, revoked_at=None)
    if rows.update(revoked_at=Now()):
        text = f"{token.pool.name} {token.prefix}…"
        Event.log("credential revoked", text, actor=actor)
