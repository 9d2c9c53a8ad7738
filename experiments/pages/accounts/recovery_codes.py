"""Recovery codes, of which the database has only hashes.

django-allauth keeps a seed from which it makes the codes again. Here a row holds a hash
of each code with the row's salt and the site's secret key, and the encrypted codes only
until the person has seen them once.
"""

from __future__ import annotations

import hashlib
import json
import secrets
from hmac import compare_digest
from typing import Any

from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal import auth, flows
from allauth.mfa.utils import decrypt, encrypt
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

# Codes have 26 bits, and each guess has to be worth it.
ROUNDS = 100_000


class HashedCodes(auth.RecoveryCodes):
    instance: Authenticator

    def __init__(self, instance: Authenticator) -> None:
        super().__init__(instance)
        self._shown: list[str] = []
        if "seed" in instance.data and instance.pk:
            self._hash()

    @classmethod
    def activate(cls, user: AbstractBaseUser) -> HashedCodes:
        return cls(super().activate(user).instance)

    def _hash(self) -> None:
        """A new set, or one of an earlier version."""
        codes, old = super().generate_codes(), self.instance.data
        salt = secrets.token_hex(16)
        hashes = [_digest(code, salt, settings.SECRET_KEY) for code in codes]
        data = {"salt": salt, "hashes": hashes, "used_mask": old["used_mask"]}
        if viewed := old.get("viewed_at"):
            data["viewed_at"] = viewed
        else:
            data["unseen"] = encrypt(json.dumps(codes))
        self._keep(data)

    def _keep(self, data: dict[str, Any]) -> None:
        self.instance.data = data
        self.instance.save(update_fields=["data"])

    def mark_as_viewed(self) -> None:
        data = dict(self.instance.data)
        if unseen := data.pop("unseen", None):
            self._shown = _list_in(decrypt(unseen))
            self._keep(data)
        super().mark_as_viewed()

    def get_unused_codes(self) -> list[str]:
        """The codes themselves only the first time, then stars."""
        hidden = "*" * app_settings.RECOVERY_CODE_DIGITS
        count = len(self.instance.data["hashes"])
        codes = self._shown or [hidden] * count
        return [code for i, code in enumerate(codes) if not self._is_code_used(i)]

    @transaction.atomic
    def validate_code(self, code: str) -> bool:
        self.instance = Authenticator.objects.select_for_update().get(
            pk=self.instance.pk
        )
        data, plain = self.instance.data, normalize_user_code(code)
        for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
            digest = _digest(plain, data["salt"], key)
            for i, known in enumerate(data["hashes"]):
                if compare_digest(digest, known) and not self._is_code_used(i):
                    self._mark_code_used(i)
                    return True
        return False


def _digest(code: str, salt: str, key: str) -> str:
    full = f"{salt} recovery code {key}".encode()
    return hashlib.pbkdf2_hmac("sha256", code.encode(), full, ROUNDS).hex()


def _list_in(text: str) -> list[str]:
    """Empty for what was encrypted with an unknown secret key."""
    return list(json.loads(text)) if text.startswith("[") else []


def use_hashed_codes() -> None:
    """django-allauth has no setting for it."""
    auth.RecoveryCodes = flows.RecoveryCodes = HashedCodes
