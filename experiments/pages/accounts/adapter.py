"""What django-allauth asks this site: where links lead, which e-mails are sent, and
what follows a login."""

from __future__ import annotations

import logging
import time
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.account.internal.stagekit import clear_login
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import generate_totp_secret
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from experiments import access, encryption, mail
from experiments.models import Event, User
from experiments.pages import login_limits
from experiments.pages.accounts import gate
from experiments.pages.sessions import browser_name, note_login

logger = logging.getLogger(__name__)

# What allauth's templates would say, in words of this site.
SENTENCES = {
    "account/messages/email_confirmation_sent.txt": (
        "Sent an e-mail to {email}. Open its link to confirm the address."
    ),
    "account/messages/email_confirmed.txt": "Confirmed {email}.",
    "account/messages/email_confirmation_failed.txt": (
        "{email} was not confirmed: another account has it."
    ),
}
# Logged by experiments/pages/accounts/email, which knows both addresses.
EMAIL_CHANGED = "account/email/email_changed"
# The event of each change that allauth tells the person about by e-mail.
VERBS = {
    "account/email/password_reset": "password reset",
    EMAIL_CHANGED: "e-mail address changed",
    "mfa/email/totp_activated": "authenticator app added",
    "mfa/email/totp_deactivated": "authenticator app removed",
    "mfa/email/webauthn_added": "passkey added",
    "mfa/email/webauthn_removed": "passkey removed",
    "mfa/email/recovery_codes_generated": "recovery codes made",
}
# The steps of a login, as the audit log names them.
STEPS = {
    "password_reset": "link",
    "totp": "app code",
    "recovery_codes": "recovery code",
    "webauthn": "passkey",
}


# Of what is encrypted.
PURPOSE = "second factor"


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

    def get_reauthentication_methods(self, user: User) -> list[dict[str, Any]]:
        """The second factor of a person who has one: a stolen session and a guessed
        password must not be enough to remove it."""
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        factors = [method for method in methods if method["id"] != "reauthenticate"]
        again = {
            "id": "login_again",
            "description": "Log in again",
            "url": reverse("login_again"),
        }
        return factors or methods or [again]

    def set_password(self, user: User, password: str) -> None:
        user.must_change_password = False
        super().set_password(user, password)

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

    def pre_login(
        self, request: HttpRequest, user: User, **kwargs: Any
    ) -> HttpResponse | None:
        """A service account never logs in, even if it was given a password."""
        if user.service_team_id is None:
            answer: HttpResponse | None = super().pre_login(request, user, **kwargs)
            return answer
        clear_login(request)
        return self.respond_user_inactive(request, user)  # type: ignore[no-any-return]

    def post_login(
        self, request: HttpRequest, user: User, **kwargs: Any
    ) -> HttpResponse:
        address = access.address_of(request)
        note_login(request, address=address)
        gate.note_duties(request, user)
        method = _login_method(request, user)
        data = {"address": address, "method": method}
        Event.log("logged in", f"by {method}, from {address}", actor=user, data=data)
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

    def get_email_verification_redirect_url(self, email_address: Any) -> str:
        return reverse("account_email")

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Log the change, and tell the person, whatever browser it came from."""
        what = VERBS.get(template_prefix, "account changed")
        if template_prefix != EMAIL_CHANGED:
            Event.log(what, actor=user, about=user)
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


def _login_method(request: HttpRequest, user: User) -> str:
    """The steps of this login, such as ``password and app code``."""
    steps: list[str] = []
    for record in reversed(get_authentication_records(request, user)):
        method = record["method"]
        is_factor = method == "mfa"
        if method == "socialaccount":
            steps.insert(0, f"single sign-on {settings.SSO.name}")
        else:
            steps.insert(0, STEPS.get(record["type"] if is_factor else method, method))
        if not is_factor or record.get("passwordless"):
            break
    return " and ".join(steps) or "unknown"


class FactorAdapter(DefaultMFAAdapter):
    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "This is not the right code, or it is too old.",
        "cannot_delete_authenticator": (
            "You need a second factor here. Add another one before you remove this one."
        ),
    }

    def encrypt(self, text: str) -> str:
        return encryption.encrypt(text, purpose=PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        text = encryption.decrypt(encrypted_text, purpose=PURPOSE)
        if text is None:
            # No code fits: an administrator removes the factor.
            logger.error("a second factor was encrypted with an unknown secret key")
            return str(generate_totp_secret())
        return text

    def can_delete_authenticator(self, authenticator: Any) -> bool:
        user = authenticator.user
        rest = user.authenticator_set.exclude(type="recovery_codes")
        is_last = not rest.exclude(pk=authenticator.pk).exists()
        return not (is_last and user.second_factor_required_by)

    def get_totp_label(self, user: User) -> str:
        return str(user.get_username())

    def generate_authenticator_name(self, user: User, type: str) -> str:
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return "Passkey" if number == 1 else f"Passkey {number}"
