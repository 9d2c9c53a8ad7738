"""The builder: the form that makes a sweep, as fields and as YAML."""

from __future__ import annotations

import re

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from experiments import access, snapshots
from experiments.models.sweeps import SweepState
from experiments.pages.builder.bench import Bench, bench_for_new, new_token
from experiments.pages.builder.drafts import (
    AlreadyStarted,
    DraftChanged,
    draft_mark,
    submit_once,
)
from experiments.pages.builder.page import page_context, preview_answer
from experiments.pages.builder.sheet import Sheet, posted_sheet
from experiments.pages.code_files import KeptFiles, keep_files
from experiments.pages.sweep.permission import may_steer, sweep_to_read
from experiments.search.problems import DefinitionError

START, SAVE = "start", "save"
TOKEN = re.compile(r"[A-Za-z0-9_-]{8,64}")


@never_cache
@require_http_methods(["GET", "POST"])
def sweep_create(request: HttpRequest) -> HttpResponse:
    """A new sweep: empty, for an experiment, or a copy of another."""
    bench = bench_for_new(request)
    if not bench.may_create:
        return _refused(request, bench)
    return _work(request, bench)


@never_cache
@require_http_methods(["GET", "POST"])
def sweep_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """A draft, to be changed or started."""
    sweep = sweep_to_read(request, pk)
    bench = Bench(sweep.experiment.team, access.viewer(request), draft=sweep)
    if not may_steer(request, sweep):
        return _refused(request, bench)
    if sweep.state != SweepState.DRAFT:
        return _gone_on(request, AlreadyStarted(sweep))
    return _work(request, bench)


@require_POST
def sweep_preview(request: HttpRequest) -> HttpResponse:
    """What the form says, checked and drawn from, as JSON. Nothing is stored."""
    bench = bench_for_new(request)
    if not bench.may_create:
        return JsonResponse({"error": "Only members may create sweeps."}, status=403)
    sheet = posted_sheet(bench, request.POST)
    return JsonResponse(preview_answer(sheet))


@require_POST
def sweep_files(request: HttpRequest) -> HttpResponse:
    """Keep files of code as soon as they are chosen."""
    bench = bench_for_new(request)
    if not bench.may_create:
        return JsonResponse({"error": "Only members may add files."}, status=403)
    paths = request.POST.get("paths", "")
    files = request.FILES.getlist("files")
    try:
        kept = keep_files(bench.team, files, paths=paths, user=bench.user)
    except snapshots.CodeError as error:
        return JsonResponse({"error": str(error)}, status=422)
    shown = KeptFiles.of(kept)
    return JsonResponse(
        {"digest": shown.digest, "names": shown.names, "size": shown.size}
    )


def _work(request: HttpRequest, bench: Bench) -> HttpResponse:
    if request.method == "GET":
        return _page(request, Sheet(bench, bench.first_entries()))
    sheet = posted_sheet(bench, request.POST)
    files, paths = request.FILES.getlist("files"), request.POST.get("paths", "")
    sheet = sheet.with_files(files, paths)
    do = request.POST.get("do", "update")
    if do not in (START, SAVE):
        return _page(request, sheet.after(do))
    sheet = sheet.with_yaml_applied().asked()
    if not sheet.is_right:
        return _page(request, sheet, status=422)
    return _submitted(request, sheet, start=do == START)


def _submitted(request: HttpRequest, sheet: Sheet, *, start: bool) -> HttpResponse:
    bench, definition = sheet.bench, sheet.check.definition
    if definition is None:
        return _page(request, sheet, status=422)
    try:
        sweep = submit_once(
            bench.team,
            definition,
            user=bench.user,
            token=_token(request),
            start=start,
            draft=bench.draft,
            seen=request.POST.get("seen", ""),
            try_first=tries_first(request),
        )
    except AlreadyStarted as error:
        return _gone_on(request, error)
    except DraftChanged as error:
        messages.error(request, str(error))
        return _page(request, sheet, status=409)
    except DefinitionError as error:
        # A pool or files that went away between the check and the insert.
        messages.error(request, str(error))
        return _page(request, sheet, status=422)
    if start:
        first = " with one configuration; the others follow when it has reported."
        how = first if tries_first(request) else "."
        messages.success(request, f"{sweep} has started{how}")
        return redirect(sweep)
    messages.success(request, f"Draft {sweep} is saved.")
    return redirect("sweep_edit", pk=sweep.pk)


def _page(request: HttpRequest, sheet: Sheet, *, status: int = 200) -> HttpResponse:
    context = page_context(sheet, token=_token(request))
    context["seen"] = _seen(request, sheet.bench, anew=status == 409)
    context["try_first"] = request.method == "GET" or tries_first(request)
    return render(request, "experiments/builder/page.html", context, status=status)


def _seen(request: HttpRequest, bench: Bench, *, anew: bool) -> str:
    """The mark of the draft that the form was opened with; ``anew``, as it is now."""
    if bench.draft is None:
        return ""
    posted = "" if anew else request.POST.get("seen", "")
    return posted or draft_mark(bench.draft)


def tries_first(request: HttpRequest) -> bool:
    """Whether one configuration is tried before all others."""
    return "try_first" in request.POST


def _token(request: HttpRequest) -> str:
    """The form's one-time token; a new one where the form has none."""
    token = request.POST.get("form_token", "")
    return token if TOKEN.fullmatch(token) else new_token()


def _refused(request: HttpRequest, bench: Bench) -> HttpResponse:
    context = {"team": bench.team}
    template = "experiments/builder/refused.html"
    return render(request, template, context, status=403)


def _gone_on(request: HttpRequest, error: AlreadyStarted) -> HttpResponseRedirect:
    """To the sweep that is no draft any more."""
    sweep = error.sweep
    messages.info(
        request,
        f"{sweep} is {sweep.state} already. Only a draft can be changed; a copy of it "
        "can be made at any time.",
    )
    return redirect(sweep)


urlpatterns = [
    path("sweeps/new/", sweep_create, name="sweep_create"),
    path("sweeps/new/preview/", sweep_preview, name="sweep_preview"),
    path("sweeps/new/files/", sweep_files, name="sweep_files"),
    path("sweeps/<int:pk>/edit/", sweep_edit, name="sweep_edit"),
]
