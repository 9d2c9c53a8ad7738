"""The second factor: codes of an app, recovery codes and passkeys."""

from __future__ import annotations

from typing import Any

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base import views
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn import views as passkey_views
from allauth.mfa.webauthn.forms import AddWebAuthnForm, EditWebAuthnForm
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse_lazy

from experiments import access
from experiments.models import User
from experiments.models.fields import VisibleTextForm
from experiments.pages import login_limits

Kind = Authenticator.Type
MAX_PASSKEY_NAME = 60


class CountedCode:
    """Wrong codes are counted; a code of an app opens one login."""

    def clean_code(self: Any) -> str:
        with login_limits.counted_code(context.request, self.user):
            code = str(super().clean_code())  # type: ignore[misc]
            if self.authenticator.type == Kind.TOTP:
                login_limits.use_code(self.user, code)
        return code


class CodeForm(CountedCode, AuthenticateForm):
    pass


class CodeAgainForm(CountedCode, ReauthenticateForm):
    pass


class PasskeyForm(VisibleTextForm, AddWebAuthnForm):
    name = forms.CharField(
        max_length=MAX_PASSKEY_NAME, help_text="Such as blue key, or phone."
    )


class PasskeyNameForm(VisibleTextForm, EditWebAuthnForm):
    name = forms.CharField(max_length=MAX_PASSKEY_NAME)


class CodeView(login_limits.Limited, views.AuthenticateView):
    """The second step of a login."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        user = self.stage.login.user
        passkeys = Authenticator.objects.filter(user=user, type=Kind.WEBAUTHN)
        return {**super().get_context_data(**kwargs), "has_passkey": passkeys.exists()}


class CodeAgainView(login_limits.Limited, views.ReauthenticateView):
    pass


class RenamePasskeyView(passkey_views.EditWebAuthnView):
    success_url = reverse_lazy("mfa_index")


class RemovePasskeyView(passkey_views.RemoveWebAuthnView):
    success_url = reverse_lazy("mfa_index")

    def form_valid(self, form: Any) -> HttpResponse:
        adapter = get_adapter()
        if not adapter.can_delete_authenticator(self.object):
            refusal = adapter.error_messages["cannot_delete_authenticator"]
            messages.error(self.request, refusal)
            return redirect("mfa_index")
        response: HttpResponse = super().form_valid(form)
        return response


def second_factors(user: User) -> dict[str, Any]:
    """What the card about them shows."""
    rows = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    kinds = {row.type: row for row in rows}
    codes = kinds.get(Kind.RECOVERY_CODES)
    return {
        "app": kinds.get(Kind.TOTP),
        "passkeys": [row for row in rows if row.type == Kind.WEBAUTHN],
        "codes_left": len(codes.wrap().get_unused_codes()) if codes else None,
        "required_by": user.second_factor_required_by,
        "due": user.factor_due_at,
    }


def index(request: HttpRequest) -> HttpResponse:
    factors = second_factors(access.viewer(request))
    return render(request, "mfa/index.html", {"factors": factors})


def login_again(request: HttpRequest) -> HttpResponse:
    """For a person without a password here and without a second factor."""
    provider = settings.SSO.name if settings.SSO.url else ""
    shown = {"next": request.GET.get("next", ""), "provider": provider}
    return render(request, "account/login_again.html", shown)
