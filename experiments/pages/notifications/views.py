"""The viewer's notifications: the list, the bell's feed, and reading them."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from experiments import access
from experiments.models import NotificationDelivery
from experiments.notifications.reading import mark_read, notifications_for
from experiments.pages.frame import get, post, whole_number
from experiments.search.wording import counted

PAGE_SIZE = 50
# The bell shows 99+ from there on.
MAX_COUNTED = 100
# What a browser may show at once.
MAX_NEW = 3


def notification_list(request: HttpRequest) -> HttpResponse:
    rows = notifications_for(access.viewer(request)).order_by("-id")
    page = Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page"))
    unread = rows.filter(read_at=None).count()
    context = {"page": page, "unread": unread}
    return render(request, "experiments/notifications/list.html", context)


def notification_feed(request: HttpRequest) -> JsonResponse:
    """How many are not read, and those that are newer than ``?after=``."""
    unread = notifications_for(access.viewer(request)).filter(read_at=None)
    unread = unread.order_by("-id")
    after = whole_number(request.GET.get("after", ""), most_digits=18)
    new = unread.filter(pk__gt=after)[:MAX_NEW] if after is not None else []
    ids = list(unread.values_list("pk", flat=True)[:MAX_COUNTED])
    return JsonResponse(
        {
            "unread": len(ids),
            "newest": ids[0] if ids else 0,
            "new": [_shown(row) for row in new],
        }
    )


def _shown(row: NotificationDelivery) -> dict[str, str]:
    return {
        "title": row.notification.title,
        "message": row.notification.message,
        "url": reverse("notification_open", args=(row.pk,)),
    }


def notification_open(request: HttpRequest, pk: int) -> HttpResponse:
    """Lead to the page that it is about."""
    rows = notifications_for(access.viewer(request))
    row = access.found_or_404(rows, pk=pk)
    mark_read(NotificationDelivery.objects.filter(pk=row.pk))
    return redirect(row.notification.path or "notification_list")


def notifications_read(request: HttpRequest) -> HttpResponse:
    rows: QuerySet[NotificationDelivery] = notifications_for(access.viewer(request))
    read = mark_read(rows)
    messages.success(request, f"Marked {counted(read, 'notification')} as read.")
    return redirect("notification_list")


urlpatterns = [
    get("notifications/", notification_list, "notification_list"),
    get("notifications/feed.json", notification_feed, "notification_feed"),
    post("notifications/read/", notifications_read, "notifications_read"),
    get("notifications/<int:pk>/", notification_open, "notification_open"),
]
