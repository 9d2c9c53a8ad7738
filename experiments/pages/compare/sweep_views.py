"""The page that compares sweeps: best so far, distribution, cost, settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone

from experiments import access
from experiments.models import Sweep
from experiments.pages.compare.sweeps import (
    SweepEntrant,
    SweepsComparison,
    sweep_sections,
)
from experiments.pages.compare.table import ComparedSection, as_text
from experiments.pages.compare.views import asked_ids
from experiments.pages.frame import get, set_team
from experiments.pages.sweep.charts import select
from experiments.search.analysis.distribution import edf

MAX_SWEEPS, MAX_CHOICES = 6, 100


def sweeps_url(ids: Sequence[int]) -> str:
    return f"{reverse('compare_sweeps')}?sweeps={','.join(map(str, ids))}"


def compare_sweeps(request: HttpRequest) -> HttpResponse:
    """``?sweeps=`` ids, ``&add=`` one more."""
    ids = asked_ids(request, "sweeps")
    added = asked_ids(request, "add")
    if added:
        return redirect(sweeps_url(list(dict.fromkeys([*ids, *added]))))
    if len(ids) > MAX_SWEEPS:
        words = (
            f"At most {MAX_SWEEPS} sweeps can be compared. These are the first ones."
        )
        messages.warning(request, words)
    sweeps = _found(request, ids[:MAX_SWEEPS])
    if not sweeps:
        return render(request, "experiments/compare/no_sweeps.html")
    if len({sweep.experiment.team_id for sweep in sweeps}) > 1:
        raise Http404("These sweeps belong to different teams. Compare those of one.")
    set_team(request, sweeps[0].experiment.team)
    comparison = SweepsComparison(sweeps, timezone.now())
    context = {**_page(request, comparison), **_charts(comparison)}
    return render(request, "experiments/compare/sweeps.html", context)


def _found(request: HttpRequest, ids: Sequence[int]) -> list[Sweep]:
    """The sweeps in the given order; 404 if the viewer cannot see one of them."""
    rows = access.sweeps_for(access.viewer(request)).select_related("code")
    found = rows.in_bulk(ids)
    if len(found) < len(ids):
        raise Http404("One of these sweeps does not exist, or you cannot see it.")
    return [found[pk] for pk in ids]


def _page(request: HttpRequest, comparison: SweepsComparison) -> dict[str, Any]:
    entrants = comparison.entrants
    ids = [each.sweep.pk for each in entrants]
    everything = request.GET.get("all") == "1"
    whole = sweep_sections(comparison)
    shown = whole if everything else _only_differences(whole)
    link = sweeps_url(ids)
    return {
        "comparison": comparison,
        "columns": [
            (each, sweeps_url([pk for pk in ids if pk != each.sweep.pk]))
            for each in entrants
        ],
        "sections": shown,
        "as_text": as_text([each.name for each in entrants], shown),
        "equal": sum(not row.differs for part in whole for row in part.rows),
        "everything": everything,
        "switch_url": link if everything else f"{link}&all=1",
        "link": request.build_absolute_uri(link),
        "ids": ",".join(map(str, ids)),
        "others": _others(request, comparison) if len(ids) < MAX_SWEEPS else (),
        "code_url": _code_url(entrants),
    }


def _only_differences(sections: Sequence[ComparedSection]) -> list[ComparedSection]:
    shown = [
        ComparedSection(part.title, [r for r in part.rows if r.differs], part.bars)
        for part in sections
    ]
    return [part for part in shown if part.rows]


def _others(request: HttpRequest, comparison: SweepsComparison) -> Sequence[Sweep]:
    """Sweeps to add: of the first one's experiment, then of its team."""
    first = comparison.reference.sweep
    shown = [each.sweep.pk for each in comparison.entrants]
    seen = access.sweeps_for(access.viewer(request)).exclude(pk__in=shown)
    own = seen.filter(experiment__team=first.experiment.team_id).order_by("-pk")
    home = first.experiment_id
    return sorted(own[:MAX_CHOICES], key=lambda sweep: sweep.experiment_id != home)


def _code_url(entrants: Sequence[SweepEntrant]) -> str:
    """The page with the differences between the code of the first two."""
    if len(entrants) < 2:
        return ""
    one, other = entrants[0].sweep, entrants[1].sweep
    if not (one.code_id and other.code_id) or one.code_id == other.code_id:
        return ""
    return f"{reverse('sweep_code', args=(one.pk,))}?against={other.pk}"


# --- charts -------------------------------------------------------------------------


def _charts(comparison: SweepsComparison) -> dict[str, Any]:
    """Models of "lines" charts; none where the sweeps have different objectives."""
    if comparison.objective is None:
        return {}
    drawn = [each for each in comparison.entrants if each.steps]
    history = {
        "xLabel": "trials that ended",
        "xMin": 0,
        "goal": comparison.objective.goal,
        "series": [
            {"name": e.name, "points": _stairs(e), "best": e is comparison.reference}
            for e in drawn
        ],
    }
    across = [("", "x: trials"), ("used", "x: training time")]
    spreads = [("", "y: best scale"), ("linear", "y: linear"), ("log", "y: log")]
    distribution = {
        "xLabel": comparison.objective.primary_metric,
        "series": [
            {"name": e.name, "points": edf(e.values), "best": e is comparison.reference}
            for e in drawn
        ],
    }
    return {
        "history": history,
        "selects": [
            select("x", "x axis", across),
            select("y", "Scale of the y axis", spreads),
        ],
        "distribution": distribution,
    }


def _stairs(entrant: SweepEntrant) -> list[list[float]]:
    """Corners: trials, value, seconds of training."""
    corners: list[list[float]] = []
    for count, seconds, value in entrant.steps:
        if corners:
            corners.append([count, corners[-1][1], seconds])
        corners.append([count, value, seconds])
    last = float(entrant.used[-1])
    return [*corners, [entrant.ended, corners[-1][1], last]]


urlpatterns = [get("compare/sweeps/", compare_sweeps, "compare_sweeps")]
