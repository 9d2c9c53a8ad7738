"""Login and logout."""

from __future__ import annotations

from typing import Any

from allauth.account import views
from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse

from experiments import access
from experiments.models import Event, User
from experiments.pages import login_limits
from experiments.pages.sent_forms import SENT, keep_sent, login_choices


class LoginForm(AuthenticationForm):
    """Django's. Unknown names get the same answers."""

    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        if not settings.PASSWORD_LOGIN:
            raise ValidationError(f"Passwords are off here: use {settings.SSO.name}.")
        with login_limits.counted(self.request, self.cleaned_data.get("username", "")):
            return super().clean()

    def login(self, request: HttpRequest, redirect_url: str | None) -> HttpResponse:
        """The next step: the second factor, or the requested page."""
        keep_sent(request)
        return log_in(request, self.get_user(), redirect_url)


def log_in(request: HttpRequest, user: User, to: str | None) -> HttpResponse:
    """After a right password, or a new one."""
    credentials = {"username": user.get_username()}
    login = Login(user=user, redirect_url=to)
    response: HttpResponse = perform_password_login(request, credentials, login)
    return response


class LoginView(login_limits.Limited, views.LoginView):
    form_class = LoginForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        more = login_choices(self.get_next_url(), self.request.POST.get(SENT, ""))
        return {**super().get_context_data(**kwargs), **more}


@login_not_required
def admin_login(request: HttpRequest) -> HttpResponse:
    """Replaces the administration's own login form, which has no limit."""
    if request.user.is_authenticated:
        raise PermissionDenied
    return redirect_to_login(request.GET.get("next", ""))


class LogoutView(views.LogoutView):
    """allauth's, which also gives up a login that waits for its second factor. By POST
    alone, and logged."""

    http_method_names = ("post", "options")

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if isinstance(request.user, User):
            Event.log(
                "logged out", f"from {access.address_of(request)}", actor=request.user
            )
        response: HttpResponse = super().post(request, *args, **kwargs)
        return response
