"""The Settings tab: a sweep's document and code, and forms for members."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_POST

from experiments import access
from experiments.db.clock import database_now
from experiments.models import Sweep
from experiments.pages.frame import sweep_to_read, sweep_to_steer
from experiments.pages.sweep.best_configuration import document_text
from experiments.pages.sweep.forms import LimitsForm, PolicyForm, SeenForm, SpaceForm
from experiments.pages.sweep.head import frame
from experiments.sweeps import editing
from experiments.sweeps.progress import counts_by_sweep


@require_http_methods(["GET", "HEAD", "POST"])
def settings(request: HttpRequest, pk: int) -> HttpResponse:
    """The tab; POST changes limits."""
    if request.method == "POST":
        return change_limits(request, sweep_to_steer(request, pk))
    return _page(request, sweep_to_read(request, pk))


def change_limits(request: HttpRequest, sweep: Sweep) -> HttpResponse:
    form = LimitsForm.of(sweep, request.POST)
    if form.is_valid() and form.save(sweep, actor=access.viewer(request)):
        messages.success(request, f"The limits of {sweep} are set.")
        return redirect("sweep_settings", sweep.pk)
    return _page(request, sweep, form=form)


@require_POST
def change_policy(request: HttpRequest, pk: int) -> HttpResponse:
    """Use another policy from now on, or none."""
    sweep = sweep_to_steer(request, pk)
    form = PolicyForm.of(sweep, request.POST)
    if form.is_valid() and form.save(sweep, actor=access.viewer(request)):
        now = editing.policy_words(sweep, sweep.early_termination)
        messages.success(request, f"Early termination of {sweep} from now on: {now}.")
        return redirect("sweep_settings", sweep.pk)
    return _page(request, sweep, policy_form=form)


@require_http_methods(["GET", "HEAD", "POST"])
def change_space(request: HttpRequest, pk: int) -> HttpResponse:
    """Draw new trials from another space, after a preview of the change."""
    if request.method != "POST":
        return redirect("sweep_settings", pk)
    sweep = sweep_to_steer(request, pk)
    form = SpaceForm.of(sweep, request.POST)
    previewed = request.POST.get("previewed", "")
    if form.is_valid() and form.save(actor=access.viewer(request), previewed=previewed):
        messages.success(
            request, f"New trials of {sweep} are drawn from the new search space."
        )
        return redirect("sweep_settings", sweep.pk)
    return _page(request, sweep, space_form=form)


def _page(request: HttpRequest, sweep: Sweep, **forms: SeenForm) -> HttpResponse:
    """The tab; ``forms`` are forms with errors, in place of fresh ones."""
    counts = counts_by_sweep([sweep.pk])[sweep.pk]
    context: dict[str, Any] = {
        **frame(request, sweep, counts, now=database_now()),
        "tab": "sweep_settings",
        "form": LimitsForm.of(sweep),
        "policy_form": PolicyForm.of(sweep),
        "space_form": SpaceForm.of(sweep),
        "policy": editing.policy_words(sweep, sweep.early_termination),
        "document": document_text(sweep, "yaml"),
        **forms,
    }
    return render(
        request, "experiments/sweep/settings.html", context, status=_status(forms)
    )


def _status(forms: dict[str, SeenForm]) -> int:
    """409 if somebody else changed the settings, 422 for other errors."""
    if not any(form.errors for form in forms.values()):
        return 200
    return 409 if any(form.overtaken for form in forms.values()) else 422


urlpatterns = [
    path("sweeps/<int:pk>/settings/", settings, name="sweep_settings"),
    path(
        "sweeps/<int:pk>/early-termination/", change_policy, name="sweep_change_policy"
    ),
    path("sweeps/<int:pk>/space/", change_space, name="sweep_change_space"),
]
