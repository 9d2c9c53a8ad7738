"""The sweep of a page's URL, for those who may see it, and for those who may steer."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from experiments import access
from experiments.models import Sweep


def sweep_to_read(request: HttpRequest, pk: int) -> Sweep:
    """The sweep, if it is the viewer's to see; its team becomes the page's."""
    queryset = access.sweeps_for(access.viewer(request)).select_related("code")
    sweep = access.found_or_404(queryset, pk=pk)
    request.team = sweep.experiment.team  # type: ignore[attr-defined]
    return sweep


def may_steer(request: HttpRequest, sweep: Sweep) -> bool:
    return access.can_steer(access.viewer(request), sweep.experiment.team)


def sweep_to_steer(request: HttpRequest, pk: int) -> Sweep:
    """The same, for those who may change it; PermissionDenied for a viewer."""
    sweep = sweep_to_read(request, pk)
    if not may_steer(request, sweep):
        raise PermissionDenied
    return sweep
