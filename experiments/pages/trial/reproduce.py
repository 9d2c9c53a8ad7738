"""What is needed to run a trial again: a card that is loaded once it is opened."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse

from experiments.pages.frame import get
from experiments.pages.sweep.best_configuration import CodeTab
from experiments.pages.trial.views import card_page, trial_to_read
from experiments.search.wording import counted
from experiments.tracking.reproduction import Reproduction, reproduction_of


def reproduce_page(request: HttpRequest, pk: int) -> HttpResponse:
    trial = trial_to_read(request, pk)
    found = reproduction_of(trial)
    context = {"found": found, "tabs": _tabs(found), "facts": list(found.facts())}
    return card_page(request, trial, "reproduce", context)


def _tabs(found: Reproduction) -> list[CodeTab]:
    return [
        CodeTab(id=name.lower(), name=name, code=text)
        for name, text in found.texts().items()
        if text
    ]


def requirements(request: HttpRequest, pk: int) -> HttpResponse:
    """The packages as a file for pip."""
    trial = trial_to_read(request, pk)
    found = reproduction_of(trial)
    packages = found.packages
    if not packages:
        raise Http404("The packages of this trial are not known.")
    head = f"# {counted(len(packages), 'package')} of {trial.label}\n"
    return HttpResponse(
        f"{head}{found.package_lines}\n",
        content_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="requirements.txt"'},
    )


urlpatterns = [
    get("trials/<int:pk>/reproduce/", reproduce_page, "trial_reproduce"),
    get("trials/<int:pk>/requirements.txt", requirements, "trial_requirements"),
]
