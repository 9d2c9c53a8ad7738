"""A sweep's canonical document as text, and as a file."""

from __future__ import annotations

import json

from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path
from django.views.decorators.http import require_GET

from experiments.document_yaml import yaml_text
from experiments.models import Sweep
from experiments.pages.sweep.permission import sweep_to_read
from experiments.submission import sweep_document


@require_GET
def export(request: HttpRequest, pk: int, kind: str) -> HttpResponse:
    """The canonical document as a file."""
    sweep = sweep_to_read(request, pk)
    types = {"yaml": "application/yaml", "json": "application/json"}
    if kind not in types:
        raise Http404("A document is exported as yaml or json.")
    name = f"{sweep.label}.{kind}"
    return HttpResponse(
        document_text(sweep, kind),
        content_type=f"{types[kind]}; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def document_text(sweep: Sweep, kind: str) -> str:
    document = sweep_document(sweep)
    if kind == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return yaml_text(document, width=88)


urlpatterns = [path("sweeps/<int:pk>/document.<str:kind>", export, name="sweep_export")]
