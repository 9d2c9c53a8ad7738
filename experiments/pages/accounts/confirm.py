"""A change of the account asks who is there, if the login was some time ago."""

from __future__ import annotations

from allauth.account import views
from allauth.account.forms import ReauthenticateForm
from allauth.core import context

from experiments.pages import login_limits


class PasswordAgainForm(ReauthenticateForm):
    """allauth's. The password can be guessed in a session that was left open."""

    def clean_password(self) -> str:
        with login_limits.counted(context.request, self.user.get_username()):
            return str(super().clean_password())


class ConfirmView(login_limits.Limited, views.ReauthenticateView):
    form_class = PasswordAgainForm
