"""The card of the trash: restoring, deleting for good, and moving a sweep or an
experiment there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from experiments import access
from experiments.cleanup import trash
from experiments.cleanup.sizes import sweeps_size
from experiments.cleanup.tasks import restore_later
from experiments.formatting import bytes_text
from experiments.models import Experiment, Sweep, Team, TrashItem, User
from experiments.models.trash import trash_end
from experiments.pages.frame import (
    Confirmation,
    act,
    ask,
    get_or_post,
    managed_team,
    post,
    sweep_to_steer,
)
from experiments.reports.links import open_links
from experiments.search.wording import counted
from experiments.sweeps.control import NotPossible

PAGE_SIZE = 50
DAY = 24 * 3600


@dataclass(frozen=True)
class TrashRow:
    item: TrashItem
    can_restore: bool
    can_delete: bool

    @property
    def what(self) -> str:
        """Such as ``artifacts of 30 trials``."""
        trials = counted(self.item.trials, "trial")
        if self.item.kind in ("sweep", "experiment"):
            return f"{self.item.kind}, {trials}"
        return f"{self.item.kind} of {trials}" if self.item.trials else self.item.kind

    @property
    def days_left(self) -> int | None:
        if self.item.until is None:
            return None
        return max(
            0, math.ceil((self.item.until - timezone.now()).total_seconds() / DAY)
        )

    @property
    def percent(self) -> int:
        """The share of its time in the trash that is over."""
        if self.item.until is None:
            return 0
        whole = (self.item.until - self.item.moved_at).total_seconds()
        left = (self.item.until - timezone.now()).total_seconds()
        return round(100 * min(1.0, max(0.0, 1 - left / whole))) if whole > 0 else 100


@dataclass(frozen=True)
class TrashCard:
    rows: Sequence[TrashRow]
    page: Page[TrashItem]
    find: str
    bytes: int
    # A team of which the viewer empties the trash.
    team: Team | None

    @property
    def due(self) -> bool:
        return any(row.item.is_due and not row.item.stopped_at for row in self.rows)


def trash_card(user: User, query: QueryDict, team: Team | None) -> TrashCard:
    """``team``: one that the viewer manages."""
    items = access.trash_for(user)
    size = items.aggregate(n=Sum("bytes"))["n"] or 0
    find = query.get("trash", "").strip()[:200]
    if find:
        items = items.filter(name__icontains=find)
    steered, managed = (
        set(access.teams_for(user, roles=roles).values_list("pk", flat=True))
        for roles in (access.STEERERS, access.ADMINS)
    )
    page = Paginator(items.order_by("until", "pk"), PAGE_SIZE).get_page(
        query.get("trash_page")
    )
    rows = [
        TrashRow(
            item,
            item.team_id in steered and item.began_at is None,
            item.team_id in managed,
        )
        for item in page
    ]
    return TrashCard(rows, page, find, size, team)


def _item(request: HttpRequest, pk: int) -> TrashItem:
    return access.found_or_404(access.trash_for(access.viewer(request)), pk=pk)


def trash_restore(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks: the link to undo a move leads here."""
    item, user = _item(request, pk), access.viewer(request)
    access.check_can_steer(user, item.team)
    if request.method != "POST":
        question = Confirmation(
            confirm_id="restore-item",
            title=f"Restore {item.name}?",
            text="It is then where it was, with its old name and number.",
            rows=(("Holds", bytes_text(item.bytes)),),
            action=reverse("trash_restore", args=(pk,)),
            verb="Restore",
            keep="Leave it in the trash",
            keep_url=reverse("cleanup"),
        )
        return ask(request, question)

    def do() -> str:
        if restore_later(item, actor=user):
            return f"{item.name}: a job restores it. This page shows it."
        trash.restore(item, actor=user)
        return f"{item.name} was restored."

    return act(request, _trash_of(item.team), do)


def trash_delete(request: HttpRequest, pk: int) -> HttpResponse:
    item, user = _item(request, pk), access.viewer(request)
    access.check_can_manage(user, item.team)
    rows = TrashItem.objects.filter(pk=item.pk)
    action = reverse("trash_delete", args=(pk,))
    title = f"Delete {item.name} for good?"
    return _delete(request, rows, title, action, _trash_of(item.team))


def trash_empty(request: HttpRequest, slug: str) -> HttpResponse:
    team, _ = managed_team(request, slug)
    rows = TrashItem.objects.filter(team=team)
    action = reverse("trash_empty", args=(slug,))
    title = f"Empty the trash of team {team.name}?"
    return _delete(request, rows, title, action, _trash_of(team))


def _trash_of(team: Team) -> str:
    return f"{reverse('cleanup')}?place={team.slug}#trash"


def _delete(
    request: HttpRequest, items: Any, title: str, action: str, back: str
) -> HttpResponse:
    size = items.aggregate(n=Sum("bytes"))["n"] or 0
    if request.method != "POST":
        question = Confirmation(
            confirm_id="delete-for-good",
            title=title,
            text="You cannot undo this.",
            rows=(("Items", str(items.count())), ("Frees", bytes_text(size))),
            action=action,
            verb=f"Delete {bytes_text(size)}",
            keep="Keep in the trash",
            keep_url=back,
        )
        return ask(request, question)

    def do() -> str:
        count = trash.delete_now(items, actor=access.viewer(request))
        return f"{counted(count, 'item')}, {bytes_text(size)}: deleting."

    return act(request, back, do)


def trash_stop(request: HttpRequest, slug: str) -> HttpResponse:
    """Stop the job for what the team has in the trash."""
    team, user = managed_team(request, slug)

    def do() -> str:
        items = TrashItem.objects.filter(team=team)
        count = trash.stop_purge(items, actor=user)
        return f"{counted(count, 'deletion')} stopped. What is left stays in the trash."

    return act(request, _trash_of(team), do)


# --- moving one thing -------------------------------------------------------------


def sweep_trash(request: HttpRequest, pk: int) -> HttpResponse:
    """GET asks first."""
    sweep = sweep_to_steer(request, pk)
    rows = Sweep.objects.filter(pk=sweep.pk)
    if request.method != "POST":
        size = sweeps_size(rows)
        facts = [("Trials", f"{size.trials:,}"), ("Files", bytes_text(size.bytes))]
        if links := open_links(sweep).count():
            facts.append(("Report links that stop working", str(links)))
        action = reverse("sweep_trash", args=(pk,))
        return ask(request, _question(sweep.label, "sweep", sweep, facts, action))
    try:
        (item,) = trash.move_sweeps(rows, actor=access.viewer(request))
    except NotPossible as problem:
        messages.error(request, str(problem))
        return redirect(sweep)
    return _moved(request, item, sweep.experiment)


def experiment_trash(request: HttpRequest, pk: int) -> HttpResponse:
    user = access.viewer(request)
    experiment = access.found_or_404(access.experiments_for(user), pk=pk)
    access.check_can_steer(user, experiment.team)
    if request.method != "POST":
        sweeps: QuerySet[Sweep] = experiment.sweeps.all()
        size = sweeps_size(sweeps)
        facts = (("Sweeps", str(size.sweeps)), ("Trials", f"{size.trials:,}"))
        action = reverse("experiment_trash", args=(pk,))
        question = _question(experiment.name, "experiment", experiment, facts, action)
        return ask(request, question)
    try:
        item = trash.move_experiment(experiment, actor=user)
    except NotPossible as problem:
        messages.error(request, str(problem))
        return redirect(experiment)
    return _moved(request, item, reverse("experiment_list"))


def _question(
    name: str, kind: str, of: Sweep | Experiment, facts: Any, action: str
) -> Confirmation:
    team = of.team_id if isinstance(of, Experiment) else of.experiment.team_id
    end = trash_end(team)
    until = f"until {end:%-d %B}" if end else "until you delete it"
    return Confirmation(
        confirm_id=f"trash-{kind}",
        title=f"Move {kind} {name} to the trash?",
        text=f"It can be restored {until}, with its name and number.",
        rows=facts,
        action=action,
        verb="Move to trash",
        keep=f"Keep {kind}",
        keep_url=of.get_absolute_url(),
    )


def _moved(request: HttpRequest, item: TrashItem, to: Any) -> HttpResponse:
    text = f"{item.name} is in the trash, {bytes_text(item.bytes)}."
    undo = reverse("trash_restore", args=(item.pk,))
    messages.success(request, text, extra_tags=undo)
    return redirect(to)


urlpatterns = [
    get_or_post("cleanup/trash/<int:pk>/restore/", trash_restore, "trash_restore"),
    get_or_post("cleanup/trash/<int:pk>/delete/", trash_delete, "trash_delete"),
    get_or_post("cleanup/trash/<slug:slug>/empty/", trash_empty, "trash_empty"),
    post("cleanup/trash/<slug:slug>/stop/", trash_stop, "trash_stop"),
    get_or_post("sweeps/<int:pk>/trash/", sweep_trash, "sweep_trash"),
    get_or_post("experiments/<int:pk>/trash/", experiment_trash, "experiment_trash"),
]
