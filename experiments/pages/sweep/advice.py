"""Suggestions above the charts of a sweep, with one click each, until a person
dismisses them.

A page shows those that are known at once. Others are computed while it is open: a
script asks for them, and there is a page for browsers without scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import urlencode

from experiments import access
from experiments.db.clock import database_now
from experiments.models import Sweep
from experiments.pages.frame import get_or_post, may_steer, sweep_to_read
from experiments.pages.sweep.head import frame
from experiments.search.wording import counted
from experiments.sweeps.advice import (
    Advice,
    advice_of,
    dismiss,
    known_advice,
    not_dismissed,
)
from experiments.sweeps.progress import counts_by_sweep


@dataclass(frozen=True)
class AdviceLink:
    """One suggestion and where its link goes; empty for those who may not change the
    sweep."""

    advice: Advice
    url: str


@dataclass(frozen=True)
class AdviceStrip:
    """``pieces`` is None while they are not computed."""

    url: str
    pieces: Sequence[AdviceLink] | None

    @property
    def title(self) -> str:
        return counted(len(self.pieces or ()), "suggestion")


def advice_strip(
    request: HttpRequest, sweep: Sweep, *, valued: int, steers: bool
) -> AdviceStrip:
    """The strip at the first paint."""
    known = known_advice(sweep, valued=valued)
    pieces = None if known is None else _links(request, sweep, known, steers=steers)
    return AdviceStrip(reverse("sweep_advice", args=(sweep.pk,)), pieces)


def _links(
    request: HttpRequest, sweep: Sweep, found: Sequence[Advice], *, steers: bool
) -> list[AdviceLink]:
    shown = not_dismissed(sweep, access.viewer(request), found)
    return [AdviceLink(each, _url(sweep, each) if steers else "") for each in shown]


def _url(sweep: Sweep, advice: Advice) -> str:
    if advice.to == "simulator":
        return reverse("simulator", args=(sweep.pk,))
    if advice.to == "cancel":
        return reverse("sweep_action", args=(sweep.pk, "cancel"))
    query = urlencode({"clone": str(sweep.pk), "bounds": advice.bounds})
    return f"{reverse('sweep_create')}?{query}"


def advice(request: HttpRequest, pk: int) -> HttpResponse:
    """The strip for ``?part=1``, else a page with it. A form dismisses the ``key`` of
    each suggestion that it shows."""
    sweep = sweep_to_read(request, pk)
    found = advice_of(sweep)
    if request.method == "POST":
        sent = set(request.POST.getlist("key"))
        shown = [piece.key for piece in found if piece.key in sent]
        dismiss(sweep, access.viewer(request), shown)
        return HttpResponse(status=204) if "part" in request.GET else redirect(sweep)
    url = reverse("sweep_advice", args=(sweep.pk,))
    steers = may_steer(request, sweep)
    strip = AdviceStrip(url, _links(request, sweep, found, steers=steers))
    context: dict[str, Any] = {"strip": strip}
    if request.GET.get("part"):
        return render(request, "experiments/sweep/advice.html", context)
    counts = counts_by_sweep([sweep.pk])[sweep.pk]
    context |= frame(request, sweep, counts, now=database_now())
    return render(request, "experiments/sweep/advice_page.html", context)


urlpatterns = [get_or_post("sweeps/<int:pk>/advice/", advice, "sweep_advice")]
