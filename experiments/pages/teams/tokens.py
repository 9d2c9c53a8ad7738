"""The viewer's own API tokens: creating and revoking them."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from experiments import access
from experiments.db.clock import database_now
from experiments.models import ApiToken, Event, User
from experiments.models.fields import VisibleTextForm
from experiments.pages.frame import (
    Confirmation,
    after_recent_login,
    ask,
    get_or_post,
    post,
)
from experiments.tokens import new_token


class TokenForm(VisibleTextForm, forms.ModelForm):  # type: ignore[type-arg]
    name = forms.CharField(
        label="Label", max_length=100, help_text="What will use it, such as ci-nightly."
    )

    class Meta:
        model = ApiToken
        fields = ("name", "scope")
        help_texts = {"scope": "Read: view. Write: run sweeps. Admin: manage."}


def token_questions(user: User) -> list[tuple[ApiToken, Confirmation]]:
    """Tokens that are not revoked, the newest first, each with its question."""
    tokens = user.api_tokens.filter(revoked_at=None).order_by("-pk")
    return [(token, revocation_question(token)) for token in tokens]


def revocation_question(token: ApiToken) -> Confirmation:
    used = token.last_used_at
    return Confirmation(
        confirm_id=f"revoke-{token.pk}",
        title=f"Revoke token “{token.name or token.prefix}”?",
        text=f"Programs that still use {token.prefix}… are refused from now on. You"
        " cannot undo this, but you can create another token.",
        rows=[
            ("last used", f"{used:%-d %b %Y, %H:%M} UTC" if used else "never"),
            ("continues", "running sweeps: their trials have their own tokens"),
        ],
        action=reverse("token_revoke", args=(token.pk,)),
        verb="Revoke token",
        keep="Keep token",
        keep_url=reverse("profile"),
    )


@after_recent_login
def token_create(request: HttpRequest) -> HttpResponse:
    """Create a token. Only this answer contains its secret."""
    user = access.viewer(request)
    form = TokenForm(request.POST)
    if not form.is_valid():
        problem = " ".join(str(p) for ps in form.errors.values() for p in ps)
        messages.error(request, f"No token was created. {problem}")
        return redirect(_back(request))
    secret = new_token("swp")
    form.instance.user = user
    form.instance.prefix, form.instance.digest = secret.prefix, secret.digest
    token = form.save()
    _log(user, "token created", token)
    context = {"token": token, "secret": secret.secret, "back": _back(request)}
    return render(request, "experiments/accounts/token_made.html", context)


def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    user = access.viewer(request)
    token = access.found_or_404(user.api_tokens.filter(revoked_at=None), pk=pk)
    if request.method != "POST":
        return ask(request, revocation_question(token))
    if user.api_tokens.filter(pk=pk, revoked_at=None).update(revoked_at=database_now()):
        _log(user, "token revoked", token)
        messages.success(request, f"Revoked token {token.name or token.prefix}.")
    return redirect(_back(request))


def _log(user: User, verb: str, token: ApiToken) -> None:
    message = f"{token.name} {token.prefix}… ({token.scope})".strip()
    Event.log(verb, message, actor=user, data={"token": token.pk})


def _back(request: HttpRequest) -> str:
    """The page that sent the form, if it is one of this site; otherwise the profile."""
    target = request.POST.get("back", "")
    if url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        return target
    return reverse("profile")


urlpatterns = [
    post("settings/tokens/new/", token_create, "token_create"),
    get_or_post("settings/tokens/<int:pk>/revoke/", token_revoke, "token_revoke"),
]
