"""Runs and trials as the first trials of a draft: which draft, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

from experiments import access
from experiments.models import Sweep, Team, Trial
from experiments.models.sweeps import SweepState
from experiments.pages.frame import act, form_page, get_or_post, set_team, whole_number
from experiments.search.wording import counted
from experiments.sweeps.warm_start import warm_start

MAX_RUNS = 1_000


class DraftForm(forms.Form):
    sweep: forms.ModelChoiceField[Sweep] = forms.ModelChoiceField(
        Sweep.objects.none(),
        label="Draft",
        help_text="Runs become its first trials, and its sampler learns from them.",
    )

    def __init__(self, *args: object, drafts: QuerySet[Sweep]) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self.fields["sweep"].queryset = drafts  # type: ignore[attr-defined]
        # The only draft needs no choice.
        if len(found := list(drafts[:2])) == 1:
            self.fields["sweep"].initial = found[0]


def _drafts(team: Team) -> QuerySet[Sweep]:
    begun = Trial.objects.filter(sweep=OuterRef("pk"))
    drafts = Sweep.objects.filter(~Exists(begun), experiment__team=team)
    drafts = drafts.filter(state=SweepState.DRAFT)
    return drafts.select_related("experiment").order_by("-pk")


def _picked(request: HttpRequest) -> list[Trial]:
    """The ticked runs, all of one team that the viewer may change."""
    texts = ",".join(request.GET.getlist("trials")).split(",")[:MAX_RUNS]
    ids = [whole_number(text.strip(), most_digits=18) for text in texts]
    own = access.trials_for(access.viewer(request))
    trials = list(own.filter(pk__in=[pk for pk in ids if pk]).order_by("pk"))
    if not trials:
        raise Http404("Tick the runs first.")
    team = trials[0].experiment.team
    if any(trial.experiment.team_id != team.pk for trial in trials):
        raise Http404("These runs belong to different teams.")
    if not access.can_steer(access.viewer(request), team):
        raise PermissionDenied
    set_team(request, team)
    return trials


def warm_start_page(request: HttpRequest) -> HttpResponse:
    """GET asks for the draft."""
    if not request.GET.getlist("trials"):
        messages.error(request, "Tick the runs to use first.")
        back = request.headers.get("Referer")
        is_ours = url_has_allowed_host_and_scheme(back, {request.get_host()})
        return redirect(back if back and is_ours else "experiment_list")
    trials = _picked(request)
    experiment = trials[0].experiment
    drafts = _drafts(experiment.team)
    form = DraftForm(request.POST or None, drafts=drafts)
    if request.method == "POST" and form.is_valid():
        sweep: Sweep = form.cleaned_data["sweep"]
        return act(request, sweep, lambda: _added(request, sweep, trials))
    return form_page(
        request,
        "experiments/run/warm_start.html",
        form,
        trials=trials,
        experiment=experiment,
        has_drafts=drafts.exists(),
    )


def _added(request: HttpRequest, sweep: Sweep, trials: Sequence[Trial]) -> str:
    found = warm_start(sweep, trials, actor=access.viewer(request))
    if found.left_out:
        messages.warning(request, f"{found.sentence} The sweep's events keep this.")
        return ""
    return f"{counted(found.added, 'run')} became the first trials of {sweep}."


urlpatterns = [get_or_post("runs/warm-start/", warm_start_page, "warm_start")]
