"""The import page: it reads a sweep of another system and shows what it becomes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from experiments.pages.builder.context import FormContext, context_for_new, new_token
from experiments.pages.builder.drafts import submit_once
from experiments.pages.builder.views import TOKEN
from experiments.pages.frame import get_or_post
from experiments.pages.importing import summary
from experiments.pages.importing.lines import (
    numbered_problems,
    source_lines,
    target_lines,
)
from experiments.pages.importing.preview import (
    MAX_TEXT,
    Content,
    ContentError,
    ImportPreview,
    read_content,
    sent_content,
)
from experiments.pages.importing.space import first_draws, parameter_views, trials_table
from experiments.search.document.yaml import yaml_text
from experiments.search.fields import DefinitionError
from experiments.search.formats import FORMATS
from experiments.sweeps.warm_start import add_finished_trials

CREATE, DOWNLOAD, EDIT = "create", "download", "edit"
EMPTY = "Paste a sweep, or choose a file."
WIDTH = 76


@dataclass(frozen=True)
class ImportForm:
    """One request of the page, with its team and experiment."""

    request: HttpRequest
    context: FormContext

    def page(
        self,
        *,
        status: int = 200,
        text: str = "",
        sentence: str = "",
        preview: ImportPreview | None = None,
    ) -> HttpResponse:
        """The page with a preview, or the empty form."""
        token = self.request.POST.get("form_token", "")
        values: dict[str, Any] = {
            "context": self.context,
            "team": self.context.team,
            "token": token if TOKEN.fullmatch(token) else new_token(),
            "formats": list(FORMATS.items()),
            "most_text": MAX_TEXT,
            "text": text,
            "sentence": sentence,
            "preview": preview,
        }
        if preview is not None:
            values |= preview_context(preview)
        template = "experiments/importing/page.html"
        return render(self.request, template, values, status=status)

    def read(self, content: Content) -> ImportPreview:
        # The format and part on the page belong to the previous content.
        fields = {} if "file" in self.request.FILES else self.request.POST
        return read_content(
            content,
            self.context.team,
            experiment=self.context.experiment,
            format=fields.get("format", ""),
            part=fields.get("part", ""),
        )


def sweep_import(request: HttpRequest) -> HttpResponse:
    """Preview a pasted text or a chosen file; only `do=create` stores anything."""
    form = ImportForm(request, context_for_new(request))
    if not form.context.may_create:
        template, context = "experiments/builder/refused.html", {"team": request.team}  # type: ignore[attr-defined]
        return render(request, template, context, status=403)
    if request.method == "GET":
        return form.page()
    try:
        content = sent_content(request)
    except ContentError as error:
        return form.page(status=422, sentence=str(error))
    if content is None:
        return form.page(status=422, sentence=EMPTY)
    # A new file is previewed before anything else happens to it.
    do = "" if "file" in request.FILES else request.POST.get("do", "")
    if do == EDIT:
        return form.page(text=content.text)
    return _answer(form, form.read(content), do)


def _answer(form: ImportForm, preview: ImportPreview, do: str) -> HttpResponse:
    if preview.definition is None:
        return form.page(preview=preview, status=422)
    if do == DOWNLOAD:
        text = yaml_text(preview.definition.dump(), width=WIDTH)
        response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="sweep.yaml"'
        return response
    return _created(form, preview) if do == CREATE else form.page(preview=preview)


def _created(form: ImportForm, preview: ImportPreview) -> HttpResponse:
    definition, context = preview.definition, form.context
    token = form.request.POST.get("form_token", "")
    if definition is None or not TOKEN.fullmatch(token):
        return form.page(preview=preview, status=422)
    try:
        with transaction.atomic():
            sweep = submit_once(
                context.team, definition, user=context.user, token=token, start=False
            )
            space = definition.search_space
            add_finished_trials(sweep, space, preview.trials)
    except DefinitionError as error:
        # The team lacks a pool or files.
        messages.error(form.request, str(error))
        return form.page(preview=preview, status=422)
    script = summary.missing_script(preview)
    then = f" Add {script} and start it." if script else ""
    messages.success(form.request, f"Draft {sweep} is saved.{then}")
    return redirect("sweep_edit", pk=sweep.pk)


def preview_context(preview: ImportPreview) -> dict[str, Any]:
    """The template values for a preview."""
    definition = preview.definition
    document = definition.dump() if definition else preview.document
    text = yaml_text(document, width=WIDTH) if document else ""
    return {
        "lead": summary.lead(preview),
        "trials": summary.trials_words(preview),
        "missing": summary.missing_script(preview),
        "finished": summary.finished_words(preview),
        "best": trials_table(definition, summary.best_trials(preview))
        if definition
        else None,
        "space_words": summary.space_words(preview),
        "problems": numbered_problems(preview),
        "yaml": text,
        "source": source_lines(preview),
        "target": target_lines(preview, text),
        "parameters": parameter_views(definition) if definition else (),
        "draws": first_draws(definition) if definition else None,
    }


urlpatterns = [get_or_post("sweeps/import/", sweep_import, "sweep_import")]
