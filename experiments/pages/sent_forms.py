"""A form that is sent after the session has ended: it is sent again after the login.

Until then its data is in the login page, or in the browser's tab during a login by the
provider, not in the database: nobody who is not logged in can store anything.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

SENT, SENT_AT = "sent_form", "sent_form_at"
MAX_SENT = 2 << 20
# How long after the login it is still sent.
MAX_AGE_SECONDS = 600
# Which page's form it is, and whether files came with it.
ADDRESS, HAD_FILES = "sent_to", "sent_files"
SECRET = "csrfmiddlewaretoken"  # noqa: S105
FILES_GONE = (
    "The files that you chose were not kept while you logged in. Choose them again."
)
TOO_LATE = (
    "The form that you sent before you logged in was not sent: it waits 10 minutes for"
    " its page."
)
OTHER_PERSON = (
    "The form was of another account, so it was not sent. Log in as that person to"
    " send it."
)

View = Callable[..., HttpResponseBase]


def sent_again_after_login(view: View) -> View:
    """For the view of a form: a POST without a session is done after the login."""

    @login_not_required
    @functools.wraps(view)
    def wrapped(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.user.is_authenticated:
            _take_up(request)
            return view(request, *args, **kwargs)
        if request.method == "POST":
            return _login_page(request)
        return redirect_to_login(request.get_full_path())

    return wrapped


def plain_data(data: QueryDict) -> QueryDict:
    """A copy without the token that protects the form."""
    plain = data.copy()
    plain.pop(SECRET, None)
    return plain


def _login_page(request: HttpRequest) -> HttpResponse:
    data = plain_data(request.POST)
    data[ADDRESS] = request.get_full_path()
    if any(request.FILES.values()):
        data[HAD_FILES] = "1"
    sent = data.urlencode()
    is_too_large = len(sent) > MAX_SENT
    context = {
        "form": AuthenticationForm(),
        **login_choices(request.get_full_path(), "" if is_too_large else sent),
        "is_too_large": is_too_large,
    }
    return render(request, "account/login.html", context, status=401)


def login_choices(to: str, sent: str) -> dict[str, Any]:
    """What the login page offers, and what it carries."""
    return {
        "next": to,
        "sent": sent,
        "provider": settings.SSO.name if settings.SSO.url else "",
        "passwords": settings.PASSWORD_LOGIN,
    }


def send_kept(request: HttpRequest) -> HttpResponse:
    """After a login by the provider: the browser has the form, and sends it here."""
    to = request.POST.get("next", request.GET.get("next", ""))
    if not url_has_allowed_host_and_scheme(to, allowed_hosts={request.get_host()}):
        to = reverse("home")
    if request.method != "POST":
        return render(request, "account/send_kept.html", {"next": to})
    keep_sent(request)
    return redirect(to)


def keep_sent(request: HttpRequest) -> None:
    """After a login: keep what the login page carried for the next request."""
    sent = request.POST.get(SENT, "")
    if 0 < len(sent) <= MAX_SENT:
        request.session[SENT], request.session[SENT_AT] = sent, time.time()


def _take_up(request: HttpRequest) -> None:
    """Make the request the one that met the login page, once and soon after."""
    if request.method != "GET" or SENT not in request.session:
        return
    data = QueryDict(request.session[SENT], mutable=True)
    is_late = time.time() - request.session.get(SENT_AT, 0) > MAX_AGE_SECONDS
    if data.get(ADDRESS) != request.get_full_path() and not is_late:
        return
    del request.session[SENT]
    if is_late:
        messages.warning(request, TOO_LATE)
        return
    if data.get("person") != str(request.user.pk):
        messages.error(request, OTHER_PERSON)
        return
    if data.get(HAD_FILES):
        messages.warning(request, FILES_GONE)
        data["do"] = "update"
    request.FILES  # noqa: B018 - read while this is a GET: it has none.
    request.POST, request.method = data, "POST"  # type: ignore[assignment]
