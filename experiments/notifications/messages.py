"""A notification as each kind of channel gets it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from email.utils import parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage

from experiments.models import Notification, NotificationDelivery, NotificationKind

# Of a secret, as the standard says.
PREFIX = "whsec_"
FOOT = "You get this because of your settings: {url}"
# The page of a person's settings.
SETTINGS = "/settings/notifications/"
TYPES: Mapping[str, str] = {
    NotificationKind.FINISHED: "sweep.finished",
    NotificationKind.FAILED: "sweep.failed",
    NotificationKind.STUCK: "sweep.stuck",
    NotificationKind.BEST: "sweep.best",
    NotificationKind.QUOTA: "team.quota",
    NotificationKind.TOKEN: "token.ends",
    NotificationKind.BACKUP: "backup.old",
    NotificationKind.TEST: "test",
}


def url_of(notification: Notification) -> str:
    return settings.SITE_URL + notification.path if notification.path else ""


def email_of(notification: Notification, *, to: str, number: int) -> EmailMessage:
    """``number``: of the delivery. A message that comes twice has the same id."""
    parts = [notification.message, url_of(notification)]
    foot = FOOT.format(url=settings.SITE_URL + SETTINGS)
    text = "\n\n".join(filter(None, [*parts, f"--\n{foot}"]))
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    headers = {
        "Message-ID": f"<notification-{number}@{domain}>",
        "Auto-Submitted": "auto-generated",
    }
    subject = f"sweepsite: {' '.join(notification.title.split())}"
    return EmailMessage(
        subject, f"{text}\n", settings.DEFAULT_FROM_EMAIL, [to], headers=headers
    )


# Not that of an e-mail address.
MENTION = re.compile(r"(?<!\w)@")


def slack_body(notification: Notification) -> bytes:
    """Slack, Mattermost, Rocket.Chat, Zulip, Google Chat and Discord read it."""
    lines = [f"*{_escaped(notification.title)}*", _escaped(notification.message)]
    if url := url_of(notification):
        lines.append(f"<{url}|Open>")
    return json.dumps({"text": "\n".join(filter(None, lines))}).encode()


def _escaped(text: str) -> str:
    """Without a mention of anybody, whatever name a sweep has: ``<!channel>`` of Slack,
    and ``@all`` of the others, which an invisible character ends."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return MENTION.sub("@\u200b", text)


def webhook_body(notification: Notification) -> bytes:
    data: dict[str, Any] = {
        "title": notification.title,
        "message": notification.message,
        "url": url_of(notification) or None,
        "team": notification.team.slug if notification.team else None,
        "experiment": notification.experiment_id,
        "sweep": notification.sweep_id,
    }
    moment = notification.created_at.isoformat().replace("+00:00", "Z")
    document = {"type": TYPES[notification.kind], "timestamp": moment, "data": data}
    return json.dumps(document).encode()


def webhook_id(delivery: NotificationDelivery) -> str:
    """The same for each try, so that a receiver can drop one that comes twice, and
    another one on each site, also after a restore."""
    made = f"{delivery.pk} {delivery.notification.created_at.isoformat()}"
    return f"msg_{hashlib.sha256(made.encode()).hexdigest()[:24]}"


def signed_headers(body: bytes, *, name: str, secret: str) -> dict[str, str]:
    """As https://www.standardwebhooks.com says; `name` is the message's id."""
    moment = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix(PREFIX))
    text = f"{name}.{moment}.".encode() + body
    signature = base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode()
    return {
        "webhook-id": name,
        "webhook-timestamp": moment,
        "webhook-signature": f"v1,{signature}",
    }
