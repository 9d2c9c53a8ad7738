"""The viewer's own page: name, teams, tokens and sessions."""

from __future__ import annotations

from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBadRequest,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from experiments import access
from experiments.accounts.export import export_of
from experiments.models import BrowserSession, Event, Membership, User
from experiments.models.fields import VisibleTextForm
from experiments.pages.accounts.two_factor import second_factors
from experiments.pages.frame import Confirmation, after_recent_login, form_page
from experiments.pages.teams.summary import leave_question
from experiments.pages.teams.tokens import tokens_card

Role = Membership.Role
AREAS = (
    *("Africa/", "America/", "Antarctica/", "Asia/", "Atlantic/", "Australia/"),
    *("Europe/", "Indian/", "Pacific/"),
)


def zone_choices() -> list[tuple[str, str]]:
    """Names such as Europe/Stockholm, which browsers know as well."""
    names = sorted(n for n in available_timezones() if n.startswith(AREAS))
    return [("", "UTC"), *((name, name.replace("_", " ")) for name in names)]


class ProfileForm(VisibleTextForm, forms.ModelForm):  # type: ignore[type-arg]
    time_zone = forms.ChoiceField(
        required=False,
        choices=zone_choices,
        help_text="Pages show times in it.",
    )

    class Meta:
        model = User
        fields = ("first_name", "last_name", "time_zone", "theme")


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
        memberships=own_memberships(user),
        tokens=tokens_card(user),
        sessions=BrowserSession.valid_for(user),
        this_session=request.session.session_key,
        lifetime=settings.SESSION_COOKIE_AGE,
        idle=settings.SESSION_IDLE.total_seconds(),
        factors=second_factors(user),
        back=request.path,
    )


def own_memberships(user: User) -> list[tuple[Membership, Confirmation | None]]:
    """With the question before the viewer leaves; None for the only admin."""
    admins = Membership.objects.filter(team=OuterRef("team"), role=Role.ADMIN)
    others = Exists(admins.exclude(user=user))
    rows = user.memberships.select_related("team").annotate(has_others=others)
    return [
        (row, leave_question(row.team))
        if row.role != Role.ADMIN or row.has_others
        else (row, None)
        for row in rows.order_by("team__name")
    ]


def theme(request: HttpRequest) -> HttpResponse:
    """The choice in the menu of the account; it is for all browsers."""
    user, chosen = access.viewer(request), request.POST.get("theme", "")
    if chosen not in User.Theme.values:
        return HttpResponseBadRequest("theme is light, dark or system.")
    User.objects.filter(pk=user.pk).update(theme=chosen)
    back = request.headers.get("Referer", "")
    own = url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()})
    return redirect(back if own else "profile")


@after_recent_login
def export(request: HttpRequest) -> HttpResponseBase:
    user = access.viewer(request)
    Event.log("own data exported", actor=user, about=user)
    answer = StreamingHttpResponse(export_of(user), content_type="application/json")
    answer["Content-Disposition"] = f'attachment; filename="sweepsite-{user.pk}.json"'
    return answer


@after_recent_login
def sessions_end(request: HttpRequest) -> HttpResponse:
    """End one of the viewer's sessions, or all others."""
    user = access.viewer(request)
    others = BrowserSession.valid_for(user).exclude(pk=request.session.session_key)
    chosen = request.POST.get("end", "")
    keys = [row.pk for row in others if chosen in ("others", row.public_id)]
    BrowserSession.objects.filter(pk__in=keys).delete()
    Event.log("sessions ended", f"{len(keys)} of their own", actor=user)
    ended = "1 session" if len(keys) == 1 else f"{len(keys)} sessions"
    messages.success(request, f"Ended {ended}.")
    return redirect("profile")
