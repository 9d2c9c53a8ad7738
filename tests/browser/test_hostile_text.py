"""Hostile text in every field that takes text, on every page, in a real browser.

The rows get it past the checks of forms and of the API: no page may rely on them.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Model
from playwright.sync_api import Page

from experiments import models, storage
from experiments.models import Attempt, Event, Metric, Run, Sweep, Trial
from tests import factories
from tests.browser.test_every_page import (
    NOT_PAGES,
    TABS,
    logged_in,
    make_content,
    opened,
)
from tests.browser_launch import chromium, complaints, required_chromium

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(900),
    pytest.mark.django_db(transaction=True),
]
MARKUP = "<b data-hostile>h</b><script>window.hostile = 1; alert(1)</script>"
TEXT = (
    f"\"'>{MARKUP}</textarea></title></script>-->{MARKUP}<img src=x onerror=alert(2)>"
    "<svg onload=alert(3)>hostile-{{ 7|add:42 }}{% debug %}${alert(4)}"
    "\u202etxt.exe\u2066\x1b[31m\x07\x9b "
)
MAX_TEXT, MAX_NAME = 10_000, 200
LONG = TEXT * (MAX_TEXT // len(TEXT) + 1)
LINK = "javascript:alert(5)//"
FIELDS: Mapping[type[Model], tuple[str, ...]] = {
    models.User: ("first_name", "last_name", "email"),
    models.BrowserSession: ("browser", "address"),
    models.Team: ("name",),
    models.Pool: ("python",),
    models.Worker: ("name", "host", "drain_reason", "version", "python"),
    models.SchedulerProcess: ("host", "version"),
    models.Experiment: ("name", "question", "notes"),
    Sweep: ("name", "description", "notes", "message", "code_commit"),
    models.ApiToken: ("name", "last_address", "last_program"),
    models.Invitation: ("meant_for",),
    models.ReportLink: ("meant_for",),
    Trial: ("message", "stop_message"),
    Attempt: ("message", "not_kept", "phase", "client", "error"),
    Run: ("name", "note"),
    Event: (
        *("team_name", "actor_name", "object_kind", "object_name", "message"),
        *("via", "address", "request_id"),
    ),
    models.LoggedModel: ("name", "kind"),
    models.Artifact: ("path",),
    models.SweepTemplate: ("name",),
    models.SavedView: ("name", "query"),
    models.CleanupRule: ("problem",),
    models.TrashItem: ("name",),
    models.CleanupTask: ("words", "problem"),
    models.Orphan: ("name",),
    models.Decision: ("reason", "clause", "limit_words"),
}
JSON: Mapping[type[Model], tuple[str, ...]] = {
    models.Experiment: ("tags", "mlflow_tags"),
    Sweep: ("tags",),
    Run: ("tags", "params"),
    Event: ("before", "after"),
    models.LoggedModel: ("params", "tags"),
}
STATE = """() => ({
  added: document.querySelectorAll("[data-hostile], img[src=x]").length,
  ran: window.hostile, broken: window.broken,
  rendered: document.documentElement.outerHTML.includes("hostile-49"),
  links: document.querySelectorAll("a[href^='javascript:' i]").length,
})"""
CLEAN = {"added": 0, "broken": [], "rendered": False, "links": 0}
NOTE = """
window.broken = [];
document.addEventListener("securitypolicyviolation",
  (event) => window.broken.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


WHOLE = "?part=trials&part=notes&part=document"


def hostile_sweep() -> list[str]:
    """Its parameter, command and metric are hostile as far as documents allow."""
    space = {"x": {"type": "choice", "values": [TEXT.replace("\x07", ""), LINK]}}
    document = factories.definition_document(
        search_space=space,
        objective={"primary_metric": "accuracy", "goal": "maximize"},
        trial={"command": "python train.py ${{search_space.x}} " + shlex.quote(MARKUP)},
    )
    team = models.Team.objects.get(slug="physics")
    sweep = factories.sweep(team, document=document, state="completed")
    for number, value in enumerate(space["x"]["values"] * 6):
        params = {"x": value}
        factories.trial(sweep, state="completed", value=number / 10, params=params)
    found = sweep.trials.all()[:2]
    pages = [f"/sweeps/{sweep.pk}/{tab}" for tab in TABS]
    compared = ",".join(str(trial.pk) for trial in found)
    pages += [f"/sweeps/{sweep.pk}/report.html{WHOLE}", f"/compare/?trials={compared}"]
    pages.append(f"/compare/sweeps/?sweeps={sweep.pk}&all=1")
    return [*pages, found[0].get_absolute_url()]


def make_hostile() -> None:
    for model, names in FIELDS.items():
        for row in model._base_manager.all():
            own = {}
            for name in names:
                most = model._meta.get_field(name).max_length  # type: ignore[union-attr]
                # Names are unique.
                own[name] = f"{row.pk}{LONG}"[
                    : min(most, MAX_NAME) if most else MAX_TEXT
                ]
            model._base_manager.filter(pk=row.pk).update(**own)
    for model, names in JSON.items():
        model._base_manager.update(**{name: {TEXT: TEXT, "a": LINK} for name in names})
    for attempt in Attempt.objects.all()[:8]:
        storage.append_log(attempt.pk, LONG.encode())
        Metric.objects.create(attempt=attempt, name=TEXT[:250], count=0)


def problems(page: Page, quiet: list[str]) -> list[str]:
    state = page.evaluate(STATE)
    wrong = [f"{name}: {state[name]}" for name in CLEAN if state[name] != CLEAN[name]]
    # The browser asks for it after an answer that is no page.
    said = [each for each in quiet if "/favicon.ico" not in each]
    return [*wrong, *(["a script ran"] if state.get("ran") else []), *said]


def test_no_text_becomes_markup(
    live_server: Any, settings: Any, tmp_path: Path
) -> None:
    settings.HOME = tmp_path
    urls = [url for url in make_content() if not url.endswith(NOT_PAGES)]
    urls += hostile_sweep()
    make_hostile()
    found: list[str] = []
    seen: set[str] = set()
    with chromium(required_chromium()) as browser:
        context = logged_in(browser, live_server.url)
        context.add_init_script(NOTE)
        page = context.new_page()
        quiet = complaints(page)

        def refuse(dialog: Any) -> None:
            found.append(f"{page.url} opens a dialog: {dialog.message}")
            dialog.dismiss()

        def note(response: Any) -> None:
            if response.status >= 500:
                found.append(f"{response.url} answers {response.status}")

        page.on("dialog", refuse)
        page.on("response", note)
        for url in urls:
            quiet.clear()
            if opened(page, live_server.url + url, seen):
                found += [f"{url} {each}" for each in problems(page, quiet)]
    assert len(seen) > 80
    assert not found, "\n".join(found)
