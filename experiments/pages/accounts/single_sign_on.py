"""Login by an OpenID Connect provider.

The provider's own number of a person leads to their account, never a name or an e-mail
address that is not confirmed.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlencode

from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.openid_connect import views
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import path, reverse
from django.views.decorators.http import require_safe
from requests import RequestException, Response, Session

from experiments.accounts.members import allowed_by, follow_groups
from experiments.models import Event, User
from experiments.pages.frame import get

logger = logging.getLogger(__name__)
PROVIDER, KIND = "sso", "openid_connect"
# allauth reverses two of the URLs with the provider's name.
SSO = {"provider_id": PROVIDER}
MAX_NAME = 150
WELL_KNOWN = "/.well-known/"


class ProviderAdapter(DefaultSocialAccountAdapter):
    def list_apps(self, request: HttpRequest, **wanted: Any) -> list[SocialApp]:
        """Of the settings alone: no row of the database adds a provider."""
        apps = settings.SSO.providers.get(KIND, {}).get("APPS", ())
        return [SocialApp(provider=KIND, **app) for app in apps]

    def get_requests_session(self) -> Session:
        session: Session = super().get_requests_session()
        session.hooks["response"].append(_check_issuer)
        return session

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """`pre_social_login` has refused those who may not."""
        return True

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Refuse people without a group, find the account, and follow the groups."""
        groups = _groups(request, sociallogin)
        if settings.SSO.rules and not allowed_by(groups, settings.SSO.rules):
            # Whatever they had by their groups ends now.
            if sociallogin.is_existing:
                follow_groups(sociallogin.user, groups, settings.SSO.rules)
            raise _refused(request, "None of your groups has a team on this site.")
        if not sociallogin.is_existing:
            _find_account(request, sociallogin)
        if sociallogin.is_existing:
            _follow(sociallogin, groups)

    def populate_user(
        self, request: HttpRequest, sociallogin: SocialLogin, data: dict[str, Any]
    ) -> User:
        """Names without characters that nobody sees."""
        shown = {name: _visible(value) for name, value in data.items()}
        user: User = super().populate_user(request, sociallogin, shown)
        return user

    def save_user(
        self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None
    ) -> User:
        user: User = super().save_user(request, sociallogin, form)
        text = f"{user.username}, by {settings.SSO.name}"
        Event.log("account created", text, actor=user, about=user)
        follow_groups(user, _groups(request, sociallogin), settings.SSO.rules)
        return user

    def on_authentication_error(
        self, request: HttpRequest, provider: Any, *args: Any, **kwargs: Any
    ) -> None:
        Event.log("login failed", f"by {settings.SSO.name}")
        text = f"{settings.SSO.name} did not confirm who you are. Try again."
        raise _refused(request, text)


def _check_issuer(answer: Response, **_: Any) -> None:
    """A provider's description must be that of the issuer in the settings. Tokens must
    name the same one."""
    if WELL_KNOWN in answer.url and answer.ok:
        named = str(answer.json().get("issuer", ""))
        if named.rstrip("/") != _issuer():
            raise RequestException(f"it names another issuer, {named[:200]!r}")


def _issuer() -> str:
    return str(settings.SSO.url.partition(WELL_KNOWN)[0].rstrip("/"))


def _visible(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return "".join(c for c in value if c.isprintable()).strip()[:MAX_NAME]


def _refusal(request: HttpRequest, sentence: str) -> HttpResponse:
    page = "socialaccount/refused.html"
    return render(request, page, {"why": sentence}, status=403)


def _refused(request: HttpRequest, sentence: str) -> ImmediateHttpResponse:
    return ImmediateHttpResponse(_refusal(request, sentence))


def _groups(request: HttpRequest, sociallogin: SocialLogin) -> list[str]:
    """The groups that the provider names; with rules, it must name them."""
    claim, claims = settings.SSO.groups_claim, sociallogin.account.extra_data
    for source in (claims.get("userinfo") or {}, claims.get("id_token") or {}):
        found = source.get(claim)
        if isinstance(found, str):
            return [found]
        if isinstance(found, list):
            return [each for each in found if isinstance(each, str)]
    if settings.SSO.rules:
        text = f"{settings.SSO.name} does not name your groups (claim {claim!r})."
        raise _refused(request, f"{text} Tell an administrator of the site.")
    return []


def _find_account(request: HttpRequest, sociallogin: SocialLogin) -> None:
    """An account whose e-mail address both sides have confirmed becomes theirs. A new
    account does not get the address of another one."""
    for address in sociallogin.email_addresses:
        known = EmailAddress.objects.filter(email__iexact=address.email, verified=True)
        owners = {row.user for row in known.select_related("user")}
        if address.verified and len(owners) == 1:
            (user,) = owners
            sociallogin.connect(request, user)
            text = f"{user.username}, by {address.email}"
            Event.log("login connected", text, actor=user, about=user)
            return
        if owners or User.objects.filter(email__iexact=address.email).exists():
            sociallogin.email_addresses, sociallogin.user.email = [], ""
            return


def _follow(sociallogin: SocialLogin, groups: list[str]) -> None:
    """The name and the roles as the provider has them now."""
    user, claims = sociallogin.user, sociallogin.account.get_provider_account()
    data = claims.get_user_data() or {}
    names = {
        field: _visible(data.get(claim))
        for field, claim in (("first_name", "given_name"), ("last_name", "family_name"))
    }
    User.objects.filter(pk=user.pk).update(**{f: n for f, n in names.items() if n})
    follow_groups(user, groups, settings.SSO.rules)


def to_provider(request: HttpRequest, to: str) -> HttpResponse:
    """After a form was sent. It is a page, since browsers follow no redirect of a form
    to another site here (form-action)."""
    url = reverse("openid_connect_login", kwargs=SSO) + "?" + urlencode({"next": to})
    context = {"url": url, "provider": settings.SSO.name}
    return render(request, "socialaccount/leaving.html", context)


@login_not_required
def login(request: HttpRequest, provider_id: str) -> HttpResponse:
    """To the provider. ``?again``: it asks who is there, whatever it remembers."""
    query = QueryDict(mutable=True)
    query["next"] = request.GET.get("next", "")
    if "again" in request.GET:
        query["auth_params"] = "prompt=login"
    # Nothing else of allauth's options can be chosen by a link.
    request.GET = query  # type: ignore[assignment]
    try:
        answer: HttpResponse = views.login(request, provider_id)
    except (RequestException, LookupError, ValueError) as error:
        logger.error("%s does not answer: %s", settings.SSO.url, error)
        text = f"{settings.SSO.name} does not answer. Try again later."
        return _refusal(request, text)
    return answer


@login_not_required
def callback(request: HttpRequest, provider_id: str) -> HttpResponse:
    answer: HttpResponse = views.callback(request, provider_id)
    return answer


@login_not_required
def cancelled(request: HttpRequest) -> HttpResponse:
    return render(request, "socialaccount/refused.html", {"why": ""})


urlpatterns = [
    path("login/sso/", require_safe(login), SSO, name="openid_connect_login"),
    path(
        "login/sso/callback/",
        require_safe(callback),
        SSO,
        name="openid_connect_callback",
    ),
    get("login/sso/cancelled/", cancelled, "socialaccount_login_cancelled"),
]
