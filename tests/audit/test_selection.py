"""The audit log: choosing, exporting, keeping and forwarding events."""

from __future__ import annotations

import csv
import io
import json
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from experiments import origin
from experiments.audit import export, syslog
from experiments.audit.selection import EventFilter
from experiments.models import Event, LogForwarding, Team, User
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_known_verbs() -> None:
    cache.clear()


@pytest.fixture
def ada() -> User:
    return factories.user("ada")


def chosen(**given: str) -> list[str]:
    given = {name.strip("_"): value for name, value in given.items()}
    rows = EventFilter.read(given).rows(Event.objects.all())
    return [event.verb for event in rows]


def aged(event: Event, days: float) -> Event:
    moment = timezone.now() - timedelta(days=days)
    Event.objects.filter(pk=event.pk).update(created_at=moment)
    return event


def test_events_are_chosen_by_what_a_reader_knows(ada: User) -> None:
    team = Team.objects.create(name="Vision", slug="vision")
    with origin.of_request("/teams/vision/", "10.0.2.31"):
        event = Event.log("role changed", "eve: member", actor=ada, team=team)
    Event.log("host drained", "4 failures", about="gpu-a-01")
    Event.log("sweep deleted", "digits-3", actor=ada)
    assert chosen(who="ada") == ["sweep deleted", "role changed"]
    assert chosen(what="host drained") == ["host drained"]
    assert chosen(object="gpu-a-01") == ["host drained"]
    assert chosen(via="browser") == ["role changed"]
    assert chosen(group="access") == ["role changed"]
    assert chosen(group="deletions") == ["sweep deleted"]
    assert chosen(group="itself") == ["host drained"]
    for text in ("VISION", "10.0.2", "eve", event.request_id):
        assert chosen(q=text) == ["role changed"]


def test_days_are_counted_and_chosen() -> None:
    aged(Event.log("old"), 3)
    Event.log("new")
    today = timezone.localdate()
    day = today - timedelta(days=3)
    assert chosen(**{"from": f"{day}", "to": f"{day}"}) == ["old"]
    counts = dict(EventFilter().days(Event.objects.all()))
    assert (counts[day], counts[today], len(counts)) == (1, 1, 30)
    assert dict(EventFilter(what="new").days(Event.objects.all()))[day] == 0


def test_long_ago_days_have_bars_too() -> None:
    day = timezone.localdate() - timedelta(days=300)
    counts = dict(EventFilter(first=day, last=day).days(Event.objects.all()))
    assert day in counts
    assert len(counts) <= 62


@pytest.mark.parametrize("text", ["2026-13-01", "yesterday", "0001-01-01", "\u202e"])
def test_a_wrong_day_is_explained(text: str) -> None:
    with pytest.raises(ValueError, match=r"from is .* such as 2026-12-01"):
        EventFilter.read({"from": text})


def test_a_table_has_no_formula_and_no_unseen_character(ada: User) -> None:
    Event.log("member added", "=1+1", actor=ada, about="a\u202eb", after={"role": "x"})
    text = "".join(export.as_text(Event.objects.all(), "csv"))
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["message"], row["object"]) == ("'=1+1", "a\\u202eb")
    assert json.loads(row["after"]) == {"role": "x"}
    (line,) = export.as_text(Event.objects.all(), "json")
    assert line.isascii()
    assert json.loads(line)["object"] == "a\u202eb"


def test_an_export_has_every_event_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "CHUNK", 2)
    made = [Event.log(f"act {n}").pk for n in range(5)]
    lines = export.as_text(Event.objects.all(), "json")
    assert [json.loads(line)["id"] for line in lines] == made[::-1]


def test_secrets_are_not_recorded() -> None:
    inner = {"HF_TOKEN": "hf_1", "max_tokens": 3}
    event = Event.log("set", after={"password": "p", "environment_variables": inner})
    kept = {"HF_TOKEN": "(not recorded)", "max_tokens": 3}
    assert event.after == {"password": "(not recorded)", "environment_variables": kept}


def test_events_go_after_their_days(settings: Any) -> None:
    settings.EVENT_DAYS = 400
    aged(Event.log("too old"), 401)
    aged(Event.log("old"), 399)
    assert Event.delete_old() == 1
    assert [event.verb for event in Event.objects.all()] == ["old"]


@pytest.fixture(params=["udp", "unix"])
def server(request: Any, settings: Any, tmp_path: Path) -> Any:
    """A log server, by its network or on this machine."""
    is_local = request.param == "unix"
    family = socket.AF_UNIX if is_local else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "log") if is_local else ("127.0.0.1", 0))
        listener.settimeout(10)
        where = listener.getsockname()
        settings.SYSLOG_URL = (
            f"unix://{where}" if is_local else f"udp://127.0.0.1:{where[1]}"
        )
        yield listener


def test_a_log_server_gets_each_event_once(server: Any) -> None:
    Event.log("before the setting")
    syslog._forwarding()
    aged(Event.log("logged in", about="a\u202eb\n<1>1"), 1)
    assert syslog.unsent() == 1
    syslog.send_waiting()
    syslog.send_waiting()
    head, _, text = server.recv(10_000).decode().partition(" - event - ")
    assert head.startswith("<85>1 ")
    assert (json.loads(text)["what"], "\n" in text) == ("logged in", False)
    assert syslog.unsent() == 0
    server.setblocking(False)
    with pytest.raises(BlockingIOError):
        server.recv(10_000)


def test_a_log_server_over_tcp_gets_what_waited(settings: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.SYSLOG_URL = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
    syslog._forwarding()
    aged(Event.log("one"), 1)
    aged(Event.log("two"), 1)
    syslog.send_waiting()
    row = LogForwarding.objects.get()
    assert "refused" in row.problem
    assert syslog.unsent() == 2
    with socket.create_server(("127.0.0.1", 0)) as listener:
        settings.SYSLOG_URL = f"tcp://127.0.0.1:{listener.getsockname()[1]}"
        syslog.send_waiting()
        with listener.accept()[0] as stream, stream.makefile("rb") as file:
            length = int(file.read(4))
            assert (
                json.loads(file.read(length).split(b" - event - ")[1])["what"] == "one"
            )
    row.refresh_from_db()
    assert (row.problem, syslog.unsent()) == ("", 0)
