"""/cleanup/: what takes the space of the viewer's teams, and what can go."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from experiments import access
from experiments.cleanup import disk, measure
from experiments.cleanup.forecast import freeings
from experiments.cleanup.jobs import running_jobs
from experiments.cleanup.usage import Measured, SpaceAmount, SpaceGrowth, SpaceLine
from experiments.models import CleanupTask, Event, User
from experiments.pages.cleanup.choose import choose_card
from experiments.pages.cleanup.growth import growth_chart
from experiments.pages.cleanup.orphans import orphan_list
from experiments.pages.cleanup.quotas import quota_rows
from experiments.pages.cleanup.rules import rules_card
from experiments.pages.cleanup.space import VIEWS, SpaceQuery, shares_of, space_rows
from experiments.pages.cleanup.trash import trash_card
from experiments.pages.frame import (
    act,
    csv_file,
    digest,
    get,
    live_parts,
    parts_feed,
    post,
    render_parts,
)
from experiments.sweeps.export import csv_text

PARTS = ("facts", "jobs", "space", "growth")


class CleanupPage:
    """What the page shows to one viewer: their teams, or everything for an
    administrator of the installation."""

    def __init__(self, user: User, query: SpaceQuery) -> None:
        self.user, self.query = user, query
        self.teams = list(access.teams_for(user))
        self.measured = Measured(self.teams, with_site=user.is_superuser)
        self.jobs = running_jobs()
        self.tasks = list(CleanupTask.objects.filter(team__in=self.teams))

    @cached_property
    def total(self) -> SpaceAmount:
        return self.measured.total()

    @cached_property
    def growth(self) -> SpaceGrowth:
        return self.measured.total_growth()

    @property
    def mark(self) -> str:
        """Changes with a measurement, and with the progress of a job."""
        jobs = [(job.name, job.progress.done, job.words) for job in self.jobs]
        tasks = [(task.pk, task.problem) for task in self.tasks]
        return digest(f"{self.measured.measured_at} {jobs} {tasks}")

    def parts(self) -> dict[str, str]:
        return render_parts("cleanup", PARTS, self._parts_context())

    def _parts_context(self) -> dict[str, Any]:
        measured = self.measured
        room = disk.fullest_disk() if self.user.is_superuser else None
        return {
            "jobs": self.jobs,
            "tasks": self.tasks,
            "measured_at": measured.measured_at,
            "total": self.total,
            "room": room,
            "per_week": self.growth.per_week,
            "full_on": room and self.growth.full_on(room.free),
            "rows": space_rows(measured, self.teams, self.query),
            "shares": shares_of(self.total, whole=self.total.bytes),
            "view": self.query.view,
            "views": VIEWS,
            "chart": growth_chart(self.growth, freeings(self.teams)),
        }

    def context(self) -> dict[str, Any]:
        amounts, growth = self.measured.amounts("team"), self.measured.growth("team")
        return {
            "teams": self.teams,
            "quotas": quota_rows(self.teams, amounts, growth),
            "orphans": orphan_list() if self.user.is_superuser else None,
            **live_parts(self.mark, self.parts()),
        }


def removal_cards(request: HttpRequest) -> dict[str, Any]:
    """What the cards to choose, dry_run, rules and trash need."""
    choose = choose_card(request)
    team = choose.team if choose else None
    return {
        "choose": choose,
        "rules": rules_card(team) if team else None,
        "trash": trash_card(access.viewer(request), request.GET, team),
        "cleanup_hour": f"{settings.CLEANUP_HOUR:02}",
    }


def cleanup(request: HttpRequest) -> HttpResponse:
    """Each card has its own template."""
    page = _page(request)
    context = page.context() | removal_cards(request)
    return render(request, "experiments/cleanup/page.html", context)


def cleanup_feed(request: HttpRequest) -> JsonResponse:
    page = _page(request)
    return parts_feed(request, page.mark, page.parts)


def _page(request: HttpRequest) -> CleanupPage:
    return CleanupPage(access.viewer(request), SpaceQuery.read(request.GET))


def space_measure(request: HttpRequest) -> HttpResponse:
    access.viewer(request)

    def start() -> str:
        measure.start_measuring()
        return "Measuring the space. The sizes here change when it is done."

    return act(request, "cleanup", start)


def space_csv(request: HttpRequest) -> HttpResponse:
    """The rows of the newest measurement, for spreadsheets."""
    lines = _page(request).measured.lines()
    Event.log("space exported", actor=access.viewer(request))
    return csv_file("space.csv", csv_text([SpaceLine._fields, *lines]))


urlpatterns = [
    get("cleanup/", cleanup, "cleanup"),
    get("cleanup/feed.json", cleanup_feed, "cleanup_feed"),
    get("cleanup/space.csv", space_csv, "space_csv"),
    post("cleanup/measure/", space_measure, "space_measure"),
]
