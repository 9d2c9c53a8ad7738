"""Secrets that the site has to read again, such as the address of a webhook.

A copy of the database alone must not be enough to use them: the key is made of the
site's secret key.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings


def encrypt(text: str, *, purpose: str) -> str:
    return _cipher(purpose).encrypt(text.encode()).decode()


def decrypt(text: str, *, purpose: str) -> str | None:
    """None: it was encrypted with an unknown secret key, or for another purpose."""
    try:
        return _cipher(purpose).decrypt(text.encode()).decode()
    except InvalidToken:
        return None


def _cipher(purpose: str) -> MultiFernet:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    digests = (hashlib.sha256(f"{purpose} {key}".encode()) for key in keys)
    return MultiFernet(
        [Fernet(urlsafe_b64encode(digest.digest())) for digest in digests]
    )
