"""Accounts, as administrators of the site change them; teams' service accounts."""

from __future__ import annotations

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse

from experiments import lifecycle
from experiments.accounts.tokens import revoke_all
from experiments.models import BrowserSession, Event, Membership, Team, User
from experiments.sweeps.control import NotPossible


def people() -> QuerySet[User]:
    """Everybody who may log in."""
    return User.objects.filter(service_team=None).order_by("username")


def free_name(text: str) -> str:
    """The name for a new account. Raises ValidationError, with the code ``taken`` if
    another account has it in any case."""
    name: str = User.normalize_username(text)
    User.username_validator(name)
    if User.objects.filter(username__iexact=name).exists():
        words = f"The name {name!r} is taken. Choose another one."
        raise ValidationError(words, code="taken")
    return name


def create_person(
    username: str, *, actor: User | None, email: str = "", administrator: bool = False
) -> User:
    """An account without a password; its person gets a link to choose one."""
    person = User.objects.create(
        username=username,
        email=email,
        password=make_password(None),
        is_superuser=administrator,
        is_staff=administrator,
    )
    _log("account created", person, actor)
    return person


def password_link(person: User, *, actor: User | None) -> str:
    """A link that works once, for PASSWORD_RESET_TIMEOUT; until then the old password
    works as well. Raises NotPossible."""
    if person.service_team_id is not None or not person.is_active:
        raise NotPossible(
            f"{person.username} cannot log in, so a password would be of no use."
        )
    secret = default_token_generator.make_token(person)
    path = reverse(
        "account_reset_password_from_key", args=(user_pk_to_url_str(person), secret)
    )
    _log("password link created", person, actor)
    return settings.SITE_URL + path


def set_active(person: User, active: bool, *, actor: User | None) -> bool:
    """Disable an account or enable it again. False: it is so already. Raises
    NotPossible."""
    with transaction.atomic():
        if not active:
            _check_other_administrator(person)
        if not _set(person, is_active=active):
            return False
        if not active:
            BrowserSession.objects.filter(user=person).delete()
            lifecycle.revoke_run_tokens([person.pk])
        _log("account enabled" if active else "account disabled", person, actor)
    return True


@transaction.atomic
def remove_factors(person: User, *, actor: User | None) -> bool:
    """For a person who has lost them: their sessions end, and the next login needs the
    password alone. False: there are none."""
    factors = Authenticator.objects.filter(user=person)
    kinds = sorted({factor.get_type_display() for factor in factors})
    if not factors.delete()[0]:
        return False
    User.objects.filter(pk=person.pk).update(factor_due_at=None)
    BrowserSession.objects.filter(user=person).delete()
    _log("second factors removed", person, actor, text=", ".join(kinds))
    return True


def set_administrator(person: User, administrator: bool, *, actor: User | None) -> bool:
    """Make a person an administrator of the site, or no longer. Raises NotPossible."""
    if person.service_team_id is not None:
        raise NotPossible("A service account cannot be an administrator.")
    with transaction.atomic():
        if not administrator:
            _check_other_administrator(person)
        if not _set(person, is_superuser=administrator, is_staff=administrator):
            return False
        lifecycle.revoke_run_tokens([person.pk])
        verb = "made administrator" if administrator else "no longer administrator"
        _log(verb, person, actor)
    return True


def _set(person: User, **values: bool) -> bool:
    name, value = next(iter(values.items()))
    rows = User.objects.filter(pk=person.pk, **{name: not value})
    return bool(rows.update(**values))


def _check_other_administrator(person: User) -> None:
    administrators = User.objects.select_for_update().filter(
        is_superuser=True, is_active=True
    )
    if {user.pk for user in administrators} == {person.pk}:
        raise NotPossible(
            f"{person.username} is the only administrator. Make another person an"
            " administrator first."
        )


@transaction.atomic
def create_service_account(team: Team, name: str, role: str, *, actor: User) -> User:
    """An account that has tokens and no password. The name must be free."""
    account = User.objects.create(
        username=name, password=make_password(None), service_team=team
    )
    Membership.objects.create(team=team, user=account, role=role)
    _log("service account created", account, actor, text=f"{name} as {role}")
    return account


@transaction.atomic
def close_service_account(account: User, *, actor: User) -> int:
    """End it and its tokens. Its sweeps stay, and its name stays taken. Returns how
    many tokens ended."""
    User.objects.filter(pk=account.pk).update(is_active=False)
    Membership.objects.filter(user=account).delete()
    lifecycle.revoke_run_tokens([account.pk])
    ended = revoke_all(account.api_tokens.all(), actor=actor)
    _log("service account closed", account, actor)
    return ended


def _log(verb: str, person: User, actor: User | None, *, text: str = "") -> None:
    Event.log(
        verb,
        text or person.username,
        actor=actor,
        team=person.service_team,
        about=person,
        data={"user": person.pk},
    )
