"""The report of a sweep: what it has, the file, its links, and what a link shows."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from experiments import access
from experiments.models import ReportLink, Sweep
from experiments.models.fields import VisibleTextForm
from experiments.pages.frame import (
    Confirmation,
    act,
    ask,
    get,
    get_or_post,
    may_steer,
    sweep_to_read,
    sweep_to_steer,
)
from experiments.reports.file import cached_report_html, report_headers, report_html
from experiments.reports.links import (
    DEFAULT_DAYS,
    PARTS,
    USUAL_PARTS,
    ReportLinkOver,
    ReportLinkRefused,
    days_to_choose,
    make_link,
    open_links,
    opened_link,
    revoke_link,
)
from experiments.search.wording import counted
from experiments.tracking.downloads import note_download


class ReportLinkForm(VisibleTextForm, forms.Form):
    meant_for = forms.CharField(
        label="For",
        required=False,
        max_length=100,
        help_text="A name, for this list and the audit log.",
    )
    days = forms.TypedChoiceField(label="Link works for", coerce=int)
    parts = forms.MultipleChoiceField(
        label="Also show",
        required=False,
        choices=list(PARTS.items()),
        initial=USUAL_PARTS,
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        days = days_to_choose()
        field = self.fields["days"]
        field.choices = [(n, counted(n, "day")) for n in days]  # type: ignore[attr-defined]
        field.initial = max((n for n in days if n <= DEFAULT_DAYS), default=None)


def sweep_report(request: HttpRequest, pk: int) -> HttpResponse:
    """The page to download the report, and to make and revoke links."""
    sweep = sweep_to_read(request, pk)
    form = ReportLinkForm(request.POST or None)
    if request.method != "POST":
        return _page(request, sweep, form)
    sweep_to_steer(request, pk)
    if not form.is_valid():
        return _page(request, sweep, form, status=422)
    try:
        made, link = make_link(sweep, actor=access.viewer(request), **form.cleaned_data)
    except ReportLinkRefused as refusal:
        form.add_error(None, str(refusal))
        return _page(request, sweep, form, status=409)
    context = {"sweep": sweep, "made": made, "link": link}
    return render(request, "experiments/reports/link_made.html", context)


def _page(
    request: HttpRequest, sweep: Sweep, form: ReportLinkForm, *, status: int = 200
) -> HttpResponse:
    steers = may_steer(request, sweep)
    links = open_links(sweep) if steers else ()
    context = {
        "sweep": sweep,
        "form": form,
        "parts": PARTS.items(),
        "usual": USUAL_PARTS,
        "can_steer": steers,
        "can_link": steers and bool(days_to_choose()),
        "links": [(link, [PARTS[part] for part in link.parts]) for link in links],
    }
    return render(request, "experiments/reports/page.html", context, status=status)


def report_file(request: HttpRequest, pk: int) -> HttpResponse:
    """The file with each ``?part=``; as a download with ``?download=1``."""
    sweep = sweep_to_read(request, pk)
    note_download(
        request, "report downloaded", actor=access.viewer(request), about=sweep
    )
    return HttpResponse(
        report_html(sweep, request.GET.getlist("part")),
        headers=report_headers(sweep.label, as_download="download" in request.GET),
    )


def report_link_revoke(request: HttpRequest, pk: int, link_pk: int) -> HttpResponse:
    sweep = sweep_to_steer(request, pk)
    link: ReportLink = access.found_or_404(open_links(sweep), pk=link_pk)
    page = reverse("sweep_report", args=(pk,))
    if request.method != "POST":
        return ask(request, _revocation(link, page))

    def revoke() -> str:
        revoke_link(link, actor=access.viewer(request))
        return "Revoked the report link."

    return act(request, page, revoke)


def _revocation(link: ReportLink, page: str) -> Confirmation:
    named = f" for {link.meant_for}" if link.meant_for else ""
    return Confirmation(
        confirm_id=f"report-link-{link.pk}",
        title=f"Revoke the report link{named}?",
        text="People who have it can no longer open the report.",
        rows=[
            ("sweep", str(link.sweep)),
            ("made by", str(link.created_by or "a former account")),
        ],
        action=reverse("report_link_revoke", args=(link.sweep_id, link.pk)),
        verb="Revoke link",
        keep="Keep link",
        keep_url=page,
    )


@login_not_required
def shared_report(request: HttpRequest, secret: str) -> HttpResponse:
    """What a link shows, to anybody: the report, and nothing else of the site."""
    try:
        link = opened_link(secret)
    except ReportLinkOver:
        return render(request, "experiments/reports/link_over.html", status=404)
    return HttpResponse(
        cached_report_html(link.sweep, link.parts),
        headers=report_headers(link.sweep.label, as_download=False),
    )


urlpatterns = [
    get_or_post("sweeps/<int:pk>/report/", sweep_report, "sweep_report"),
    get("sweeps/<int:pk>/report.html", report_file, "sweep_report_file"),
    get_or_post(
        "sweeps/<int:pk>/report/links/<int:link_pk>/revoke/",
        report_link_revoke,
        "report_link_revoke",
    ),
    get("shared/<str:secret>/", shared_report, "shared_report"),
]
