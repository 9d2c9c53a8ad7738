"""What a first start makes: an admin, a team, a pool and its workers' credential."""

from __future__ import annotations

import os
import secrets

from django.db import transaction

from experiments.models import Membership, Pool, Team, User, WorkerToken
from experiments.tokens import token_digest

ADMIN = "admin"


def ensure_admin() -> str | None:
    """Make the first admin, with a team and a pool; returns a new admin's password."""
    if User.objects.exists():
        return None
    password = os.environ.get("SWEEPSITE_ADMIN_PASSWORD") or secrets.token_urlsafe(12)
    with transaction.atomic():
        admin = User.objects.create_superuser(ADMIN, password=password)
        team, _ = Team.objects.get_or_create(
            slug="default", defaults={"name": "Default"}
        )
        Membership.objects.get_or_create(
            team=team, user=admin, defaults={"role": Membership.Role.ADMIN}
        )
        pool, _ = Pool.objects.get_or_create(name="default")
        pool.teams.add(team)
    return password


def keep_embedded_token(secret: str) -> None:
    """Store the credential of ``up``'s workers, which is a new one at each start."""
    pool, _ = Pool.objects.get_or_create(name="default")
    WorkerToken.objects.filter(pool=pool, prefix="embedded").delete()
    digest = token_digest(secret)
    WorkerToken.objects.create(pool=pool, prefix="embedded", digest=digest)
