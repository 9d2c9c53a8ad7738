"""What people do with several sweeps and runs of an experiment at once, and how the
ticked sweeps compare.

A tick is a trial: a run, or the best trial of a sweep; `sweeps` are sweeps without one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.utils import timezone

from experiments import access
from experiments.models import Experiment, Sweep, Trial, User
from experiments.pages.compare.sweep_views import sweeps_url
from experiments.pages.compare.sweeps import SweepsComparison, sweep_sections
from experiments.pages.experiments.sweep_table import SweepRow
from experiments.pages.frame import form_page, get_or_post, set_team, whole_number
from experiments.search.fields import DefinitionError
from experiments.search.wording import counted
from experiments.sweeps import editing
from experiments.sweeps.annotations import note_trials, tag_trials
from experiments.sweeps.control import NotPossible, archive_or_restore

MAX_TICKED, MAX_COMPARED, MAX_ROWS = 100, 6, 10
ACTS = {"tag": "Tag", "note": "Add a note to", "archive": "Archive or restore"}


@dataclass(frozen=True)
class TickedComparison:
    """The ticked sweeps side by side: only what differs."""

    names: Sequence[str]
    sentence: str
    rows: Sequence[Any]
    left_out: int
    equal: int
    url: str


def ticked_comparison(rows: Sequence[SweepRow]) -> TickedComparison | None:
    """None for fewer than two."""
    shown = rows[:MAX_COMPARED]
    if len(shown) < 2:
        return None
    compared = SweepsComparison([row.sweep for row in shown], timezone.now())
    every = [row for part in sweep_sections(compared) for row in part.rows]
    differing = [row for row in every if row.differs]
    return TickedComparison(
        names=[each.name for each in compared.entrants],
        sentence=compared.sentence,
        rows=differing[:MAX_ROWS],
        left_out=max(0, len(differing) - MAX_ROWS),
        equal=len(every) - len(differing),
        url=sweeps_url([row.sweep.pk for row in shown]),
    )


class TickedForm(forms.Form):
    """One text for all: a tag, or a note; none to archive."""

    text = forms.CharField(max_length=20_000)

    def __init__(self, act: str, data: Any = None) -> None:
        super().__init__(data)
        text = self.fields["text"]
        if act == "archive":
            del self.fields["text"]
        elif act == "tag":
            text.label, text.help_text = "Tag", "A name, or name = value."
        else:
            text.label, text.help_text = "Note", "Markdown, below what each has."
            text.widget = forms.Textarea(attrs={"rows": 6})


def ticked(request: HttpRequest, pk: int, act: str) -> HttpResponse:
    """GET asks; POST does it for all, or for none."""
    user = access.viewer(request)
    experiment = access.found_or_404(access.experiments_for(user), pk=pk)
    set_team(request, experiment.team)
    access.check_can_steer(user, experiment.team)
    if act not in ACTS:
        raise Http404(f"Ticked sweeps and runs cannot be {act[:20]}.")
    is_sent = request.method == "POST"
    query = request.POST if is_sent else request.GET
    sweeps, runs = _found(experiment, query)
    count = counted(len(sweeps) + len(runs), "sweep or run", "sweeps and runs")
    form = TickedForm(act, query if is_sent else None)
    if is_sent and form.is_valid():
        text = form.cleaned_data.get("text", "")
        try:
            with transaction.atomic():
                _act(act, sweeps, runs, text, actor=user)
            messages.success(request, f"Changed {count}.")
            return redirect(experiment)
        except (NotPossible, DefinitionError) as error:
            form.add_error(None, str(error))
    context = {
        "experiment": experiment,
        "items": [*sweeps, *runs],
        "count": count,
        "sweeps": sweeps,
        "runs": runs,
        "verb": ACTS[act],
    }
    return form_page(request, "experiments/experiments/ticked.html", form, **context)


def _found(experiment: Experiment, query: QueryDict) -> tuple[list[Sweep], list[Trial]]:
    trials = Trial.objects.kept().filter(
        experiment=experiment, pk__in=_ids(query, "trials")
    )
    found = list(trials.select_related("run", "experiment__team", "sweep"))
    named = {trial.sweep_id for trial in found if trial.sweep_id}
    sweeps = Sweep.objects.filter(
        experiment=experiment, pk__in=[*named, *_ids(query, "sweeps")]
    )
    joined = list(sweeps.select_related("experiment__team", "pool"))
    return joined, [trial for trial in found if trial.sweep_id is None]


def _ids(query: QueryDict, name: str) -> list[int]:
    numbers = (whole_number(text) for text in query.getlist(name))
    return [number for number in numbers if number is not None][:MAX_TICKED]


def _act(
    act: str, sweeps: Sequence[Sweep], runs: Sequence[Trial], text: str, *, actor: User
) -> None:
    """Each sweep gets its own event, as if it were changed alone."""
    if not sweeps and not runs:
        raise NotPossible("Tick at least one sweep or run.")
    own = Trial.objects.filter(pk__in=[run.pk for run in runs])
    if act == "archive":
        every: list[Sweep | Trial] = [*sweeps, *runs]
        for item in every:
            archive_or_restore(item, actor=actor)
    elif act == "tag":
        name, _, value = (part.strip() for part in text.partition("="))
        for sweep in sweeps:
            changes = {"tags": {**sweep.tags, name: value}}
            editing.change_sweep(sweep, changes, actor=actor)
        tag_trials(own, add={name: value}, actor=actor)
    else:
        for sweep in sweeps:
            notes = f"{sweep.notes}\n\n{text}".strip()
            editing.change_sweep(sweep, {"notes": notes}, actor=actor)
        note_trials(own, text, append=True, actor=actor)


urlpatterns = [
    get_or_post("experiments/<int:pk>/ticked/<slug:act>/", ticked, "ticked"),
]
