"""The builder: the form that makes a sweep, as fields and as YAML."""

from __future__ import annotations

import re
from typing import Any

from django.contrib import messages
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    QueryDict,
)
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_POST

from experiments import access
from experiments.code import snapshots
from experiments.models import Sweep, Team
from experiments.models.sweeps import SweepState
from experiments.pages.builder import started
from experiments.pages.builder.buttons import Builder
from experiments.pages.builder.code.fields import KeptFiles, keep_files
from experiments.pages.builder.code.offers import proposed_command
from experiments.pages.builder.context import FormContext, context_for_new, new_token
from experiments.pages.builder.drafts import sent_with, submit_once
from experiments.pages.builder.page import button_answer, page_context, preview_answer
from experiments.pages.builder.saved import template_views
from experiments.pages.builder.saved import views as saved_views
from experiments.pages.builder.saved.forms import (
    ChangedElsewhere,
    NotSaved,
    OpenedForm,
    entries_of_draft,
    form_key,
    keep_for_copy,
    opened_form,
)
from experiments.pages.frame import sweep_to_read
from experiments.pages.sent_forms import sent_again_after_login
from experiments.search.document.definition import SweepDefinition
from experiments.search.fields import DefinitionError
from experiments.sweeps.editing import AlreadyStarted, Conflict, draft_mark, version_of

START, SAVE = "start", "save"
TOKEN = re.compile(r"[A-Za-z0-9_-]{8,64}")


@sent_again_after_login
@require_http_methods(["GET", "POST"])
def sweep_create(request: HttpRequest) -> HttpResponse:
    """A new sweep: empty, in an experiment, or a copy of another one."""
    context = context_for_new(request)
    if not context.may_create:
        return _refused(request, context.team)
    return _work(request, context)


@sent_again_after_login
@require_http_methods(["GET", "POST"])
def sweep_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change or start a draft, or change a sweep that has started."""
    sweep = sweep_to_read(request, pk)
    context = _context_of(request, sweep)
    if not context.may_create:
        return _refused(request, context.team)
    if context.draft is None and request.method == "GET":
        _offer_entries(request, sweep)
    if sweep.has_ended and request.method == "GET":
        return render(request, "experiments/builder/ended.html", {"sweep": sweep})
    is_draft_form = request.method == "POST" and started.VERSION not in request.POST
    if context.started is not None and is_draft_form:
        return _already_started(request, sweep)
    return _work(request, context)


def _context_of(request: HttpRequest, sweep: Sweep) -> FormContext:
    team, user = sweep.experiment.team, access.viewer(request)
    if sweep.state == SweepState.DRAFT:
        return FormContext(team, user, draft=sweep)
    return FormContext(team, user, started=sweep)


@require_POST
def sweep_preview(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """A check and a preview of the form as JSON, perhaps after a button. No sweep is
    stored."""
    if pk is None:
        context = context_for_new(request)
    else:
        context = _context_of(request, sweep_to_read(request, pk))
    if not context.may_create:
        return JsonResponse({"error": "Only members may create sweeps."}, status=403)
    page, do = Builder.from_post(context, request.POST), request.POST.get("do", "")
    return JsonResponse(button_answer(page, do) if do else preview_answer(page))


@require_POST
def sweep_files(request: HttpRequest) -> HttpResponse:
    """Store code files as soon as they are chosen."""
    context = context_for_new(request)
    if not context.may_create:
        return JsonResponse({"error": "Only members may add files."}, status=403)
    paths = request.POST.get("paths", "")
    files = request.FILES.getlist("files")
    try:
        kept = keep_files(context.team, files, paths=paths, user=context.user)
    except snapshots.SnapshotError as error:
        return JsonResponse({"error": str(error)}, status=422)
    command = proposed_command(kept, request.POST.get("command", ""))
    return JsonResponse({**vars(KeptFiles.of(kept)), "command": command})


def _work(request: HttpRequest, context: FormContext) -> HttpResponse:
    if request.method == "GET":
        return _opened(request, context)
    files, paths = request.FILES.getlist("files"), request.POST.get("paths", "")
    page = Builder.from_post(context, request.POST).with_files(files, paths=paths)
    do = request.POST.get("do", "update")
    if do in (template_views.SAVE_TEMPLATE, template_views.REPLACE_TEMPLATE):
        asked = template_views.save_from_form(request, page, do=do)
        return _shown(request, page, **asked)
    if do not in (START, SAVE):
        return _shown(request, page.after(do))
    page = page.asked()
    definition = page.form.definition
    if page.yaml is not None or definition is None:
        return _shown(request, page, status=422)
    return _submitted(request, page, definition, start=do == START)


def _opened(request: HttpRequest, context: FormContext) -> HttpResponse:
    """The page with what was entered before, if anything was."""
    opened = opened_form(request, context)
    try:
        if opened.data is not None:
            page = Builder.from_post(context, opened.data)
        else:
            page = Builder(context, context.first_form())
    except DefinitionError as error:
        if context.template is None:
            raise
        # Its files cannot be stored.
        words = f"Template {context.template.name} was not opened. {error}"
        messages.error(request, words)
        return redirect("sweep_create")
    return _shown(request, page, opened=opened)


def _submitted(
    request: HttpRequest, page: Builder, definition: SweepDefinition, *, start: bool
) -> HttpResponse:
    context = page.context
    try:
        if context.started is not None:
            return _changed(request, context.started, page, definition)
        sweep = submit_once(
            context.team,
            definition,
            user=context.user,
            token=_token(request),
            start=start,
            draft=context.draft,
            seen=request.POST.get("seen", ""),
            try_first=tries_first(request.POST),
            end_form=lambda: form_key(context).end(request.POST),
        )
    except AlreadyStarted as error:
        return _already_started(request, error.sweep)
    except ChangedElsewhere:
        return _shown(request, page)
    except started.NotChecked as error:
        return _shown(request, page, checked=error.mark)
    except (Conflict, DefinitionError) as error:
        # Somebody else's change, or a pool or files that went away since the check.
        messages.error(request, str(error))
        status = 409 if isinstance(error, Conflict) else 422
        return _shown(request, page, status=status)
    if start:
        first = " with one configuration. The others follow when it has reported."
        how = first if tries_first(request.POST) else "."
        messages.success(request, f"{sweep} started{how}")
        return redirect(sweep)
    messages.success(request, f"Saved draft {sweep}.")
    return redirect("sweep_edit", pk=sweep.pk)


def _changed(
    request: HttpRequest, sweep: Sweep, page: Builder, definition: SweepDefinition
) -> HttpResponse:
    if started.save_changes(page.context, definition, request.POST):
        messages.success(request, f"Changed {sweep}.")
    else:
        messages.info(request, f"Nothing differs from {sweep} as it is now.")
    return redirect(sweep)


def _shown(
    request: HttpRequest,
    page: Builder,
    *,
    status: int = 200,
    opened: OpenedForm | None = None,
    **more: Any,
) -> HttpResponse:
    context, opened = page.context, opened or opened_form(request, page.context)
    values = page_context(page.tidied(), token=_token(request))
    entered = opened.data if request.method == "GET" else request.POST
    values["seen"] = _seen(entered, context, anew=status == 409)
    values["try_first"] = entered is None or tries_first(entered)
    stored = context.first_form().document if status == 409 else None
    document = page.form.document
    values |= saved_views.page_values(
        *(request, opened, document), stored=stored, form=context.form
    )
    values |= {**template_views.menu_values(context), **more}
    status = 409 if opened.conflict else status
    return render(request, "experiments/builder/page.html", values, status=status)


def _seen(entered: QueryDict | None, context: FormContext, *, anew: bool) -> str:
    """The mark of the edited sweep as the form was opened; ``anew``: as it is now."""
    if context.started is not None:
        opened = entered.get(started.VERSION, "") if entered and not anew else ""
        return opened or version_of(context.started)
    if context.draft is None:
        return ""
    seen = "" if anew or entered is None else str(entered.get("seen", ""))
    return seen or draft_mark(context.draft)


def tries_first(data: QueryDict) -> bool:
    """Whether one configuration is tested before all others."""
    return "try_first" in data


def _token(request: HttpRequest) -> str:
    """The form's one-time token; a new one if the form has none."""
    token = request.POST.get("form_token", "")
    return token if TOKEN.fullmatch(token) else new_token()


def _refused(request: HttpRequest, team: Team) -> HttpResponse:
    template = "experiments/builder/refused.html"
    return render(request, template, {"team": team}, status=403)


def _already_started(request: HttpRequest, sweep: Sweep) -> HttpResponseRedirect:
    user = access.viewer(request)
    words = (
        f"{sweep} is already {sweep.state}, so the form of its draft was not stored."
    )
    if request.method == "POST" and not sent_with(_token(request), user).exists():
        try:
            keep_for_copy(request.POST, sweep, user)
        except (ChangedElsewhere, NotSaved) as error:
            words += f" {error}"
        else:
            had = f"{sweep} was started meanwhile. This copy of it has your entries."
            messages.warning(request, had)
            return HttpResponseRedirect(_copy_url(sweep))
    messages.info(request, words)
    return redirect(sweep)


def _offer_entries(request: HttpRequest, sweep: Sweep) -> None:
    """What the person had entered for the draft is now in a copy."""
    user = access.viewer(request)
    row = entries_of_draft(sweep, user).current()
    if row is None:
        return
    try:
        keep_for_copy(QueryDict(row.data), sweep, user)
    except (ChangedElsewhere, NotSaved) as error:
        messages.warning(request, f"Your entries for the draft are kept. {error}")
        return
    words = '{} was started meanwhile. <a href="{}">A copy of it has your entries.</a>'
    messages.warning(request, format_html(words, sweep, _copy_url(sweep)))


def _copy_url(sweep: Sweep) -> str:
    return f"{reverse('sweep_create')}?clone={sweep.pk}"


urlpatterns = [
    path("sweeps/new/", sweep_create, name="sweep_create"),
    path("sweeps/new/preview/", sweep_preview, name="sweep_preview"),
    path("sweeps/new/files/", sweep_files, name="sweep_files"),
    path("sweeps/<int:pk>/edit/", sweep_edit, name="sweep_edit"),
    path("sweeps/<int:pk>/edit/preview/", sweep_preview, name="sweep_edit_preview"),
    *saved_views.urlpatterns,
    *template_views.urlpatterns,
]
