"""API tokens: the viewer's own, and those of their teams' service accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from experiments import access
from experiments.accounts.tokens import (
    TokenRequest,
    allowed_days,
    create_token,
    default_days,
    managed_accounts,
    managed_tokens,
    renew_token,
    revocable_tokens,
    revoke_token,
    tokens_limited_to,
)
from experiments.models import ApiToken, Team, User
from experiments.models.fields import VisibleTextForm
from experiments.pages.frame import (
    Confirmation,
    act,
    after_recent_login,
    ask,
    form_page,
    get_or_post,
    whole_number,
)
from experiments.sweeps.control import NotPossible

TokenRows: TypeAlias = Sequence[tuple[ApiToken, Confirmation]]
SCOPES = [
    ("read", "read: view"),
    ("write", "write: run sweeps"),
    ("admin", "admin: manage"),
]


def _day_choices() -> list[tuple[int, str]]:
    today = timezone.localdate()
    ends = [(days, today + timedelta(days=days)) for days in allowed_days()]
    return [(days, f"in {days} days, {end:%-d %b %Y}") for days, end in ends]


class DaysForm(forms.Form):
    """When a token ends."""

    days = forms.TypedChoiceField(label="Expires", coerce=int)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["days"].choices = _day_choices()  # type: ignore[attr-defined]
        self.fields["days"].initial = default_days()


class TokenForm(VisibleTextForm, DaysForm):
    name = forms.CharField(
        label="Name", max_length=100, help_text="What will use it, such as ci-nightly."
    )
    scope = forms.ChoiceField(label="May", choices=SCOPES, initial="write")
    team = forms.ModelChoiceField(
        Team.objects.none(),
        required=False,
        empty_label="all teams",
        label="In team",
    )
    ends_with_password = forms.BooleanField(
        required=False, label="Ends when the password changes"
    )
    field_order = ("name", "scope", "team", "days", "ends_with_password")

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if owner.service_team_id is None:
            self.fields["team"].queryset = access.teams_for(owner)  # type: ignore[attr-defined]
        else:
            del self.fields["team"], self.fields["ends_with_password"]


@dataclass(frozen=True)
class TokensCard:
    """The tokens of one account that are not revoked, the newest first, each with its
    question."""

    owner: User
    tokens: Sequence[tuple[ApiToken, Confirmation]]
    form: TokenForm

    @property
    def working(self) -> int:
        return sum(not token.has_expired for token, _ in self.tokens)

    @property
    def ended(self) -> int:
        return len(self.tokens) - self.working


def tokens_card(owner: User) -> TokensCard:
    tokens = owner.api_tokens.filter(revoked_at=None).select_related("team")
    rows = [(token, revocation_question(token)) for token in tokens.order_by("-pk")]
    return TokensCard(owner, rows, TokenForm(owner=owner))


def team_token_rows(team: Team, viewer: User) -> TokenRows:
    """Tokens of others that are limited to the team; the viewer's are in their card."""
    others = tokens_limited_to(team).exclude(user=viewer)
    rows = others.order_by("user__username", "-pk")
    back = reverse("team_detail", args=(team.slug,))
    return [(token, revocation_question(token, back=back)) for token in rows]


def revocation_question(token: ApiToken, *, back: str = "") -> Confirmation:
    used = token.last_used_at
    by = f" from {token.last_address}" if token.last_address else ""
    return Confirmation(
        confirm_id=f"revoke-{token.pk}",
        title=f"Revoke token “{token.name or token.prefix}”?",
        text=f"Programs that still use {token.prefix}… are refused from now on. You"
        " cannot undo this, but you can create another token.",
        rows=[
            ("last used", f"{used:%-d %b %Y, %H:%M} UTC{by}" if used else "never"),
            ("continues", "running sweeps: their trials have their own tokens"),
        ],
        action=reverse("token_revoke", args=(token.pk,)),
        verb="Revoke token",
        keep="Keep token",
        keep_url=back or reverse("profile"),
        fields=[("back", back)] if back else (),
    )


@after_recent_login
def token_create(request: HttpRequest) -> HttpResponse:
    """Create a token. Only this answer contains its secret."""
    user = access.viewer(request)
    owner = _owner(request, user)
    form = TokenForm(request.POST or None, owner=owner)
    if request.method == "POST" and form.is_valid():
        try:
            wanted = TokenRequest(**form.cleaned_data)
            token, secret = create_token(owner, wanted, actor=user)
        except NotPossible as error:
            form.add_error(None, str(error))
        else:
            context = {"token": token, "secret": secret, "back": _back(request)}
            return render(request, "experiments/accounts/token_made.html", context)
    template = "experiments/accounts/token_form.html"
    context = {"title": "New API token", "verb": "Create token", "owner": owner}
    return form_page(request, template, form, back=_back(request), **context)


def _owner(request: HttpRequest, user: User) -> User:
    """The viewer, or the service account that they chose."""
    number = whole_number(request.POST.get("account", request.GET.get("account", "")))
    if number is None or number == user.pk:
        return user
    return access.found_or_404(managed_accounts(user), pk=number)


@after_recent_login
def token_renew(request: HttpRequest, pk: int) -> HttpResponse:
    user = access.viewer(request)
    token = access.found_or_404(managed_tokens(user), pk=pk)
    form = DaysForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        return act(
            request, _back(request), lambda: _renewed(token, form.cleaned_data, user)
        )
    return form_page(
        request,
        "experiments/accounts/token_form.html",
        form,
        title=f"Renew token “{token.name or token.prefix}”",
        verb="Renew token",
        owner=token.user,
        token=token,
        back=_back(request),
    )


def _renewed(token: ApiToken, data: dict[str, Any], user: User) -> str:
    end = renew_token(token, data["days"], actor=user)
    return f"Token {token.name or token.prefix} now ends on {end:%-d %b %Y}."


def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    user = access.viewer(request)
    token = access.found_or_404(revocable_tokens(user), pk=pk)
    if request.method != "POST":
        return ask(request, revocation_question(token, back=_back(request)))
    if revoke_token(token, actor=user):
        messages.success(request, f"Revoked token {token.name or token.prefix}.")
    return redirect(_back(request))


def _back(request: HttpRequest) -> str:
    """The page that sent the form, if it is one of this site; otherwise the profile."""
    target = request.POST.get("back", request.GET.get("back", ""))
    if url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        return target
    return reverse("profile")


urlpatterns = [
    get_or_post("settings/tokens/new/", token_create, "token_create"),
    get_or_post("settings/tokens/<int:pk>/renew/", token_renew, "token_renew"),
    get_or_post("settings/tokens/<int:pk>/revoke/", token_revoke, "token_revoke"),
]
