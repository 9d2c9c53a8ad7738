"""Who gets what: every route of the pages, every method and every kind of visitor."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.cookies import SimpleCookie
from itertools import chain, cycle
from pathlib import Path
from typing import Any

import pytest
from django.core.signals import request_finished
from django.db import close_old_connections, connection, transaction
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from experiments.api import rate_limits
from tests import factories
from tests.access_world import FORBIDDEN, MISSING, PEOPLE, World, make_world

pytestmark = pytest.mark.django_db

TO_LOGIN = "to the login page"
# A form may be empty, or the state of the object may speak against it.
ANSWERED = (200, 204, 302, 400, 409, 422)
Rule = Mapping[str, Any]

EVERYONE: Rule = dict.fromkeys(PEOPLE, ANSWERED)
READ: Rule = {**EVERYONE, "stranger": MISSING}
STEER: Rule = {**READ, "viewer": FORBIDDEN}
MANAGE: Rule = {**STEER, "member": FORBIDDEN}
MEMBERS: Rule = {**READ, "superuser": MISSING}
ANY_ADMIN: Rule = {**EVERYONE, "viewer": FORBIDDEN, "member": FORBIDDEN}
# What only one person has.
ADAS: Rule = {**dict.fromkeys(PEOPLE, MISSING), "member": ANSWERED}
# A second factor that nobody has.
NONE_YET: Rule = dict.fromkeys(PEOPLE, MISSING)
SITE: Rule = {**dict.fromkeys(PEOPLE, FORBIDDEN), "superuser": ANSWERED}
# Of their own teams.
AUDIT: Rule = {**SITE, "admin": ANSWERED, "stranger": ANSWERED}
CREATE: Rule = {**EVERYONE, "viewer": FORBIDDEN}
# A webhook of the team: others do not see that there is one.
TEAM_CHANNEL: Rule = {**NONE_YET, "admin": ANSWERED, "superuser": ANSWERED}
# What a person has typed, and nobody else sees: others of the team get an empty answer.
SAVED: Rule = {**STEER, "viewer": MISSING}
# Pages that do not need a login.
OPEN: Rule = {**EVERYONE, "nobody": ANSWERED}
HEALTH: Rule = dict.fromkeys((*PEOPLE, "nobody"), (200, 503))
# The link of an invitation that does not exist.
UNKNOWN_LINK: Rule = dict.fromkeys((*PEOPLE, "nobody"), (404, 410))
NO_PROVIDER: Rule = dict.fromkeys((*PEOPLE, "nobody"), MISSING)
LOG_OUT: Rule = dict.fromkeys(PEOPLE, (TO_LOGIN,))
NOT_BY_LOGIN: Rule = dict.fromkeys((*PEOPLE, "nobody"), (401,))

# Route: the rule of GET, then that of POST; without a rule the method is refused.
ROUTES: Mapping[str, tuple[Rule | None, Rule | None]] = {
    "": (EVERYONE, None),
    "home/feed.json": (EVERYONE, None),
    "home/complete.json": (EVERYONE, None),
    "healthz": (HEALTH, HEALTH),
    "health/": (SITE, None),
    "health/feed.json": (SITE, None),
    "metrics": (NOT_BY_LOGIN, None),
    "demo/": (None, CREATE),
    "login/": (OPEN, OPEN),
    "login/closed/": (OPEN, None),
    "login/password/": (OPEN, OPEN),
    "login/password/sent/": (OPEN, None),
    "login/password/done/": (OPEN, None),
    "login/password/<slug:uidb36>/<str:key>/": (OPEN, OPEN),
    "login/sso/": (NO_PROVIDER, None),
    "login/sso/callback/": (NO_PROVIDER, None),
    "login/sso/cancelled/": (OPEN, None),
    "logout/": (None, LOG_OUT),
    "settings/": (EVERYONE, EVERYONE),
    "settings/theme/": (None, EVERYONE),
    "settings/export/": (None, EVERYONE),
    "settings/notifications/": (EVERYONE, EVERYONE),
    "notifications/": (EVERYONE, None),
    "notifications/feed.json": (EVERYONE, None),
    "notifications/read/": (None, EVERYONE),
    "notifications/<int:pk>/": (NONE_YET, None),
    "notifications/channels/new/": (EVERYONE, EVERYONE),
    "notifications/channels/<int:pk>/": (TEAM_CHANNEL, TEAM_CHANNEL),
    "notifications/channels/<int:pk>/test/": (None, TEAM_CHANNEL),
    "notifications/channels/<int:pk>/delete/": (TEAM_CHANNEL, TEAM_CHANNEL),
    "teams/<slug:slug>/notifications/": (MANAGE, None),
    "teams/<slug:slug>/notifications/new/": (MANAGE, MANAGE),
    "experiments/<int:pk>/watch/": (None, READ),
    "settings/sessions/end/": (None, EVERYONE),
    "settings/confirm/": (EVERYONE, EVERYONE),
    "login/code/": (EVERYONE, EVERYONE),
    "login/email/<str:key>/": (OPEN, UNKNOWN_LINK),
    "settings/email/": (EVERYONE, EVERYONE),
    "settings/confirm/code/": (EVERYONE, EVERYONE),
    "settings/confirm/passkey/": (EVERYONE, EVERYONE),
    "teams/<slug:slug>/leave/": (MEMBERS, MEMBERS),
    "login/sent/": (EVERYONE, EVERYONE),
    "settings/confirm/login/": (EVERYONE, None),
    "settings/two-factor/": (EVERYONE, None),
    "settings/two-factor/app/": (EVERYONE, EVERYONE),
    "settings/two-factor/app/remove/": (NONE_YET, NONE_YET),
    "settings/two-factor/passkeys/new/": (EVERYONE, EVERYONE),
    "settings/two-factor/passkeys/<int:pk>/": (NONE_YET, NONE_YET),
    "settings/two-factor/passkeys/<int:pk>/remove/": (NONE_YET, NONE_YET),
    "settings/two-factor/codes/": (NONE_YET, None),
    "settings/two-factor/codes/new/": (EVERYONE, EVERYONE),
    "settings/password/": (EVERYONE, EVERYONE),
    "settings/password/done/": (EVERYONE, None),
    "settings/tokens/new/": (EVERYONE, EVERYONE),
    "settings/tokens/<int:pk>/renew/": (ADAS, ADAS),
    "settings/tokens/<int:pk>/revoke/": (ADAS, ADAS),
    "people/": (SITE, None),
    "people/new/": (SITE, SITE),
    "people/<int:pk>/password/": (SITE, SITE),
    "people/<int:pk>/disable/": (SITE, SITE),
    "people/<int:pk>/enable/": (SITE, SITE),
    "people/<int:pk>/factors/": (SITE, SITE),
    "people/<int:pk>/promote/": (SITE, SITE),
    "people/<int:pk>/demote/": (SITE, SITE),
    "search/": (EVERYONE, None),
    "experiments/": (EVERYONE, None),
    "experiments/new/": (CREATE, CREATE),
    "experiments/<int:pk>/": (READ, None),
    "experiments/<int:pk>/feed.json": (READ, None),
    "experiments/<int:pk>/complete.json": (READ, None),
    "experiments/<int:pk>/runs.csv": (READ, None),
    "experiments/<int:pk>/edit/": (STEER, STEER),
    "experiments/<int:pk>/notes/": (STEER, STEER),
    "experiments/<int:pk>/views/new/": (READ, READ),
    "experiments/<int:pk>/ticked/<slug:act>/": (STEER, STEER),
    "about/<slug:kind>/<int:pk>/": (STEER, STEER),
    "about/<slug:kind>/<int:pk>/tags/": (None, STEER),
    "views/<int:pk>/": (STEER, STEER),
    "views/<int:pk>/delete/": (STEER, STEER),
    "experiments/<int:pk>/transfer/": (MANAGE, MANAGE),
    "sweeps/<int:pk>/transfer/": (MANAGE, MANAGE),
    "experiments/<int:pk>/archive/": (None, STEER),
    "sweeps/import/": (CREATE, CREATE),
    "sweeps/new/": (CREATE, CREATE),
    "sweeps/new/preview/": (None, CREATE),
    "sweeps/new/files/": (None, CREATE),
    "sweeps/<int:pk>/edit/": (STEER, STEER),
    "sweeps/<int:pk>/edit/preview/": (None, STEER),
    "sweeps/saved/<slug:slug>/<str:key>/": (SAVED, None),
    "sweeps/saved/<slug:slug>/<str:key>/discard/": (None, SAVED),
    "teams/<slug:slug>/templates/": (READ, None),
    "templates/<int:pk>/rename/": (None, STEER),
    "templates/<int:pk>/delete/": (STEER, STEER),
    "sweeps/<int:pk>/simulator/": (READ, None),
    "sweeps/<int:pk>/simulator/feed.json": (READ, None),
    "sweeps/<int:pk>/simulator/trade-off.json": (READ, None),
    "sweeps/<int:pk>/simulator/apply": (None, STEER),
    "sweeps/<int:pk>/": (READ, None),
    "sweeps/<int:pk>/trials/": (READ, None),
    "sweeps/<int:pk>/charts/": (READ, None),
    "sweeps/<int:pk>/curves.json": (READ, None),
    "sweeps/<int:pk>/events/": (READ, None),
    "sweeps/<int:pk>/feed.json": (READ, None),
    "sweeps/<int:pk>/columns.json": (READ, None),
    "sweeps/<int:pk>/advice/": (READ, READ),
    "sweeps/<int:pk>/rows.json": (READ, None),
    "sweeps/<int:pk>/find.json": (READ, None),
    "sweeps/<int:pk>/matching.json": (READ, None),
    "sweeps/<int:pk>/complete.json": (READ, None),
    "sweeps/<int:pk>/export.csv": (READ, None),
    "sweeps/<int:pk>/export.json": (READ, None),
    "sweeps/<int:pk>/trials/copy/": (READ, None),
    "sweeps/<int:pk>/importance.json": (READ, None),
    "sweeps/<int:pk>/surface.json": (READ, None),
    "sweeps/<int:pk>/pareto.json": (READ, None),
    "sweeps/<int:pk>/edf.json": (READ, None),
    "sweeps/<int:pk>/timeline.json": (READ, None),
    "sweeps/<int:pk>/ends.json": (READ, None),
    "sweeps/<int:pk>/document.<str:kind>": (READ, None),
    "sweeps/<int:pk>/code/": (READ, None),
    "sweeps/<int:pk>/report/": (READ, STEER),
    "sweeps/<int:pk>/report.html": (READ, None),
    "sweeps/<int:pk>/report/links/<int:link_pk>/revoke/": (STEER, STEER),
    "shared/<str:secret>/": (UNKNOWN_LINK, None),
    "sweeps/<int:pk>/code.zip": (READ, None),
    "sweeps/<int:pk>/best/outputs.zip": (READ, None),
    "sweeps/<int:pk>/again/": (STEER, STEER),
    "sweeps/<int:pk>/trials/compare/": (READ, READ),
    "sweeps/<int:pk>/trials/again/": (STEER, STEER),
    "sweeps/<int:pk>/trials/region/": (STEER, STEER),
    "sweeps/<int:pk>/trials/<str:act>/": (STEER, STEER),
    "sweeps/<int:pk>/add/": (STEER, STEER),
    "sweeps/<int:pk>/backfill/": (STEER, STEER),
    "sweeps/<int:pk>/waiting/": (None, STEER),
    "sweeps/<int:pk>/failures/": (READ, None),
    "sweeps/<int:pk>/remedy/": (None, STEER),
    "sweeps/<int:pk>/preflight/": (None, STEER),
    "sweeps/<int:pk>/settings/": (READ, STEER),
    "sweeps/<int:pk>/extend/": (STEER, STEER),
    "sweeps/<int:pk>/archive/": (None, STEER),
    "sweeps/<int:pk>/<str:verb>/": (STEER, STEER),
    "trials/<int:pk>/": (READ, None),
    "trials/<int:pk>/feed.json": (READ, None),
    "trials/<int:pk>/log": (READ, None),
    "trials/<int:pk>/log/part": (READ, None),
    "trials/<int:pk>/cancel/": (STEER, STEER),
    "trials/<int:pk>/system/": (READ, None),
    "trials/<int:pk>/reproduce/": (READ, None),
    "trials/<int:pk>/requirements.txt": (READ, None),
    "trials/<int:pk>/outputs.zip": (READ, None),
    "trials/<int:pk>/outputs/part": (READ, None),
    "trials/<int:pk>/outputs/<int:artifact_pk>/": (READ, None),
    "trials/<int:pk>/outputs/<int:artifact_pk>/picture": (READ, None),
    "trials/<int:pk>/again/": (STEER, STEER),
    "trials/<int:pk>/clone/": (STEER, STEER),
    "runs/<int:pk>/": (READ, None),
    "runs/<int:pk>/feed.json": (READ, None),
    "runs/<int:pk>/edit/": (STEER, STEER),
    "runs/<int:pk>/end/": (STEER, STEER),
    "runs/<int:pk>/delete/": (STEER, STEER),
    "runs/<int:pk>/archive/": (None, STEER),
    "runs/<int:pk>/restore/": (None, STEER),
    "runs/warm-start/": (STEER, STEER),
    "compare/": (EVERYONE, None),
    "compare/add/": (EVERYONE, None),
    "compare/sweeps/": (EVERYONE, None),
    "teams/new/": (SITE, SITE),
    "teams/switch/": (None, READ),
    "teams/<slug:slug>/switch/": (None, READ),
    "teams/<slug:slug>/": (READ, None),
    "join/<str:secret>/": (UNKNOWN_LINK, UNKNOWN_LINK),
    "teams/<slug:slug>/invitations/new/": (MANAGE, MANAGE),
    "teams/<slug:slug>/invitations/<int:pk>/revoke/": (MANAGE, MANAGE),
    "teams/<slug:slug>/service-accounts/new/": (MANAGE, MANAGE),
    "teams/<slug:slug>/service-accounts/<int:pk>/close/": (MANAGE, MANAGE),
    "teams/<slug:slug>/rules/": (MANAGE, MANAGE),
    "teams/<slug:slug>/rename/": (MANAGE, MANAGE),
    "teams/<slug:slug>/delete/": (MANAGE, MANAGE),
    "teams/<slug:slug>/members/": (None, MANAGE),
    "teams/<slug:slug>/members/<int:pk>/role/": (None, MANAGE),
    "teams/<slug:slug>/members/<int:pk>/remove/": (MANAGE, MANAGE),
    "help/": (EVERYONE, None),
    "help/files/<path:file>": (EVERYONE, None),
    "help/<path:page>/": (EVERYONE, None),
    # Pages of cleanup.
    "cleanup/": (EVERYONE, None),
    "audit/": (AUDIT, None),
    "audit/export.<str:kind>": (AUDIT, None),
    "cleanup/feed.json": (EVERYONE, None),
    "cleanup/space.csv": (EVERYONE, None),
    "cleanup/plan.csv": (ANY_ADMIN, None),
    "cleanup/move/": (ANY_ADMIN, ANY_ADMIN),
    "cleanup/rules/new/": (None, ANY_ADMIN),
    "cleanup/rules/<slug:slug>/": (None, MANAGE),
    "cleanup/rules/<int:pk>/remove/": (None, MANAGE),
    "cleanup/trash/<int:pk>/restore/": (STEER, STEER),
    "cleanup/trash/<int:pk>/delete/": (MANAGE, MANAGE),
    "cleanup/trash/<slug:slug>/empty/": (MANAGE, MANAGE),
    "cleanup/trash/<slug:slug>/stop/": (None, MANAGE),
    "sweeps/<int:pk>/trash/": (STEER, STEER),
    "experiments/<int:pk>/trash/": (STEER, STEER),
    "cleanup/measure/": (None, EVERYONE),
    "cleanup/quotas/<slug:slug>/": (None, SITE),
    "cleanup/orphans/": (SITE, SITE),
    # Pools.
    "pools/": (EVERYONE, None),
    "pools/feed.json": (EVERYONE, None),
    "pools/new/": (SITE, SITE),
    "pools/<slug:name>/": (EVERYONE, None),
    "pools/<slug:name>/start/": (EVERYONE, None),
    "pools/<slug:name>/edit/": (SITE, SITE),
    "pools/<slug:name>/token/": (None, SITE),
    "pools/<slug:name>/hosts/<int:pk>/drain/": (SITE, SITE),
    "pools/<slug:name>/hosts/<int:pk>/undrain/": (None, SITE),
    "pools/<slug:name>/hosts/<int:pk>/forget/": (SITE, SITE),
}
# Pages of Django and RQ: for administrators of the site, whatever the method.
STAFF = ("admin/", "django-rq/")
TO_OWN_PAGES = ("admin/login/", "admin/logout/", "admin/password_change/")
# Programs' routes, which have other tables.
PROGRAMS = ("api/", "^")
# Views of Django and django-allauth take PUT as they take POST.
WITH_PUT = ("healthz", "login/", "settings/")
WITH_PATCH = ("sweeps/saved/<slug:slug>/<str:key>/", *WITH_PUT)
# Apart from rows of sessions, limits, a token's last use and the audit log, which
# refusals write too.
WRITES = re.compile(
    r"(INSERT INTO|UPDATE|DELETE FROM) \"(?!experiments_(event|browsersession"
    r"|loginlimit|apitoken)\")"
)


def routes(resolver: URLResolver | None = None, before: str = "") -> Iterator[str]:
    for pattern in (resolver or get_resolver()).url_patterns:
        here = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, here)
        elif isinstance(pattern, URLPattern):
            yield here


def test_every_route_of_the_pages_has_its_row_here() -> None:
    others = (*STAFF, *PROGRAMS)
    there = {route for route in routes() if not route.startswith(others)}
    assert there - set(ROUTES) == set(), "routes without a row"
    assert set(ROUTES) - there == set(), "rows without a route"


@pytest.fixture
def world(settings: Any, tmp_path: Path) -> World:
    settings.HOME = tmp_path
    rate_limits.requests.clear()
    rate_limits.failures.clear()
    return make_world(factories.team("Physics", ada="member", vera="viewer"))


OWNERS = {
    "sweeps": "sweep_id",
    "trials": "trial_id",
    "runs": "run_id",
    "experiments": "experiment_id",
    "templates": "template_id",
    "about": "experiment_id",
    "views": "view_id",
    "teams": "member_id",
    "pools": "worker_id",
    "settings": "token_id",
    "people": "member_id",
    "invitations": "invitation_id",
    "rules": "rule_id",
    "channels": "channel_id",
    "trash": "item_id",
    "service-accounts": "service_account_id",
}
NAMES = {
    "slug": "physics",
    "name": "default",
    "key": "new",
    "uidb36": "1",
    "secret": "none",
    "verb": "pause",
    "act": "archive",
    "file": "images/home-light.png",
    "page": "quick-start",
}
QUERIES = {"runs/warm-start/": "?trials={run_id}"}
FIELDS = {
    "teams/switch/": {"team": "physics"},
    "sweeps/<int:pk>/simulator/apply": {"target": "{sweep_id}"},
}


def address(route: str, ids: Mapping[str, int]) -> str:
    before = route.partition("/<int:pk>")[0].split("/")
    owner = OWNERS.get(before[-1]) or OWNERS.get(before[0], "")
    kind = "experiment" if route.startswith("about/") else "json"
    own = {"pk": ids.get(owner, 1), "kind": kind}
    others = {"artifact_pk": ids["artifact_id"], "link_pk": ids["report_link_id"]}
    values = {**others, **NAMES, **own}
    path = re.sub(r"<\w+:(\w+)>", lambda found: str(values[found[1]]), route)
    return f"/{path}" + QUERIES.get(route, "").format(**ids)


class Visitor:
    """A logged-in browser, or a program with a token. Each visit is undone."""

    def __init__(self, name: str, world: World, *, person: str = "") -> None:
        self.name = name
        secret = "" if person else world.secrets[name]
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        first = Client()
        if person:
            first.force_login(factories.user(person))
        self._cookies = first.cookies.output()

    def __call__(self, method: str, url: str, fields: Any = None) -> Any:
        client = Client(headers=self._headers)
        client.cookies = SimpleCookie(self._cookies.replace("Set-Cookie: ", ""))
        before = transaction.savepoint()
        answer = getattr(client, method)(url, fields or {})
        # Otherwise it would close the test's connection too.
        request_finished.disconnect(close_old_connections)
        answer.close()
        request_finished.connect(close_old_connections)
        transaction.savepoint_rollback(before)
        return answer


def outcome(answer: Any) -> int | str:
    to_login = answer.status_code == 302 and "/login/" in answer["Location"]
    return TO_LOGIN if to_login else int(answer.status_code)


@contextmanager
def writes() -> Iterator[list[str]]:
    """Fills with the statements that write. To capture all queries with their
    parameters would ask the database about each of them once more."""
    found: list[str] = []

    def note(execute: Callable[..., Any], sql: str, *others: Any) -> Any:
        if WRITES.match(sql):
            found.append(sql)
        return execute(sql, *others)

    with connection.execute_wrapper(note):
        yield found


def misses(
    world: World, visitor: Visitor, who: str, routes: Iterable[str] = ROUTES
) -> Iterator[str]:
    """Where the visitor gets something else than the table says."""
    for route in routes:
        rules = ROUTES[route]
        url = address(route, world.ids)
        for method, rule in zip(("get", "post"), rules, strict=True):
            sent = FIELDS.get(route, {}).items()
            fields = {name: text.format(**world.ids) for name, text in sent}
            with writes() as wrote:
                got = outcome(visitor(method, url, fields))
            refusals = (TO_LOGIN, 401) if who == "nobody" else (405,)
            expected = refusals if rule is None else rule.get(who, refusals)
            if got == 405 and rule is None:
                continue
            if got not in expected:
                yield f"{visitor.name}: {method} {url} {got}"
            elif wrote and expected is not ANSWERED:
                yield f"{visitor.name}: {method} {url} {wrote[0]}"


@pytest.mark.parametrize("who", PEOPLE)
def test_a_person_gets_what_the_table_says(world: World, who: str) -> None:
    visitor = Visitor(who, world, person=PEOPLE[who])
    assert list(misses(world, visitor, who)) == []


def test_without_a_login_no_page_opens(world: World) -> None:
    assert list(misses(world, Visitor("nobody", world), "nobody")) == []


def test_no_token_opens_a_page(world: World) -> None:
    """Each page meets one of them, as all come to the same login."""
    tokens = ("reading member", "member", "admin", "own trial", "worker")
    turns = cycle([Visitor(name, world) for name in tokens])
    found = [list(misses(world, next(turns), "nobody", [route])) for route in ROUTES]
    assert list(chain.from_iterable(found)) == []


def test_other_methods_are_refused_for_everybody(world: World) -> None:
    visitor = Visitor("superuser", world, person=PEOPLE["superuser"])
    taken = [
        f"{method} {route}"
        for method, own in (
            ("put", WITH_PUT),
            ("patch", WITH_PATCH),
            ("delete", WITH_PUT),
        )
        for route in ROUTES
        if not route.startswith(own)
        if outcome(visitor(method, address(route, world.ids))) != 405
    ]
    assert taken == []


@pytest.mark.parametrize("who", ["viewer", "member", "admin", "stranger"])
def test_the_administrators_pages_are_closed_to_others(world: World, who: str) -> None:
    visitor = Visitor(who, world, person=PEOPLE[who])
    opened = []
    for route in (route for route in routes() if route.startswith(STAFF)):
        if route.startswith(TO_OWN_PAGES):
            continue
        url = re.sub(r"<(?:(\w+):)?\w+>", "1", route)
        url = re.sub(r"\(\?P<\w+>[^)]*\)|[\^$\\?]", "", url)
        for method in ("get", "post"):
            got = outcome(visitor(method, f"/{url}"))
            if got not in (TO_LOGIN, 401, 403, 404, 405):
                opened.append(f"{method} {url} {got}")
    assert opened == []
