"""Pages and commands of a search. Those of a sweep, trial or experiment are offered on
its pages; what cannot be undone leads to its question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import Resolver404, resolve, reverse

from experiments import access
from experiments.models import Experiment, Sweep, Team, User
from experiments.pages.frame import current_team
from experiments.pages.help import manual
from experiments.sweeps.finding import Found, FoundKind, words_of

Line = tuple[str, str, str]
# Name of the route, title, further words that find it.
PAGES: Sequence[Line] = (
    ("home", "Home", "running sweeps slots"),
    ("experiment_list", "Experiments", "sweeps runs list"),
    ("pool_list", "Pools and queue", "workers hosts slots"),
    ("cleanup", "Space and cleanup", "disk trash quota rules"),
    ("help", "Help", "documentation manual tutorials reference"),
    ("profile", "Profile", "tokens sessions theme two-factor"),
    ("password_change", "Change password", "login"),
)
SITE_PAGES: Sequence[Line] = (
    ("people", "People", "accounts users"),
    ("health", "Health", "status checks"),
    ("audit", "Audit log", "events who"),
)
ENDED = "completed cancelled failed"
# Of a sweep: its state or "", and whether it changes something.
SWEEP_COMMANDS: Sequence[tuple[str, str, str, str]] = (
    ("sweep_trials", "Trials of {0}", "", "read"),
    ("sweep_settings", "Settings of {0}", "", "read"),
    ("sweep_events", "Events of {0}", "", "read"),
    ("simulator", "Policy simulator of {0}", "", "read"),
    ("sweep_report", "Report of {0}", "", "read"),
    ("sweep_edit", "Edit {0}", "draft running paused", "change"),
    ("sweep_action:pause", "Pause {0}, asks first", "running", "change"),
    ("sweep_action:cancel", "Cancel {0}, asks first", "running paused draft", "change"),
    ("sweep_extend", "Add more trials to {0}", ENDED, "change"),
    ("sweep_add_trial", "Add a trial to {0} by hand", "", "change"),
    ("sweep_backfill", "Backfill trials of {0}", "", "change"),
    (
        "sweep_trash",
        "Move {0} to trash, asks first",
        "draft completed failed",
        "change",
    ),
)


def find_pages(request: HttpRequest, query: str) -> Iterator[FoundKind]:
    """Pages of the site; not without words."""
    words = [word.lower() for word in words_of(query)]
    user, team = access.viewer(request), current_team(request)
    pages = [*PAGES, *(SITE_PAGES if access.sees_everything(user) else ())]
    lines = [
        Found(reverse(route), title, glyph="file")
        for route, title, more in pages
        if words and _has(f"{title} {more}", words)
    ]
    if team and words and _has(f"Team {team.name} people members tokens", words):
        url = reverse("team_detail", args=(team.slug,))
        lines.append(Found(url, f"Team {team.name}", glyph="team"))
    if words:
        lines += (
            Found(url, f"Help: {title}", glyph="file")
            for url, title in manual.find_titles(words)
        )
    if lines:
        yield FoundKind("pages", "Pages", lines, len(lines))


def find_commands(request: HttpRequest, query: str, at: str) -> Iterator[FoundKind]:
    """What can be done on the page ``at``; a query that begins with `>` finds nothing
    else."""
    words = [word.lower() for word in words_of(query.removeprefix(">"))]
    user, team = access.viewer(request), current_team(request)
    every = _on_page(user, at) if at else iter(())
    lines = [
        line for line in (*every, *_of_team(user, team)) if _has(line.title, words)
    ]
    if lines:
        yield FoundKind("commands", "Commands", lines, len(lines))


def _has(text: str, words: Sequence[str]) -> bool:
    return all(word in text.lower() for word in words)


def _of_team(user: User, team: Team | None) -> Iterator[Found]:
    if team is None or not access.can_steer(user, team):
        return
    yield Found(reverse("sweep_create"), "New sweep", glyph="plus")
    yield Found(reverse("sweep_import"), "Import a sweep", glyph="download")
    yield Found(reverse("experiment_create"), "New experiment", glyph="plus")


def _on_page(user: User, at: str) -> Iterator[Found]:
    """Commands for what the page is about."""
    try:
        match = resolve(at.partition("?")[0])
    except Resolver404:
        return
    pk, first = match.kwargs.get("pk"), at.strip("/").partition("/")[0]
    if not isinstance(pk, int):
        return
    rows: Any
    if first == "sweeps":
        rows = access.sweeps_for(user)
    elif first == "experiments":
        rows = access.experiments_for(user)
    elif first == "trials":
        trial = access.trials_for(user).filter(pk=pk).first()
        pk, rows = trial and trial.sweep_id, access.sweeps_for(user)
    else:
        return
    row = rows.filter(pk=pk).first()
    if row is not None:
        yield from _of_sweep(user, row) if first != "experiments" else _of(user, row)


def _of_sweep(user: User, sweep: Sweep) -> Iterator[Found]:
    steers = access.can_steer(user, sweep.experiment.team)
    if steers:
        url = f"{reverse('sweep_create')}?clone={sweep.pk}"
        yield Found(url, f"Clone {sweep.label} with changes", glyph="copy")
    for route, title, states, right in SWEEP_COMMANDS:
        if (right == "read" or steers) and (
            not states or sweep.state in states.split()
        ):
            name, _, verb = route.partition(":")
            url = reverse(name, args=(sweep.pk, verb) if verb else (sweep.pk,))
            yield Found(url, title.format(sweep.label), glyph="play")


def _of(user: User, experiment: Experiment) -> Iterator[Found]:
    if access.can_steer(user, experiment.team):
        url = f"{reverse('sweep_create')}?experiment={experiment.pk}"
        yield Found(url, f"New sweep in {experiment.name}", glyph="plus")
        url = reverse("about", args=("experiment", experiment.pk))
        yield Found(url, f"Edit name, tags and note of {experiment.name}", glyph="file")
