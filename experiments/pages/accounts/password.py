"""Passwords: a new one, with the old one or with a link from an e-mail; and the old one
again before a change of the account, if the login was some time ago."""

from __future__ import annotations

from typing import Any

from allauth.account import views
from allauth.account.forms import ReauthenticateForm, ResetPasswordForm
from allauth.core import context
from django.conf import settings
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.views import PasswordChangeView as DjangoPasswordChangeView
from django.http import HttpResponse
from django.urls import reverse_lazy

from experiments import access, mail
from experiments.models import Event
from experiments.pages import login_limits


class OldPasswordForm(PasswordChangeForm):
    """Django's. The old password can be guessed in a session that was left open."""

    def clean_old_password(self) -> str:
        with login_limits.counted(context.request, self.user.get_username()):
            return super().clean_old_password()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        new = cleaned.get("new_password1")
        if new and new == cleaned.get("old_password"):
            problem = "This is your old password. Choose another one."
            self.add_error("new_password1", problem)
        return cleaned


class PasswordChangeView(login_limits.Limited, DjangoPasswordChangeView):
    """Django's, which also ends the user's other sessions."""

    form_class = OldPasswordForm
    success_url = reverse_lazy("password_change_done")
    template_name = "account/password_change.html"

    def form_valid(self, form: Any) -> HttpResponse:
        form.user.must_change_password = False
        response = super().form_valid(form)
        Event.log("password changed", actor=access.viewer(self.request))
        return response


class ForgottenForm(ResetPasswordForm):
    """allauth's. E-mails to one address are limited, and the answer does not tell who
    has an account."""

    def clean_email(self) -> str:
        login_limits.take_mail(context.request, self.cleaned_data["email"])
        return str(super().clean_email())


class ForgottenView(login_limits.Limited, views.PasswordResetView):
    form_class = ForgottenForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return {
            **super().get_context_data(**kwargs),
            "can_send": mail.can_send() and settings.PASSWORD_LOGIN,
        }


class PasswordAgainForm(ReauthenticateForm):
    """allauth's. The password can be guessed in a session that was left open."""

    def clean_password(self) -> str:
        with login_limits.counted(context.request, self.user.get_username()):
            return str(super().clean_password())


class ConfirmView(login_limits.Limited, views.ReauthenticateView):
    form_class = PasswordAgainForm
