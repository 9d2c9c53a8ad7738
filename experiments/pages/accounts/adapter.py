"""What django-allauth asks this site: where links lead, who is told what, and what
follows a login."""

from __future__ import annotations

import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from experiments import access
from experiments.models import Event, User
from experiments.pages import login_limits
from experiments.pages.accounts import mail
from experiments.pages.sessions import browser_name, note_login

# What allauth's templates would say, in words of this site.
SENTENCES = {
    "account/messages/email_confirmation_sent.txt": (
        "Sent an e-mail to {email}. Open its link to confirm the address."
    ),
    "account/messages/email_confirmed.txt": "Confirmed {email}.",
    "account/messages/email_confirmation_failed.txt": (
        "{email} was not confirmed: another account has it."
    ),
    "account/messages/email_deleted.txt": "Removed {email}.",
}
# The event of each change that allauth tells the person about by e-mail.
VERBS = {
    "account/email/password_reset": "password reset",
    "account/email/email_changed": "e-mail address changed",
    "account/email/email_deleted": "e-mail address removed",
}


class AccountAdapter(DefaultAccountAdapter):
    request: HttpRequest

    def is_ajax(self, request: HttpRequest) -> bool:
        """No answer is JSON: a wrong header must not change what a page does."""
        return False

    def is_safe_url(self, url: str | None) -> bool:
        """A login leads to this very host only."""
        return url_has_allowed_host_and_scheme(
            url, {self.request.get_host()}, require_https=self.request.is_secure()
        )

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Whether the login is too old for a change of the account."""
        age = time.time() - self.request.session.get("began", 0)
        return bool(age > settings.ACCOUNT_REAUTHENTICATION_TIMEOUT)

    def add_message(
        self,
        request: HttpRequest,
        level: int,
        message_template: str | None = None,
        message_context: dict[str, Any] | None = None,
        extra_tags: str = "",
        message: str | None = None,
    ) -> None:
        text = message or SENTENCES.get(message_template or "", "")
        if text:
            text = text if message else text.format(**(message_context or {}))
            messages.add_message(request, level, text, extra_tags=extra_tags)

    def post_login(
        self, request: HttpRequest, user: User, **kwargs: Any
    ) -> HttpResponse:
        address = access.address_of(request)
        note_login(request, address=address)
        data = {"address": address}
        Event.log("logged in", f"from {address}", actor=user, data=data)
        response: HttpResponse = super().post_login(request, user, **kwargs)
        login_limits.remember_browser(response, user.get_username())
        return response

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Never the host of the request, which its sender chooses."""
        uid, _, secret = key.partition("-")
        return settings.SITE_URL + reverse(
            "account_reset_password_from_key", args=(uid, secret)
        )

    def get_email_confirmation_url(
        self, request: HttpRequest, emailconfirmation: Any
    ) -> str:
        return settings.SITE_URL + reverse(
            "account_confirm_email", args=(emailconfirmation.key,)
        )

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Log the change, and tell the person, whatever browser it came from."""
        what = VERBS.get(template_prefix, "account changed")
        Event.log(what, actor=user)
        if to := email or user.email:
            about = {
                "user": user,
                "what": what,
                "address": access.address_of(self.request),
                "browser": browser_name(self.request.headers.get("User-Agent", "")),
                "now": timezone.now(),
            }
            self.send_mail("account/email/notice", to, about)

    def send_mail(
        self, template_prefix: str, email: str, context: dict[str, Any]
    ) -> None:
        context = {"site_url": settings.SITE_URL, "email": email, **context}
        mail.send(self.render_mail(template_prefix, email, context))
