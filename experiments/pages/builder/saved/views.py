"""Routes of saved forms: save while somebody types, discard, restore; and what the
builder's page shows of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.middleware.csrf import get_token
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_http_methods, require_POST

from experiments import access
from experiments.models import Team, User
from experiments.pages.builder.context import new_token
from experiments.pages.builder.fields import DocumentField
from experiments.pages.builder.form import SweepForm
from experiments.pages.builder.saved.forms import (
    VERSION,
    WORDS,
    ChangedElsewhere,
    Difference,
    FormKey,
    NotSaved,
    OpenedForm,
    differences,
)
from experiments.search.document.loading import load_document
from experiments.search.fields import DefinitionError

KEY = re.compile(r"[a-z0-9:]{1,60}")


@login_not_required
@require_http_methods(["GET", "PATCH"])
def saved_form(request: HttpRequest, slug: str, key: str) -> JsonResponse:
    """PATCH saves the entries after a version. GET: the version, and a new token for a
    page that was open during a login."""
    if not isinstance(request.user, User):
        return JsonResponse({"error": "You are logged out."}, status=401)
    form = _key(request, request.user, slug, key)
    if request.method == "GET":
        row = form.current()
        version = row.mark if row else ""
        return JsonResponse({"version": version, "csrf": get_token(request)})
    data = QueryDict(request.body, mutable=True)
    try:
        row = form.save(data, after=data.get(VERSION, ""))
    except ChangedElsewhere as error:
        return JsonResponse(_conflict_answer(error, form, data), status=409)
    except NotSaved as error:
        return JsonResponse({"error": str(error)}, status=422)
    return JsonResponse({"version": row.mark})


@require_POST
def saved_form_discard(request: HttpRequest, slug: str, key: str) -> HttpResponse:
    """Set the entries aside and start empty, or take back what was set aside."""
    form = _key(request, access.viewer(request), slug, key)
    if request.POST.get("do") == "restore":
        try:
            form.restore()
        except ChangedElsewhere as error:
            messages.error(request, f"{error} Nothing was restored.")
    else:
        form.discard()
    back = request.POST.get("back", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    return redirect(back if is_ours else reverse("sweep_create"))


def _key(request: HttpRequest, user: User, slug: str, key: str) -> FormKey:
    """A form of the viewer in one of the teams in which they may create sweeps."""
    teams = access.teams_for(user, roles=access.STEERERS)
    team: Team = access.found_or_404(teams, slug=slug)
    return FormKey(user, team, key if KEY.fullmatch(key) else "new")


Read = Callable[[QueryDict], Mapping[str, Any]]


def _entries(data: QueryDict) -> Mapping[str, Any]:
    return {name: data[name] for name in ("name", "tags", "note") if name in data}


def _conflict_answer(
    error: ChangedElsewhere, key: FormKey, data: QueryDict
) -> dict[str, Any]:
    is_words = key.key.startswith(WORDS)
    read: Read = _entries if is_words else document_of
    context = {"conflict": _conflict(error, read(data), read=read)}
    html = render_to_string("experiments/builder/conflict.html", context)
    # A form that was sent has used its own token up.
    token = "" if error.other else new_token()
    return {"version": error.version, "html": html, "form_token": token}


def _conflict(
    error: ChangedElsewhere,
    document: Mapping[str, Any],
    read: Read,
) -> dict[str, Any]:
    """Both versions for the page; without another one, only that it is gone."""
    other = error.other
    if other is None:
        return {"title": "This form was sent or discarded in another tab."}
    found = _differences(document, read(QueryDict(other.data)))
    return {
        "title": "This form was changed in another tab.",
        "changed_at": other.updated_at,
        "that": "The other tab",
        "differences": found,
    }


def _differences(this: Mapping[str, Any], that: Mapping[str, Any]) -> list[Difference]:
    """Named as the form names its fields."""
    fields = SweepForm.base_fields.values()
    labels = {f.path: str(f.label) for f in fields if isinstance(f, DocumentField)}
    found = differences(this, that)
    return [replace(each, label=labels.get(each.path, "")) for each in found]


def page_values(
    request: HttpRequest,
    opened: OpenedForm,
    document: Mapping[str, Any],
    *,
    stored: Mapping[str, Any] | None = None,
    form: Callable[[QueryDict], SweepForm] = SweepForm,
) -> dict[str, Any]:
    """What the template of the page needs. `stored` is the edited sweep's document if
    it has changed since the page was opened."""
    key, conflict = opened.key, None
    if opened.conflict is not None:
        conflict = _conflict(
            opened.conflict, document, read=lambda data: document_of(data, form)
        )
    elif stored is not None:
        conflict = {
            "title": "The sweep was changed meanwhile.",
            "that": "The sweep now",
            "differences": _differences(document, stored),
            "discards": True,
        }
    route = (key.team.slug, key.key)
    return {
        "saved": opened,
        "saved_url": reverse("saved_form", args=route),
        "discard_url": reverse("saved_form_discard", args=route),
        "back": request.get_full_path(),
        "conflict": conflict,
    }


def document_of(
    data: QueryDict, form: Callable[[QueryDict], SweepForm] = SweepForm
) -> Mapping[str, Any]:
    """The document that entries stand for, whether valid or not."""
    if data.get("yaml_mode") == "1":
        text = data.get("yaml", "")
        try:
            return load_document(text)
        except DefinitionError:
            return {"yaml": text}
    return form(data).document


urlpatterns = [
    path("sweeps/saved/<slug:slug>/<str:key>/", saved_form, name="saved_form"),
    path(
        "sweeps/saved/<slug:slug>/<str:key>/discard/",
        saved_form_discard,
        name="saved_form_discard",
    ),
]
