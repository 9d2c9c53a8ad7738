"""What a person must do before anything else: choose a password of their own, or set up
a second factor that their team or the site requires."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from experiments.models import User

DUE, NOTED = "factor_due", "duties_noted"
NOTED_AGAIN_AFTER = 3600.0
TO_CHANGE_PASSWORD = {"password_change", "account_logout"}
TO_ADD_FACTOR = {
    *("mfa_index", "mfa_activate_totp", "mfa_add_webauthn", "mfa_view_recovery_codes"),
    *("account_reauthenticate", "mfa_reauthenticate", "mfa_reauthenticate_webauthn"),
    *("login_again", "password_change", "password_change_done", "account_logout"),
    *("openid_connect_login", "openid_connect_callback"),
}


def note_duties(request: HttpRequest, user: User, *, says: bool = True) -> None:
    """After a login, and each hour of a session: until when the person may go without a
    second factor."""
    request.session[NOTED] = timezone.now().timestamp()
    who = user.second_factor_required_by
    missing = bool(who) and not user.has_second_factor
    due = None
    request.session.pop(DUE, None)
    if missing:
        due = user.factor_due_at or timezone.now() + settings.SECOND_FACTOR_GRACE
        request.session[DUE] = due.timestamp()
    if due != user.factor_due_at:
        User.objects.filter(pk=user.pk).update(factor_due_at=due)
    if says and due and due > timezone.now():
        day = f"{due:%-d %B %Y}"
        text = f"{who} requires a second factor from {day}."
        messages.warning(request, text, extra_tags=reverse("mfa_index"))


class GateMiddleware:
    """After LoginRequiredMiddleware, so only for pages of people who are logged in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        if not getattr(view, "login_required", True):
            return None
        user, match = request.user, request.resolver_match
        name = match.url_name if match else None
        if not isinstance(user, User):
            return None
        if user.must_change_password:
            allowed = name in TO_CHANGE_PASSWORD
            return None if allowed else redirect("password_change")
        now = timezone.now().timestamp()
        if now - request.session.get(NOTED, now) > NOTED_AGAIN_AFTER:
            note_duties(request, user, says=False)
        is_late = request.session.get(DUE, float("inf")) < now
        if not is_late or name in TO_ADD_FACTOR:
            return None
        if user.has_second_factor:
            del request.session[DUE]
            return None
        return redirect("mfa_index")
