"""E-mail by the site's mail server."""

from __future__ import annotations

import logging
import smtplib
import ssl
from functools import reduce
from threading import Thread
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.mail import EmailMessage

logger = logging.getLogger(__name__)
MAX_SECONDS = 20
LOCAL = ("localhost", "127.0.0.1", "::1")


class MailError(Exception):
    """A message was not sent. ``is_final``: the server does not take it later."""

    def __init__(self, why: str, *, is_final: bool) -> None:
        super().__init__(why)
        self.is_final = is_final


def can_send() -> bool:
    return bool(settings.SMTP_URL)


def send(message: EmailMessage) -> None:
    """Send it after the answer: how long it takes must not tell who has an account."""
    if can_send():
        Thread(target=_send_or_log, args=(message,), daemon=True).start()


def _send_or_log(message: EmailMessage) -> None:
    try:
        send_now(message)
    except MailError as error:
        logger.error("e-mail %r was not sent: %s", message.subject, error)


def send_now(message: EmailMessage) -> None:
    """Raises MailError."""
    try:
        with _server() as server:
            server.send_message(message.message(), message.from_email, message.to)
    except (OSError, smtplib.SMTPException) as error:
        # An address is personal, so it is not in the log.
        why = reduce(lambda text, to: text.replace(to, "…"), message.to, str(error))
        raise MailError(why, is_final=_is_final(error)) from error


def _is_final(error: Exception) -> bool:
    if not isinstance(error, smtplib.SMTPRecipientsRefused):
        return False
    return all(code >= 500 for code, _ in error.recipients.values())


def _server() -> smtplib.SMTP:
    """Encrypted, except on this machine."""
    url = urlsplit(settings.SMTP_URL)
    host, trusted = url.hostname or "localhost", ssl.create_default_context()
    server: smtplib.SMTP
    if url.scheme == "smtps":
        server = smtplib.SMTP_SSL(
            host, url.port or 465, timeout=MAX_SECONDS, context=trusted
        )
    else:
        server = smtplib.SMTP(host, url.port or 587, timeout=MAX_SECONDS)
        if host not in LOCAL:
            server.starttls(context=trusted)
    if url.username:
        server.login(unquote(url.username), unquote(url.password or ""))
    return server
