"""Login, logout, password and profile. login_limits counts wrong passwords."""

from __future__ import annotations

from itertools import chain
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.generic import FormView, RedirectView

from experiments import access
from experiments.models import BrowserSession, Event, User
from experiments.models.fields import VisibleTextForm
from experiments.pages import login_limits
from experiments.pages.frame import form_page, get_or_post, post
from experiments.pages.sent_forms import SENT, keep_sent
from experiments.pages.sessions import note_login
from experiments.pages.teams import tokens
from experiments.pages.teams.tokens import TokenForm, token_questions


class LoginForm(AuthenticationForm):
    """Django's. Unknown names get the same answers."""

    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        with login_limits.counted(self.request, self.cleaned_data.get("username", "")):
            return super().clean()


class OldPasswordForm(PasswordChangeForm):
    """Django's. The old password can be guessed in a session that was left open."""

    request: HttpRequest

    def clean_old_password(self) -> str:
        with login_limits.counted(self.request, self.user.get_username()):
            return super().clean_old_password()


class PasswordView(FormView):  # type: ignore[type-arg]
    """Answers 429 while no password may be tried."""

    def get_form(self, form_class: Any = None) -> Any:
        form = super().get_form(form_class)
        form.request = self.request
        return form

    def form_invalid(self, form: Any) -> HttpResponse:
        response = super().form_invalid(form)
        for error in chain.from_iterable(form.errors.as_data().values()):
            if error.code == login_limits.BLOCKED:
                response.status_code = 429
                response["Retry-After"] = str(error.params["wait"])
        return response


@method_decorator(login_not_required, name="dispatch")
class LoginView(PasswordView, views.LoginView):
    redirect_authenticated_user = True
    form_class = LoginForm

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        sent = self.request.POST.get(SENT, "")
        return super().get_context_data(**kwargs, sent=sent)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        keep_sent(self.request)
        user = form.get_user()
        if isinstance(user, User):
            address = access.address_of(self.request)
            data = {"address": address}
            note_login(self.request, address=address)
            Event.log("logged in", f"from {address}", actor=user, data=data)
            login_limits.remember_browser(response, user.get_username())
        return response


@login_not_required
def admin_login(request: HttpRequest) -> HttpResponse:
    """Replaces the administration's own login form, which has no limit."""
    if request.user.is_authenticated:
        raise PermissionDenied
    return redirect_to_login(request.GET.get("next", ""))


class LogoutView(views.LogoutView):
    """Django's, which also logs it."""

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if isinstance(request.user, User):
            Event.log(
                "logged out", f"from {access.address_of(request)}", actor=request.user
            )
        response: HttpResponse = super().post(request, *args, **kwargs)
        return response


class PasswordChangeView(PasswordView, views.PasswordChangeView):
    """Django's, which also ends the user's other sessions."""

    form_class = OldPasswordForm

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        Event.log("password changed", actor=access.viewer(self.request))
        return response


class ProfileForm(VisibleTextForm, forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("first_name", "last_name", "email")


def profile(request: HttpRequest) -> HttpResponse:
    user = access.viewer(request)
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=user.pk))
    if request.method == "POST" and form.is_valid():
        form.save()
        Event.log("profile changed", actor=user)
        messages.success(request, "Saved your profile.")
        return redirect("profile")
    return form_page(
        request,
        "experiments/accounts/profile.html",
        form,
        memberships=user.memberships.select_related("team").order_by("team__name"),
        tokens=token_questions(user),
        token_form=TokenForm(),
        sessions=BrowserSession.valid_for(user),
        this_session=request.session.session_key,
        back=request.path,
    )


def sessions_end(request: HttpRequest) -> HttpResponse:
    """End one of the viewer's sessions, or all others, after their password."""
    user = access.viewer(request)
    problem = _wrong_password(request, user)
    if problem:
        messages.error(request, f"No session was ended. {problem}")
        return redirect("profile")
    others = BrowserSession.valid_for(user).exclude(pk=request.session.session_key)
    chosen = request.POST.get("end", "")
    keys = [row.pk for row in others if chosen in ("others", row.public_id)]
    BrowserSession.objects.filter(pk__in=keys).delete()
    Event.log("sessions ended", f"{len(keys)} of their own", actor=user)
    ended = "1 session" if len(keys) == 1 else f"{len(keys)} sessions"
    messages.success(request, f"Ended {ended}.")
    return redirect("profile")


def _wrong_password(request: HttpRequest, user: User) -> str:
    """Why the typed password does not count; empty if it is right."""
    try:
        with login_limits.counted(request, user.username):
            if not user.check_password(request.POST.get("password", "")):
                raise ValidationError("The password is not correct.")
    except ValidationError as error:
        return str(error.message)
    return ""


urlpatterns = [
    path("login/", LoginView.as_view(), name="login"),
    path("admin/login/", admin_login),
    path(
        "admin/password_change/", RedirectView.as_view(pattern_name="password_change")
    ),
    path("logout/", LogoutView.as_view(), name="logout"),
    get_or_post("settings/", profile, "profile"),
    post("settings/sessions/end/", sessions_end, "sessions_end"),
    path("settings/password/", PasswordChangeView.as_view(), name="password_change"),
    path(
        "settings/password/done/",
        views.PasswordChangeDoneView.as_view(),
        name="password_change_done",
    ),
    *tokens.urlpatterns,
]
