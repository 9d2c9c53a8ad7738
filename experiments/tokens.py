"""Tokens: secrets that are shown once, made of ``kind_`` and 43 random characters.

Only their SHA-256 is stored.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Literal, NamedTuple

Kind = Literal["swp", "wrk", "run", "trl", "inv", "rep"]


class Token(NamedTuple):
    """Only the owner gets the ``secret``; store the rest."""

    secret: str
    prefix: str
    digest: str


def new_token(kind: Kind) -> Token:
    return token_of(kind, secrets.token_urlsafe(32))


def token_of(kind: Kind, text: str) -> Token:
    """The token with these 43 characters, which must be impossible to guess."""
    secret = f"{kind}_{text}"
    return Token(secret, secret[:8], token_digest(secret))


def token_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def same_digest(secret: str, digest: str) -> bool:
    """Whether the secret has this digest, in constant time; False for an empty one."""
    return bool(digest) and secrets.compare_digest(token_digest(secret), digest)
