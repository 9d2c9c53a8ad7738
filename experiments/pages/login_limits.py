"""How often a wrong password may be tried: with a name from an address, with a name,
and from an address.

A limit allows a number of wrong passwords at once, and then one more after each pause.
An attempt counts before its password is checked, in one UPDATE for each limit, so
attempts at the same moment cannot all pass; a right password does not count. The limits
are in the database, which a login needs anyway: a lost queue or cache opens nothing.

A browser in which this person has logged in before has a separate limit instead:
wrong passwords from elsewhere never lock that person out there.
"""

from __future__ import annotations

import hashlib
import ipaddress
import math
import secrets
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Any

from allauth.core.internal.cryptokit import normalize_user_code
from django.conf import settings
from django.core import signing
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Greatest
from django.http import HttpRequest, HttpResponse

from experiments.access import address_of
from experiments.db.clock import database_now
from experiments.formatting import duration_text
from experiments.models import Event, LoginLimit, User

FAILED = "login failed"
BLOCKED = "blocked"
MAX_NAME_LENGTH = 150
COOKIE = "known_browser"
COOKIE_DAYS = 365
# The time for which failed logins stay in the log.
KEPT = timedelta(days=90)
PRUNE_SECONDS = 3600


@dataclass(frozen=True)
class Limit:
    """``at_once`` wrong passwords, then one more every ``pause`` seconds."""

    text: str
    at_once: int
    pause: int
    words: str = "with this name"

    @property
    def key(self) -> str:
        return digest(self.text)

    def take(self, now: float) -> float:
        """Count an attempt, or return how many seconds it must wait."""
        latest = now + self.at_once * self.pause
        row = LoginLimit.objects.filter(pk=self.key)
        # Later than possible: the clock was set back.
        wrong = Q(used_until__gt=latest)
        begin = Case(
            When(wrong, then=Value(now)), default=Greatest("used_until", Value(now))
        )
        free = Q(used_until__lte=latest - self.pause) | wrong
        if row.filter(free).update(used_until=begin + self.pause):
            return 0.0
        used_until: float = row.values_list("used_until", flat=True).get()
        return used_until - (latest - self.pause)

    def give_back(self) -> None:
        row = LoginLimit.objects.filter(pk=self.key)
        row.update(used_until=F("used_until") - self.pause)


def digest(text: str) -> str:
    """People type their password into the wrong field, so no name is stored."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def spelled(name: str) -> str:
    """One text for all spellings that the login form takes as the same name."""
    # Cut first: names are no longer than this, and folding a long text takes seconds.
    cut = unicodedata.normalize("NFKC", name.strip()[:MAX_NAME_LENGTH])
    return cut.strip().casefold()


def limits_for(request: HttpRequest, name: str) -> Sequence[Limit]:
    person, network = spelled(name), network_of(address_of(request))
    if browser := _known_browser(request, person):
        return (Limit(f"browser {browser}", 10, 60),)
    return (
        Limit(f"pair {network} {person}", 10, 60),
        Limit(f"name {person}", 30, 60),
        Limit(f"network {network}", 100, 6, "from your network"),
    )


def network_of(address: str) -> str:
    """The address; of IPv6 the part that one customer gets."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    # A server that listens on IPv6 sees IPv4 visitors in this form.
    found = getattr(found, "ipv4_mapped", None) or found
    return str(ipaddress.ip_network((found, 64 if found.version == 6 else 32), False))


@contextmanager
def counted(request: HttpRequest, name: str) -> Iterator[None]:
    """Count the password that is checked inside, if it is wrong. Raises ValidationError
    with the code BLOCKED if none may be tried now."""
    with _counted(limits_for(request, name), lambda: _log_failure(request, name)):
        yield


@contextmanager
def counted_code(request: HttpRequest, user: User) -> Iterator[None]:
    """As ``counted``, for the second factor of a person whose password was right."""
    browser = _known_browser(request, spelled(user.username))
    limit = Limit(f"code {browser or user.pk}", 5, 600, "with a second factor")

    def log() -> None:
        Event.log("second factor failed", actor=user)

    with _counted((limit,), log):
        yield


def use_code(user: User, code: str) -> None:
    """Refuse a code that the user's app showed and that was used before, also in
    another process."""
    try:
        _take((Limit(f"used {user.pk} {normalize_user_code(code)}", 1, 120),))
    except ValidationError as error:
        raise ValidationError(
            "This code was used before. Wait for the next."
        ) from error


@contextmanager
def _counted(limits: Sequence[Limit], log: Callable[[], object]) -> Iterator[None]:
    _take(limits)
    try:
        yield
    except ValidationError:
        log()
        raise
    for limit in limits:
        limit.give_back()


class Limited:
    """For the view of a form: it answers 429 while no password may be tried."""

    def form_invalid(self, form: Any) -> HttpResponse:
        response: HttpResponse = super().form_invalid(form)  # type: ignore[misc]
        for error in chain.from_iterable(form.errors.as_data().values()):
            if error.code == BLOCKED:
                response.status_code = 429
                response["Retry-After"] = str(error.params["wait"])
        return response


def take_mail(request: HttpRequest, email: str) -> None:
    """Count a request for an e-mail to this address, whether or not it is sent."""
    network = network_of(address_of(request))
    _take(
        (
            Limit(f"mail {email.casefold()}", 3, 600, "to this address"),
            Limit(f"mail from {network}", 20, 60, "from your network"),
        )
    )


@transaction.atomic
def _take(limits: Sequence[Limit]) -> None:
    """From all of them, or from none."""
    rows = [LoginLimit(key=limit.key) for limit in limits]
    LoginLimit.objects.bulk_create(rows, ignore_conflicts=True)
    now = database_now().timestamp()
    for limit in limits:
        if wait := math.ceil(limit.take(now)):
            raise ValidationError(
                f"There were too many failed logins {limit.words}. Try again in"
                f" {duration_text(wait)}.",
                code=BLOCKED,
                params={"wait": wait},
            )


def _log_failure(request: HttpRequest, name: str) -> None:
    address = address_of(request)
    data = {"name": digest(spelled(name)), "address": address}
    Event.log(FAILED, f"from {address}", data=data)
    if cache.add("failed-logins-pruned", True, PRUNE_SECONDS):
        prune()


def prune() -> None:
    """Delete limits that are free again, and old failures from the log."""
    now = database_now()
    LoginLimit.objects.filter(used_until__lt=now.timestamp()).delete()
    old = Event.objects.filter(team=None, verb=FAILED, created_at__lt=now - KEPT)
    old.delete()


def cookie_name() -> str:
    return f"__Host-{COOKIE}" if settings.HTTPS else COOKIE


def remember_browser(response: HttpResponse, name: str) -> None:
    """After a login: this browser knows the person."""
    text = signing.dumps([digest(spelled(name)), secrets.token_hex(8)], salt=COOKIE)
    response.set_cookie(
        cookie_name(),
        text,
        max_age=timedelta(days=COOKIE_DAYS),
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _known_browser(request: HttpRequest, person: str) -> str:
    """The browser's number, if this person has logged in there; else empty."""
    text = request.COOKIES.get(cookie_name(), "")
    try:
        known, browser = signing.loads(
            text, salt=COOKIE, max_age=timedelta(days=COOKIE_DAYS)
        )
    except signing.BadSignature:
        return ""
    return str(browser) if known == digest(person) else ""
