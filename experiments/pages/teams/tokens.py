"""The viewer's own API tokens: making one, revoking one."""

from __future__ import annotations

from collections.abc import Sequence

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from experiments import access
from experiments.db.clock import database_now
from experiments.models import ApiToken, Event, User
from experiments.tokens import new_token


class TokenForm(forms.ModelForm):  # type: ignore[type-arg]
    name = forms.CharField(
        label="Label", max_length=100, help_text="What will use it, such as ci-nightly."
    )

    class Meta:
        model = ApiToken
        fields = ("name", "scope")
        help_texts = {
            "scope": "read looks, write starts and stops sweeps, admin manages."
        }


def tokens_of(user: User) -> Sequence[ApiToken]:
    """The tokens that still work, the newest first."""
    return list(user.api_tokens.filter(revoked_at=None).order_by("-pk"))


def token_questions(
    tokens: Sequence[ApiToken],
) -> list[tuple[ApiToken, dict[str, object]]]:
    return [(token, revocation_question(token)) for token in tokens]


def revocation_question(token: ApiToken) -> dict[str, object]:
    """What components/confirm_body.html asks."""
    used = token.last_used_at
    return {
        "confirm_id": f"revoke-{token.pk}",
        "title": f"Revoke token “{token.name or token.prefix}”?",
        "text": f"Whatever still uses {token.prefix}… is refused from now on. This"
        " cannot be undone; a new token can be made.",
        "rows": [
            ("last used", f"{used:%-d %b %Y, %H:%M} UTC" if used else "never"),
            ("stays", "running sweeps go on, their trials have tokens of their own"),
        ],
        "action": reverse("token_revoke", args=(token.pk,)),
        "verb": "Revoke token",
        "keep": "Keep token",
        "keep_url": reverse("profile"),
        "note": "Will be in the audit log",
    }


@require_POST
@never_cache
def token_create(request: HttpRequest) -> HttpResponse:
    """Make a token. Its secret is in this answer and nowhere else."""
    user = access.viewer(request)
    form = TokenForm(request.POST)
    if not form.is_valid():
        problem = " ".join(str(p) for ps in form.errors.values() for p in ps)
        messages.error(request, f"No token was made. {problem}")
        return redirect(_back(request))
    secret = new_token("swp")
    form.instance.user = user
    form.instance.prefix, form.instance.digest = secret.prefix, secret.digest
    token = form.save()
    _log(user, "token created", token)
    context = {"token": token, "secret": secret.secret, "back": _back(request)}
    return render(request, "experiments/accounts/token_made.html", context)


@require_http_methods(["GET", "POST"])
def token_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    user = access.viewer(request)
    token = access.found_or_404(user.api_tokens.filter(revoked_at=None), pk=pk)
    if request.method != "POST":
        context = {"question": revocation_question(token)}
        return render(request, "experiments/accounts/confirm.html", context)
    if user.api_tokens.filter(pk=pk, revoked_at=None).update(revoked_at=database_now()):
        _log(user, "token revoked", token)
        messages.success(request, f"Token {token.name or token.prefix} is revoked.")
    return redirect(_back(request))


def _log(user: User, verb: str, token: ApiToken) -> None:
    message = f"{token.name} {token.prefix}… ({token.scope})".strip()
    Event.log(verb, message, actor=user, data={"token": token.pk})


def _back(request: HttpRequest) -> str:
    """Where the form was, if that is a page of this site; else the profile."""
    target = request.POST.get("back", "")
    if url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        return target
    return reverse("profile")


urlpatterns = [
    path("settings/tokens/new/", token_create, name="token_create"),
    path("settings/tokens/<int:pk>/revoke/", token_revoke, name="token_revoke"),
]
