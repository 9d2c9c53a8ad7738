"""The job that sends notifications, and tries again after failures.

A delivery is claimed by postponing it: the UPDATE's row count says who won. If the
process dies, it is due again after that time, with the same id.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from django.db.models import F, Value
from django.db.models.functions import Now

from experiments import encryption, mail
from experiments.models import ChannelKind, NotificationDelivery
from experiments.models.notifications import MAX_ANSWER
from experiments.notifications import messages
from experiments.notifications.outbox import due
from experiments.notifications.recipients import address_new
from experiments.notifications.webhooks import WebhookError, post
from experiments.queues import site_jobs
from experiments.runner.failpoints import failpoint

logger = logging.getLogger(__name__)
Kind = ChannelKind
State = NotificationDelivery.State
PURPOSE = "notification channel"
BATCH = 100
# Longer than any try takes.
CLAIM_SECONDS = 120
# Before each further try, in seconds.
DELAYS: Sequence[int] = (30, 120, 600, 3_600, 21_600)


def send_waiting() -> None:
    """The job. After a failure, the other deliveries of that channel wait as well."""
    address_new()
    failing: set[int] = set()
    rows = due().order_by("due_at", "id")
    for row in rows.select_related("channel__user", "notification__team")[:BATCH]:
        if row.channel_id in failing:
            continue
        if not attempt(row):
            failing.add(row.channel_id)
        if site_jobs.makes_way():
            return


def attempt(row: NotificationDelivery, *, tries_again: bool = True) -> bool:
    """Try to send it once. True: it was sent, another process does it, or too many
    have ended while they did."""
    if row.tries > len(DELAYS):
        answer = "Each process that tried to send it has ended before the answer."
        _settle(row, state=State.FAILED, answer=answer, due_at=None)
        return True
    claimed = NotificationDelivery.objects.filter(
        pk=row.pk, state=State.WAITING, tries=row.tries
    ).update(tries=F("tries") + 1, due_at=_after(CLAIM_SECONDS))
    if not claimed:
        return True
    try:
        answer = _send(row)
    except (WebhookError, mail.MailError) as error:
        _note_failure(row, error, tries_again=tries_again)
        return False
    failpoint("notification.sent")
    _settle(row, state=State.SENT, answer=answer, due_at=None, sent_at=Now())
    return True


def _send(row: NotificationDelivery) -> str:
    """What came of it, in words. Raises WebhookError or MailError."""
    channel, notification = row.channel, row.notification
    if channel.kind == Kind.EMAIL:
        return _send_email(row)
    headers = {"Content-Type": "application/json", "User-Agent": "sweepsite"}
    url = _readable(channel.address)
    if channel.kind == Kind.SLACK:
        return post(url, messages.slack_body(notification), headers)
    body = messages.webhook_body(notification)
    secret = _readable(channel.secret)
    name = messages.webhook_id(row)
    headers |= messages.signed_headers(body, name=name, secret=secret)
    return post(url, body, headers)


def _send_email(row: NotificationDelivery) -> str:
    to = row.channel.user.email if row.channel.user else ""
    if not mail.can_send():
        raise mail.MailError("This site has no mail server.", is_final=True)
    if not to:
        raise mail.MailError("The account has no e-mail address.", is_final=True)
    mail.send_now(messages.email_of(row.notification, to=to, number=row.pk))
    return "The mail server has accepted it."


def _readable(encrypted: str) -> str:
    text = encryption.decrypt(encrypted, purpose=PURPOSE)
    if text is None:
        why = "Its address was encrypted with an unknown secret key. Enter it again."
        raise WebhookError(why, is_final=True)
    return text


def _note_failure(
    row: NotificationDelivery,
    error: WebhookError | mail.MailError,
    *,
    tries_again: bool,
) -> None:
    logger.warning("delivery %s failed: %s", row.pk, error)
    if error.is_final or not tries_again or row.tries >= len(DELAYS):
        _settle(row, state=State.FAILED, answer=str(error), due_at=None)
        return
    _settle(row, answer=str(error), due_at=_after(DELAYS[row.tries]))
    # The next one would wait for the same host.
    due().filter(channel=row.channel_id).update(due_at=_after(DELAYS[0]))


def _settle(row: NotificationDelivery, *, answer: str, **fields: object) -> None:
    rows = NotificationDelivery.objects.filter(pk=row.pk)
    # No database keeps NUL in a text.
    rows.update(answer=answer.replace("\0", "")[:MAX_ANSWER], **fields)


def _after(seconds: float) -> object:
    return Now() + Value(timedelta(seconds=seconds))
