"""The report of a sweep: one file without requests, and links that show only it."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from experiments.cleanup.protection import protected_sweeps
from experiments.models import Event, Membership, ReportLink, Sweep, Trial
from experiments.sweeps.synthetic import Filling, fill_sweep
from tests import factories
from tests.pages.clients import count_queries, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("own_data_folder")]
HOSTILE = '<script src="https://evil.example/x.js"></script><img src=x onerror=a>'
ALL = "?part=trials&part=notes&part=document"


def shown_sweep(**fields: Any) -> Sweep:
    sweep = factories.sweep(factories.team(), **fields)
    for values in ([0.5, 0.6, 0.75], [0.4, 0.8, 0.9], [0.25]):
        factories.reported_trial(sweep, values, state="completed")
    factories.trial(sweep, state="failed")
    return sweep


def made_link(client: Client, sweep: Sweep, **fields: Any) -> str:
    """The path of a new link."""
    fields = {"days": "7", "meant_for": "the board", "parts": ["trials"], **fields}
    answer = client.post(f"/sweeps/{sweep.pk}/report/", fields)
    assert answer.status_code == 200
    found = re.search(r"/shared/rep_[\w-]+/", answer.content.decode())
    assert found
    return found[0]


def body(client: Client, path: str) -> str:
    return page(client, path).partition("<body>")[2]


class Requests(HTMLParser):
    """Collects what a browser would request or run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if attrs == [("rel", "icon"), ("href", "data:,")]:
            return
        names = ("src", "href", "srcset", "data", "action", "xlink:href", "style")
        self.found += [(tag, name) for name, _ in attrs if name in names]
        self.found += [(tag, name) for name, _ in attrs if name.startswith("on")]
        if tag in ("script", "link", "iframe", "object", "embed", "base", "form"):
            self.found.append((tag, ""))


def test_a_report_says_the_result_and_loads_nothing(ada: Client) -> None:
    sweep = shown_sweep(notes="It **works**.")
    html = page(ada, f"/sweeps/{sweep.pk}/report.html{ALL}")
    assert "Trial 1 is the best: accuracy 0.9000. The next best is trial 0" in html
    assert html.count('role="img"') == 3 and "<polyline" in html
    assert "It <strong>works</strong>." in html and "python train.py" in html
    assert not Requests(html).found
    assert "url(" not in html and "@import" not in html


def test_a_report_leaves_out_what_nobody_asked_for(ada: Client) -> None:
    secret = {"command": "python a.py", "environment_variables": {"KEY": "s3cret"}}
    document = factories.definition_document(trial=secret)
    sweep = shown_sweep(
        document=document, user=factories.user("ada"), notes="our secret plan"
    )
    bare = body(ada, f"/sweeps/{sweep.pk}/report.html")
    assert "secret plan" not in bare and "python a.py" not in bare
    assert '<th scope="col">rank</th>' not in bare
    whole = body(ada, f"/sweeps/{sweep.pk}/report.html{ALL}")
    for word in ("s3cret", "KEY", "ada", "default", "/sweeps/"):
        assert word not in whole, word


def test_hostile_names_and_values_are_text(ada: Client) -> None:
    space = {"x": {"type": "choice", "values": [HOSTILE, "b"]}}
    document = factories.definition_document(
        search_space=space,
        trial={"command": "python a.py"},
        objective={"primary_metric": "a<b>&c", "goal": "minimize"},
    )
    sweep = factories.sweep(factories.team(), document=document)
    Sweep.objects.filter(pk=sweep.pk).update(name=HOSTILE, notes=HOSTILE)
    trial = factories.trial(
        sweep, state="completed", value=0.5, params={"x": HOSTILE, HOSTILE: 1}
    )
    Trial.objects.filter(pk=trial.pk).update(reports=1)
    html = page(ada, f"/sweeps/{sweep.pk}/report.html{ALL}")
    assert HOSTILE not in html and "evil.example" in html
    assert not Requests(html).found


def test_a_sweep_without_values_has_a_report(ada: Client) -> None:
    sweep = factories.sweep(factories.team(), state="draft")
    html = page(ada, f"/sweeps/{sweep.pk}/report.html{ALL}")
    assert "No trial has a value of accuracy yet." in html
    assert "<svg" not in html


def test_what_is_drawn_is_limited_and_said(ada: Client) -> None:
    sweep = shown_sweep()
    few = count_queries(ada, f"/sweeps/{sweep.pk}/report.html{ALL}")
    for _ in range(120):
        factories.trial(sweep, state="completed", value=0.5)
    html = page(ada, f"/sweeps/{sweep.pk}/report.html{ALL}")
    assert "The best 100 of 123 trials, the best first." in html
    assert "of 124 trials: the best 10 and a fair sample" in html
    # One more where some of the trials are cached.
    assert count_queries(ada, f"/sweeps/{sweep.pk}/report.html{ALL}") <= few + 1


def test_a_report_of_many_trials_says_what_matters(ada: Client) -> None:
    filling = Filling(trials=300, parameters=4, points=5)
    sweep = fill_sweep(factories.team(), filling)
    html = page(ada, f"/sweeps/{sweep.pk}/report.html{ALL}")
    assert "What separates the best quarter from the rest? (PED-ANOVA)" in html
    assert "learning_rate" in html and html.count('role="img"') == 3 + 4
    assert len(html) < 400_000
    assert not Requests(html).found


def test_a_link_shows_its_report_and_nothing_else(ada: Client) -> None:
    sweep = shown_sweep(notes="not for all")
    path = made_link(ada, sweep)
    nobody = Client()
    answer = nobody.get(path)
    html = answer.content.decode()
    assert answer.status_code == 200 and "Trial 1 is the best" in html
    assert "not for all" not in html and not Requests(html).found
    assert answer["X-Robots-Tag"] == "noindex, nofollow"
    assert answer["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in answer["Content-Security-Policy"]
    assert "sessionid" not in answer.cookies
    assert nobody.get(f"/sweeps/{sweep.pk}/report.html").status_code == 302
    assert nobody.post(path).status_code == 405
    assert nobody.get(path[:-3] + "x/").status_code == 404


def test_a_link_is_listed_without_its_secret_and_can_be_revoked(ada: Client) -> None:
    sweep = shown_sweep()
    path = made_link(ada, sweep)
    secret = path.split("/")[2]
    link = ReportLink.objects.get()
    assert secret not in json.dumps([str(v) for v in vars(link).values()])
    listed = page(ada, f"/sweeps/{sweep.pk}/report/")
    assert "the board" in listed and "never" in listed and secret not in listed
    Client().get(path)
    assert "never" not in page(ada, f"/sweeps/{sweep.pk}/report/")
    revoke = f"/sweeps/{sweep.pk}/report/links/{link.pk}/revoke/"
    assert "can no longer open the report" in page(ada, revoke)
    assert ada.post(revoke).status_code == 302
    assert Client().get(path).status_code == 404
    verbs = Event.objects.filter(verb__contains="report").values_list("verb", flat=True)
    assert list(verbs) == [
        *("report link revoked", "report opened by link", "report link created"),
    ]


@pytest.mark.parametrize("change", ["expired", "trashed", "left", "off"])
def test_a_link_ends(ada: Client, settings: Any, change: str) -> None:
    sweep = shown_sweep()
    path = made_link(ada, sweep)
    assert Client().get(path).status_code == 200
    now = timezone.now()
    if change == "expired":
        ReportLink.objects.update(expires_at=now)
    elif change == "trashed":
        Sweep.objects.filter(pk=sweep.pk).update(deletion_requested_at=now)
    elif change == "left":
        Membership.objects.filter(user__username="ada").update(role="viewer")
    else:
        settings.REPORT_LINK_DAYS = 0
    gone = Client().get(path)
    assert gone.status_code == 404 and b"does not work any more" in gone.content
    assert b"digits" not in gone.content


def test_links_have_a_limit_of_days_and_can_be_off(ada: Client, settings: Any) -> None:
    sweep = shown_sweep()
    settings.REPORT_LINK_DAYS = 5
    long = ada.post(f"/sweeps/{sweep.pk}/report/", {"days": "30"})
    assert long.status_code == 422
    settings.REPORT_LINK_DAYS = 0
    assert "switched off" in page(ada, f"/sweeps/{sweep.pk}/report/")
    off = ada.post(f"/sweeps/{sweep.pk}/report/", {"days": "1"})
    assert off.status_code == 422 and not ReportLink.objects.exists()


def test_a_shared_sweep_is_protected_from_cleanup(ada: Client) -> None:
    sweep = shown_sweep()
    Sweep.objects.filter(pk=sweep.pk).update(state="completed")
    team = sweep.experiment.team
    assert not protected_sweeps(Sweep.objects.all(), [team])
    assert "Report links" not in page(ada, f"/sweeps/{sweep.pk}/trash/")
    made_link(ada, sweep)
    assert "Report links that stop working" in page(ada, f"/sweeps/{sweep.pk}/trash/")
    until = timezone.now() + timedelta(days=7)
    assert protected_sweeps(Sweep.objects.all(), [team]) == {
        sweep.pk: f"a report link shows it until {until:%Y-%m-%d}"
    }
