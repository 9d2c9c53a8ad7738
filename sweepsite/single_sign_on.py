"""Login by an OpenID Connect provider, read from the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

ROLES = ("viewer", "member", "admin")
# In the place of a team: administrators of the site.
SITE = "*"
LOCAL = {"localhost", "127.0.0.1", "::1"}
ENTRY = re.compile(r"(?P<group>[^=]+)=(?P<team>\*|[\w-]+)(?::(?P<role>\w+))?")


@dataclass(frozen=True)
class GroupRule:
    """People of the provider's group have this role in the team of that slug."""

    group: str
    team: str
    role: str


@dataclass(frozen=True)
class SingleSignOn:
    """Without a URL, nobody logs in by a provider."""

    url: str = ""
    name: str = "single sign-on"
    client_id: str = ""
    secret: str = field(default="", repr=False)
    scopes: Sequence[str] = ("openid", "profile", "email")
    groups_claim: str = "groups"
    rules: Sequence[GroupRule] = ()

    @property
    def providers(self) -> dict[str, Any]:
        """For django-allauth."""
        if not self.url:
            return {}
        app = {
            "provider_id": "sso",
            "name": self.name,
            "client_id": self.client_id,
            "secret": self.secret,
            "settings": {"server_url": self.url, "oauth_pkce_enabled": True},
        }
        return {"openid_connect": {"APPS": [app], "SCOPE": list(self.scopes)}}


def single_sign_on() -> SingleSignOn:
    url = _text("URL").rstrip("/")
    if not url:
        return SingleSignOn()
    _check(url)
    missing = [n for n in ("CLIENT_ID", "CLIENT_SECRET") if not _text(n)]
    if missing:
        raise ImproperlyConfigured(
            f"SWEEPSITE_OIDC_{missing[0]} is missing. SWEEPSITE_OIDC_URL needs it; the"
            " provider shows it where you registered this site."
        )
    return SingleSignOn(
        url=url,
        name=_text("NAME") or SingleSignOn.name,
        client_id=_text("CLIENT_ID"),
        secret=_text("CLIENT_SECRET"),
        scopes=_text("SCOPES").split() or SingleSignOn.scopes,
        groups_claim=_text("GROUPS_CLAIM") or SingleSignOn.groups_claim,
        rules=[_rule(entry) for entry in _text("TEAMS").split(",") if entry.strip()],
    )


def _text(name: str) -> str:
    return os.environ.get(f"SWEEPSITE_OIDC_{name}", "").strip()


def _check(url: str) -> None:
    parts = urlsplit(url)
    is_local = parts.hostname in LOCAL
    if not parts.hostname or (parts.scheme != "https" and not is_local):
        raise ImproperlyConfigured(
            f"SWEEPSITE_OIDC_URL is {url!r}; it must start with https://, such as"
            " https://login.example.org/realms/lab."
        )


def _rule(entry: str) -> GroupRule:
    """Of ``GROUP=TEAM:ROLE``, or ``GROUP=*`` for administrators of the site."""
    found = ENTRY.fullmatch(entry.strip())
    role = (found["role"] or "member") if found else ""
    if found is None or role not in ROLES or (found["team"] == SITE and found["role"]):
        raise ImproperlyConfigured(
            f"SWEEPSITE_OIDC_TEAMS has {entry.strip()!r}; allowed are GROUP=TEAM:ROLE"
            f" with a role of {', '.join(ROLES)}, and GROUP=* for administrators of the"
            " site, such as ml-staff=vision:member,ml-leads=vision:admin."
        )
    return GroupRule(found["group"].strip(), found["team"], role)
