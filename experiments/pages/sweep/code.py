"""The uploaded code of a sweep: its files as text, and what differs from another's."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from experiments import access, storage
from experiments.code.reading import differences, source_file
from experiments.models import CodeSnapshot, Sweep
from experiments.pages.frame import get, set_team, sweep_to_read, whole_number
from experiments.tracking.downloads import code_answer

MAX_FILES, MAX_OTHERS = 1_000, 100


def _code(request: HttpRequest, sweep: Sweep) -> CodeSnapshot:
    """The stored files of a sweep that the viewer may see."""
    seen = access.code_for(access.viewer(request))
    own = seen.filter(sweeps=sweep).first()
    if own is None or not storage.code_path(own.digest).exists():
        raise Http404("This sweep has no uploaded code.")
    return own


def _others(request: HttpRequest, sweep: Sweep) -> QuerySet[Sweep]:
    """Sweeps of the same experiment with other code, the newest first."""
    seen = access.sweeps_for(access.viewer(request))
    same = seen.filter(experiment=sweep.experiment_id, code__isnull=False)
    return same.exclude(code=sweep.code_id).order_by("-number")


def _first(sweep: Sweep, paths: Sequence[str]) -> str:
    """The script that the command names, else the first script, else any file."""
    command = str(sweep.definition.get("trial", {}).get("command", ""))
    named = [path for path in paths if path in command.split()]
    scripts = [path for path in paths if path.endswith(".py")]
    return next(iter([*named, *scripts, *paths]))


def sweep_code(request: HttpRequest, pk: int) -> HttpResponse:
    """``?file=`` a path that is shown, ``?against=`` the number of another sweep."""
    sweep = sweep_to_read(request, pk)
    code = _code(request, sweep)
    paths = [file["path"] for file in code.files]
    wanted = request.GET.get("file") or _first(sweep, paths)
    context = {
        "sweep": sweep,
        "code": code,
        "files": code.files[:MAX_FILES],
        "more": max(0, len(paths) - MAX_FILES),
        "others": _others(request, sweep)[:MAX_OTHERS],
    }
    against = whole_number(request.GET.get("against", ""))
    if against is not None:
        other = sweep_to_read(request, against)
        found, left_out = differences(_code(request, other), code)
        context |= {"other": other, "differences": found, "left_out": left_out}
        set_team(request, sweep.experiment.team)
    else:
        context["file"] = source_file(code, wanted)
        if context["file"] is None:
            raise Http404("The code has no file of this name.")
    return render(request, "experiments/sweep/code.html", context)


def code_archive(request: HttpRequest, pk: int) -> FileResponse:
    """All files as one zip archive."""
    sweep = sweep_to_read(request, pk)
    actor = access.viewer(request)
    return code_answer(request, sweep, _code(request, sweep), actor=actor)


urlpatterns = [
    get("sweeps/<int:pk>/code/", sweep_code, "sweep_code"),
    get("sweeps/<int:pk>/code.zip", code_archive, "sweep_code_archive"),
]
