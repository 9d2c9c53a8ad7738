"""What ``token`` and ``worker-token`` share: the list of valid ones, and revoking."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet
from django.db.models.functions import Now

from experiments.models import ApiToken, Event, WorkerToken


def add_list_and_revoke(actions: Any) -> None:
    actions.add_parser("list", help="list the valid ones by their numbers")
    revoke = actions.add_parser("revoke", help="revoke one")
    revoke.add_argument("number", type=int, help="its number in the list")


def run_on_tokens(
    tokens: QuerySet[ApiToken] | QuerySet[WorkerToken], options: Mapping[str, Any]
) -> str:
    """Do it; returns what to print."""
    valid = tokens.filter(revoked_at=None)
    if options["action"] == "list":
        return "\n".join(map(_line, valid.order_by("pk"))) or "There is none."
    token = valid.filter(pk=options["number"]).first()
    if token is None:
        raise CommandError(f"No valid token has the number {options['number']}.")
    valid.filter(pk=token.pk).update(revoked_at=Now())
    Event.log("token revoked", str(token))
    return f"Revoked {token}."


def _line(token: ApiToken | WorkerToken) -> str:
    owner = token.user if isinstance(token, ApiToken) else token.pool
    used = token.last_used_at
    last = f"last used {used:%Y-%m-%d %H:%M} UTC" if used else "never used"
    line = f"{token.pk:>6}  {owner}  {token.prefix}…  {last}"
    if isinstance(token, WorkerToken):
        return line
    ends = token.expires_at
    if ends is None:
        return f"{line}  never ends"
    return f"{line}  {'ended' if token.has_expired else 'ends'} {ends:%Y-%m-%d}"
