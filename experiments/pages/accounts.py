"""Login, logout, password and profile; and a limit on failed logins for one name from
one address.

Failed logins are events without a team. They keep the typed name as a hash only, since
people type their password into the wrong field.
"""

from __future__ import annotations

import hashlib
import unicodedata
from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_http_methods, require_POST

from experiments import access
from experiments.db.clock import database_now
from experiments.formatting import duration_text
from experiments.models import BrowserSession, Event, User
from experiments.pages.sessions import note_login
from experiments.pages.teams import tokens
from experiments.pages.teams.tokens import TokenForm, token_questions

MAX_FAILURES = 10
WINDOW = timedelta(minutes=10)
FAILED = "login failed"
MAX_NAME_LENGTH = 150


def address_of(request: HttpRequest) -> str:
    """The visitor's address. A proxy's header counts only if settings allow it."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    if getattr(settings, "SECURE_PROXY_SSL_HEADER", None) and forwarded:
        return forwarded.rsplit(",", 1)[-1].strip()[:45]
    return str(request.META.get("REMOTE_ADDR", ""))


def _key(name: str) -> str:
    """One key for all spellings that the login form takes as the same name."""
    # Cut first: names are no longer than this, and folding a long text takes seconds.
    spelled = unicodedata.normalize("NFKC", name.strip()[:MAX_NAME_LENGTH])
    return hashlib.sha256(spelled.strip().casefold().encode()).hexdigest()[:16]


def seconds_to_wait(request: HttpRequest, name: str) -> int:
    """How long this name must wait at this address; 0 if it may try now."""
    now = database_now()
    failures = Event.objects.filter(
        team=None,
        verb=FAILED,
        # The upper bound: after a clock was set back, later failures would block long.
        created_at__range=(now - WINDOW, now + WINDOW),
        data__name=_key(name),
        data__address=address_of(request),
    ).order_by("-id")
    if failures.count() < MAX_FAILURES:
        return 0
    # Allowed again once the tenth last failure is older than the window.
    tenth = failures.values_list("created_at", flat=True)[MAX_FAILURES - 1]
    return max(1, int((tenth + WINDOW - now).total_seconds()) + 1)


def log_failure(request: HttpRequest, name: str) -> None:
    address = address_of(request)
    data = {"name": _key(name), "address": address}
    Event.log(FAILED, f"from {address}", data=data)


def log_login(request: HttpRequest, user: User) -> None:
    address = address_of(request)
    note_login(request, address=address)
    Event.log("logged in", f"from {address}", actor=user, data={"address": address})


@method_decorator(login_not_required, name="dispatch")
class LoginView(views.LoginView):
    """Django's login with that limit. Unknown names get the same answers."""

    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        wait = seconds_to_wait(request, request.POST.get("username", ""))
        return self._blocked(wait) if wait else super().post(request, *args, **kwargs)

    def _blocked(self, wait: int) -> HttpResponse:
        form = BlockedForm(
            f"There were {MAX_FAILURES} failed logins with this name. Try again in"
            f" {duration_text(wait)}."
        )
        response = self.render_to_response(self.get_context_data(form=form))
        response.status_code = 429
        response["Retry-After"] = str(wait)
        return response

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        response = super().form_valid(form)
        user = form.get_user()
        if isinstance(user, User):
            log_login(self.request, user)
        return response

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        log_failure(self.request, form.data.get("username", ""))
        return super().form_invalid(form)


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
            Event.log("logged out", f"from {address_of(request)}", actor=request.user)
        response: HttpResponse = super().post(request, *args, **kwargs)
        return response


class BlockedForm(AuthenticationForm):
    """The empty login form with the reason why it was not checked."""

    def __init__(self, sentence: str) -> None:
        super().__init__()
        self.sentence = sentence

    def non_field_errors(self) -> Any:
        return [self.sentence]


class PasswordChangeView(views.PasswordChangeView):
    """Django's, which also ends the user's other sessions."""

    def form_valid(self, form: Any) -> HttpResponse:
        response = super().form_valid(form)
        Event.log("password changed", actor=access.viewer(self.request))
        return response


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("first_name", "last_name", "email")


@require_http_methods(["GET", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    user = access.viewer(request)
    form = ProfileForm(request.POST or None, instance=User.objects.get(pk=user.pk))
    if request.method == "POST" and form.is_valid():
        form.save()
        Event.log("profile changed", actor=user)
        messages.success(request, "Saved your profile.")
        return redirect("profile")
    context = {
        "form": form,
        "memberships": user.memberships.select_related("team").order_by("team__name"),
        "tokens": token_questions(user),
        "token_form": TokenForm(),
        "sessions": BrowserSession.valid_for(user),
        "this_session": request.session.session_key,
        "back": request.path,
    }
    status = 422 if form.errors else 200
    template = "experiments/accounts/profile.html"
    return render(request, template, context, status=status)


@require_POST
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
    wait = seconds_to_wait(request, user.username)
    if wait:
        return f"Too many wrong passwords. Try again in {duration_text(wait)}."
    if user.check_password(request.POST.get("password", "")):
        return ""
    log_failure(request, user.username)
    return "The password is not correct."


urlpatterns = [
    path("login/", LoginView.as_view(), name="login"),
    path("admin/login/", admin_login),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("settings/", profile, name="profile"),
    path("settings/sessions/end/", sessions_end, name="sessions_end"),
    path("settings/password/", PasswordChangeView.as_view(), name="password_change"),
    path(
        "settings/password/done/",
        views.PasswordChangeDoneView.as_view(),
        name="password_change_done",
    ),
    *tokens.urlpatterns,
]
