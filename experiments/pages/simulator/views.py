"""The policy simulator of a sweep: its page, its feeds, and applying a policy."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse

from experiments import access
from experiments.models import Sweep
from experiments.pages.frame import (
    get,
    may_steer,
    post,
    sweep_to_read,
    sweep_to_steer,
    whole_number,
)
from experiments.pages.simulator.comparison import (
    KEEP,
    ComparisonInput,
    apply_targets,
    compare,
)
from experiments.search.fields import DefinitionError, Problem
from experiments.search.termination import make_policy
from experiments.sweeps import editing
from experiments.tracking.policy_simulations import ask

MAX_DIGITS, MAX_QUERY = 15, 20_000
PARTS = ("facts", "actions", "answer", "outcomes", "ended", "limits")


def simulator(request: HttpRequest, pk: int) -> HttpResponse:
    """The whole page; a long simulation shows its progress, and the page asks again."""
    given = ComparisonInput.read(sweep_to_read(request, pk), request.GET)
    context = _context(request, given)
    return render(request, "experiments/simulator/page.html", context)


def simulator_feed(request: HttpRequest, pk: int) -> JsonResponse:
    """The page's parts for the entered policy."""
    given = ComparisonInput.read(sweep_to_read(request, pk), request.GET)
    context = _context(request, given)
    comparison = context["comparison"]
    names = [*PARTS, "settings"] if "form" in request.GET else PARTS
    return JsonResponse(
        {
            "final": comparison["final"],
            "reading": given.recording is None,
            "mark": str(given.mark),
            "problems": {
                each.name: list(each.problems) for each in comparison["fields"]
            },
            "varied": comparison["varied"],
            "vary": comparison["vary"],
            "right": comparison.get("own") is not None,
            "parts": {name: _part(request, name, context) for name in names},
        }
    )


def trade_off_feed(request: HttpRequest, pk: int) -> JsonResponse:
    """The data of the trade-off's chart, or its progress."""
    sweep = sweep_to_read(request, pk)
    drawing = ComparisonInput.read(sweep, request.GET).trade_off()
    if drawing is None:
        return JsonResponse({"final": False, "done": 0.0, "problem": "", "model": None})
    result = ask(sweep, drawing.question, keep=KEEP)
    model = drawing.model(sweep, result) if result.complete else None
    return JsonResponse(
        {
            "final": model is not None or bool(result.problem),
            "done": result.done,
            "problem": result.problem,
            "model": model,
        }
    )


def apply(request: HttpRequest, pk: int) -> HttpResponse:
    """A live sweep is judged by the posted policy from now on."""
    source = sweep_to_read(request, pk)
    target = sweep_to_steer(request, _number(request.POST.get("target", "")))
    before = _words(target, target.early_termination)
    try:
        settings = _settings(request.POST.get("policy", ""))
        change: dict[str, Any] = {"early_termination": settings}
        editing.change_sweep(target, change, actor=access.viewer(request))
    except DefinitionError as error:
        messages.error(request, f"The policy of {target} did not change. {error}")
        return redirect(f"{reverse('simulator', args=(source.pk,))}?{_back(request)}")
    now = _words(target, settings)
    messages.success(
        request, f"From now on {target} is judged by {now}; before: {before}."
    )
    return redirect(target)


def _number(text: str) -> int:
    number = whole_number(text, most_digits=MAX_DIGITS)
    if number is None:
        raise Http404(f"There is no sweep {text[:40]!r}.")
    return number


def _settings(text: str) -> Any:
    """The posted policy. Raises DefinitionError if it is not JSON."""
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError) as error:
        sentence = 'The policy is not JSON, such as {"type": "median_stopping"}.'
        raise DefinitionError([Problem("early_termination", sentence)]) from error


def _words(sweep: Sweep, settings: Any) -> str:
    try:
        policy = make_policy(settings, sweep.objective)
    except DefinitionError:
        return "a policy of an unknown kind"
    return policy.in_words() if policy else "no early termination"


def _back(request: HttpRequest) -> str:
    """The parameters that the page was opened with."""
    return QueryDict(request.POST.get("back", "")[:MAX_QUERY]).urlencode()


def _context(request: HttpRequest, given: ComparisonInput) -> dict[str, Any]:
    can_steer = may_steer(request, given.sweep)
    comparison = compare(given)
    return {
        "sweep": given.sweep,
        "comparison": comparison,
        "can_steer": can_steer,
        "targets": apply_targets(given.sweep)
        if can_steer and comparison["own_text"]
        else [],
    }


def _part(request: HttpRequest, name: str, context: dict[str, Any]) -> str:
    return render_to_string(
        f"experiments/simulator/{name}.html", context, request=request
    )


urlpatterns = [
    get("sweeps/<int:pk>/simulator/", simulator, "simulator"),
    get("sweeps/<int:pk>/simulator/feed.json", simulator_feed, "simulator_feed"),
    get(
        "sweeps/<int:pk>/simulator/trade-off.json",
        trade_off_feed,
        "simulator_trade_off",
    ),
    post("sweeps/<int:pk>/simulator/apply", apply, "simulator_apply"),
]
