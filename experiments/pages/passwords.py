"""Which passwords are too easy to guess for this site, besides Django's own rules."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from experiments.accounts.tokens import end_with_password
from experiments.models import User

OWN_WORDS = ("sweepsite", "sweeps", "hyperparameter", "password", "admin")
MIN_WORD_LENGTH = 4
MIN_LEFT = 8


class PlaceWordsValidator:
    """Words that everybody here knows do not count for a password's length."""

    def validate(self, password: str, user: User | None = None) -> None:
        left = password.casefold()
        found = [word for word in _words(user) if word in left]
        for word in found:
            left = left.replace(word, "")
        if found and len(left) < MIN_LEFT:
            raise ValidationError(
                f"Without {found[0]!r}, which is easy to guess here, the password needs"
                f" at least {MIN_LEFT} characters."
            )

    def password_changed(self, password: str, user: User) -> None:
        """Django calls this after any change of a password."""
        end_with_password(user)

    def get_help_text(self) -> str:
        return (
            "Words such as sweepsite, and the names of this site and of your teams, do"
            " not count for its length."
        )


def _words(user: User | None) -> Iterator[str]:
    """The longest first, so that no word hides in a longer one."""
    words = {*OWN_WORDS, *(urlsplit(settings.SITE_URL).hostname or "").split(".")}
    if user is not None and user.pk:
        for name in user.teams.values_list("name", flat=True):
            words |= {name.casefold(), *name.casefold().split()}
    yield from sorted((w for w in words if len(w) >= MIN_WORD_LENGTH), key=len)[::-1]
