"""A team's experiments: the list, one experiment, and its forms."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.db.models import Count, F, Max, OuterRef, Q, Subquery, TextField
from django.db.models.functions import Cast, Coalesce, Greatest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render

from experiments import access
from experiments.models import Event, Experiment, Team, Trial, User
from experiments.models.fields import VisibleTextForm
from experiments.models.sweeps import SweepState
from experiments.notifications.channels import with_watch
from experiments.pages.about import Subject
from experiments.pages.experiments.entries import entry_table
from experiments.pages.experiments.entry_filter import completion_answer, has_text
from experiments.pages.experiments.run_table import runs_of
from experiments.pages.experiments.summary import (
    experiment_summary,
    version,
    with_chart_of,
)
from experiments.pages.experiments.ticked import ticked_comparison
from experiments.pages.frame import (
    csv_file,
    current_team,
    form_page,
    get,
    get_or_post,
    live_parts,
    parts_feed,
    post,
    render_parts,
    set_team,
)
from experiments.pages.saved_views import opened_view, view_menu
from experiments.search.wording import unseen_problem
from experiments.sweeps.annotations import (
    MAX_TAG,
    MAX_TAGS,
    archive_experiment,
    log_opening,
)
from experiments.sweeps.creation import free_slug
from experiments.sweeps.export import write_runs_csv


class TagsField(forms.CharField):
    """Words separated by commas, as a list without duplicates."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        words = [word.strip() for word in str(value or "").split(",")]
        tags = list(dict.fromkeys(word for word in words if word))
        long = next((tag for tag in tags if len(tag) > MAX_TAG), None)
        if long:
            raise ValidationError(
                f"The tag {long!r} has {len(long)} characters; the limit is {MAX_TAG}."
            )
        if problem := next(filter(None, map(unseen_problem, tags)), ""):
            raise ValidationError(problem)
        if len(tags) > MAX_TAGS:
            raise ValidationError(
                f"There are {len(tags)} tags; the limit is {MAX_TAGS}."
            )
        return tags


class ExperimentForm(VisibleTextForm, forms.ModelForm):  # type: ignore[type-arg]
    """Name, question and tags; a new experiment's slug comes from its name."""

    tags = TagsField(
        required=False, max_length=1000, help_text="Separated by commas: demo, numpy"
    )

    class Meta:
        model = Experiment
        fields = ("name", "question", "tags", "open_to_all")
        help_texts = {
            "name": "Short, such as digits. Its sweeps are called digits-1, digits-2.",
            "question": "What should its sweeps find out?",
        }

    def __init__(
        self, *args: Any, team: Team, can_manage: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.instance.team = team
        if not can_manage:
            # Only the team's admins show its work to others.
            del self.fields["open_to_all"]
        self.fields["name"].widget.attrs["autofocus"] = True

    def clean_name(self) -> str:
        """Only a new experiment gets a slug, so that sweeps keep their names."""
        name: str = self.cleaned_data["name"]
        if self.instance.pk is None:
            self.instance.slug = free_slug(self.instance.team, name)
        return name


PAGE_SIZE = 50
WATCH_LEVELS = [
    ("own", "Notify me of my sweeps"),
    ("all", "Notify me of all sweeps"),
    ("none", "Notify me of none"),
]
# The parts of the page that its feed may replace, each with its own template.
PARTS = ("facts", "answer", "chart", "side", "table")
# What logs a run, as an experiment without runs shows it.
RUN_LINES = """import mlflow
mlflow.set_experiment({name})
with mlflow.start_run(): mlflow.log_metric("accuracy", 0.93)"""


def readable(request: HttpRequest, pk: int) -> Experiment:
    """The experiment, if the viewer can see it; its team becomes the page's."""
    user = access.viewer(request)
    queryset = access.experiments_for(user).select_related("created_by")
    experiment = access.found_or_404(with_watch(queryset, user), pk=pk)
    set_team(request, experiment.team)
    return experiment


def steerable(request: HttpRequest, pk: int) -> Experiment:
    """The same, for those who may change it."""
    experiment = readable(request, pk)
    if not access.can_steer(access.viewer(request), experiment.team):
        raise PermissionDenied
    return experiment


def log(experiment: Experiment, actor: User, verb: str) -> None:
    data = {"experiment": experiment.pk}
    Event.log(verb, experiment.name, actor=actor, team=experiment.team, data=data)


def experiment_list(request: HttpRequest) -> HttpResponse:
    team, user = current_team(request), access.viewer(request)
    if team is None:
        return in_no_team(request)
    archived = "archived" in request.GET
    every = Experiment.objects.filter(team=team)
    query = request.GET.get("q", "").strip()[:200]
    shown = every.filter(archived_at__isnull=not archived).select_related("created_by")
    if query:
        named = shown.annotate(tag_text=Cast("tags", TextField()))
        words = ("name", "question", "notes", "tag_text")
        shown = named.filter(has_text(query, *words))
    page = Paginator(_with_counts(shown), PAGE_SIZE).get_page(request.GET.get("page"))
    context = {
        "team": team,
        "page": page,
        "archived": archived,
        "query": query,
        "others": of_other_teams(user, team, archived=archived),
        "archived_count": every.filter(archived_at__isnull=False).count(),
        "can_steer": access.can_steer(user, team),
    }
    return render(request, "experiments/experiments/list.html", context)


def in_no_team(request: HttpRequest) -> HttpResponse:
    context = {"others": of_other_teams(access.viewer(request), None)}
    return render(request, "experiments/home/no_team.html", context)


def of_other_teams(user: User, team: Team | None, *, archived: bool = False) -> Any:
    """Those that other teams show to everybody, the newest first."""
    others = access.experiments_for(user).filter(open_to_all=True)
    others = others.exclude(team=team) if team else others
    shown = others.filter(archived_at__isnull=not archived)
    return shown.order_by("-pk")[:PAGE_SIZE]


def _with_counts(experiments: Any) -> Any:
    """With counts of their sweeps and runs, those that their pages list; the last
    changed first."""
    kept = Q(sweeps__deletion_requested_at=None)
    runs = Trial.objects.kept().filter(experiment=OuterRef("pk"), sweep=None)
    grouped = runs.order_by().values("experiment")
    listed = grouped.filter(run__parent=None, run__archived_at=None)
    return experiments.annotate(
        run_count=Subquery(listed.annotate(n=Count("pk")).values("n")),
        sweep_count=Count("sweeps", filter=kept),
        running_count=Count("sweeps", filter=Q(sweeps__state=SweepState.RUNNING)),
        changed_at=Greatest(
            Coalesce(Max("sweeps__updated_at", filter=kept), F("created_at")),
            Coalesce(
                Subquery(grouped.annotate(at=Max("updated_at")).values("at")),
                F("created_at"),
            ),
        ),
    ).order_by("-changed_at", "-pk")


def experiment_detail(request: HttpRequest, pk: int) -> HttpResponse:
    experiment = readable(request, pk)
    if opened := opened_view(request, experiment, "experiment"):
        return opened
    mark = version(experiment)
    context = _detail(request, experiment)
    context |= live_parts(mark, render_parts("experiments", PARTS, context))
    context["views"] = view_menu(request, experiment, "experiment")
    context["watch_levels"] = WATCH_LEVELS
    context["watch_level"] = experiment.watched or "own"  # type: ignore[attr-defined]
    return render(request, "experiments/experiments/detail.html", context)


def _detail(request: HttpRequest, experiment: Experiment) -> dict[str, Any]:
    summary = experiment_summary(experiment)
    table = entry_table(experiment, request.GET, sweeps=summary.rows)
    ticked = [row for row in summary.rows if row.is_ticked(table.filter.ticked)]
    if ticked:
        summary = with_chart_of(summary, ticked)
    return {
        "compared": ticked_comparison(ticked),
        "experiment": experiment,
        "summary": summary,
        "tags": Subject("experiment", experiment).words.tags.items(),
        "table": table,
        "run_lines": RUN_LINES.format(
            name=json.dumps(experiment.name, ensure_ascii=False)
        ),
        "trash_days": settings.TRASH_DAYS,
        "can_steer": access.can_steer(access.viewer(request), experiment.team),
        "can_manage": access.can_manage(access.viewer(request), experiment.team),
    }


def experiment_feed(request: HttpRequest, pk: int) -> JsonResponse:
    """The parts that have changed ``?since=``, as HTML, and the chart's model; final
    when no sweep or run of the page is running."""
    experiment = readable(request, pk)

    def read() -> tuple[dict[str, str], dict[str, Any]]:
        context = _detail(request, experiment)
        summary = context["summary"]
        live = summary.running_count or context["table"].running
        more = {"final": not live, "charts": {"best": summary.chart}}
        return render_parts("experiments", PARTS, context), more

    return parts_feed(request, version(experiment), read)


def experiment_completion(request: HttpRequest, pk: int) -> JsonResponse:
    """What may be typed next in the filter of sweeps and runs, and how many match."""
    return completion_answer(request, readable(request, pk))


def experiment_create(request: HttpRequest) -> HttpResponse:
    team, user = current_team(request), access.viewer(request)
    if team is None or not access.can_steer(user, team):
        raise PermissionDenied
    can_manage = access.can_manage(user, team)
    form = ExperimentForm(request.POST or None, team=team, can_manage=can_manage)
    form.instance.created_by = user
    return _answer(request, form, "experiment created", title="New experiment")


def experiment_edit(request: HttpRequest, pk: int) -> HttpResponse:
    experiment = steerable(request, pk)
    data, title = request.POST or None, f"Edit {experiment.name}"
    can_manage = access.can_manage(access.viewer(request), experiment.team)
    form = ExperimentForm(
        data, instance=experiment, team=experiment.team, can_manage=can_manage
    )
    return _answer(request, form, "experiment changed", title=title)


def _answer(request: HttpRequest, form: Any, verb: str, *, title: str) -> HttpResponse:
    """The saved experiment's page, or the form."""
    if request.method == "POST" and form.is_valid():
        before = form.initial.get("open_to_all", False)
        experiment = form.save()
        log(experiment, access.viewer(request), verb)
        if experiment.open_to_all != before:
            log_opening(experiment, actor=access.viewer(request))
        return redirect(experiment)
    known = form.instance if form.instance.pk else None
    context = {"title": title, "team": form.instance.team, "experiment": known}
    template = "experiments/experiments/form.html"
    return form_page(request, template, form, **context)


def experiment_archive(request: HttpRequest, pk: int) -> HttpResponse:
    """Archive the experiment, or with ``restore`` restore it."""
    experiment = steerable(request, pk)
    away, actor = "restore" not in request.POST, access.viewer(request)
    verb = archive_experiment(experiment, away=away, actor=actor)
    messages.success(request, f"Experiment {experiment.name} was {verb}.")
    return redirect(experiment)


def experiment_runs_csv(request: HttpRequest, pk: int) -> HttpResponse:
    """All runs of the experiment, nested ones included, for spreadsheets; with
    ``archived`` the archived ones."""
    experiment = readable(request, pk)
    away = "archived" in request.GET
    kept = runs_of(experiment).kept().filter(run__archived_at__isnull=not away)
    runs = kept.select_related("run", "current_attempt")
    text = StringIO()
    write_runs_csv(runs.order_by("number"), text)
    log(experiment, access.viewer(request), "runs exported")
    return csv_file(f"{experiment.slug}-runs.csv", text.getvalue())


urlpatterns = [
    get("experiments/", experiment_list, "experiment_list"),
    get_or_post("experiments/new/", experiment_create, "experiment_create"),
    get("experiments/<int:pk>/", experiment_detail, "experiment_detail"),
    get("experiments/<int:pk>/feed.json", experiment_feed, "experiment_feed"),
    get(
        "experiments/<int:pk>/complete.json",
        experiment_completion,
        "experiment_complete",
    ),
    get("experiments/<int:pk>/runs.csv", experiment_runs_csv, "experiment_runs_csv"),
    get_or_post("experiments/<int:pk>/edit/", experiment_edit, "experiment_edit"),
    post("experiments/<int:pk>/archive/", experiment_archive, "experiment_archive"),
]
