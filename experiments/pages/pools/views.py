"""The page of all pools, of one pool, how to start a worker; and what admins of the
installation do with pools and hosts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.db.models import Count
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from experiments import access, lifecycle
from experiments.accounts.pools import issue_credential, save_pool
from experiments.models import Pool, User, Worker
from experiments.models.trials import AttemptState
from experiments.pages.frame import (
    administrator,
    ask,
    current_team,
    form_page,
    get,
    get_or_post,
    live_parts,
    parts_feed,
    post,
)
from experiments.pages.pools.forms import (
    NewPoolForm,
    PoolForm,
    drain_question,
    forget_question,
    host_questions,
    reason_problem,
)
from experiments.pages.pools.page import PoolsPage, pools_page

# Seconds: an open page is drawn again no more often.
DRAWN_EVERY = 3.0
MINE = "mine"


def pools_of(request: HttpRequest, name: str) -> Sequence[Pool]:
    """The pools that the viewer may see, or the named one; 404 for any other."""
    pools = access.pools_for(access.viewer(request))
    if name:
        return [access.found_or_404(pools, name=name)]
    return list(pools)


def page_of(request: HttpRequest, pools: Sequence[Pool]) -> PoolsPage:
    narrow = request.GET.get("queue") == MINE
    team = current_team(request)
    return pools_page(access.viewer(request), pools, team=team, narrow=narrow)


def pool_page(request: HttpRequest, name: str = "") -> HttpResponse:
    mark = moment()
    page = page_of(request, pools_of(request, name))
    context: dict[str, Any] = {
        **live_parts(mark, page.rendered_parts()),
        "page": page,
        "pool": page.pools[0] if name else None,
        "tabs": tabs_of(page.user, name),
        "team_count": team_count(page.pools),
        "feed": feed_url(name, narrow=page.narrow),
        "is_admin": page.user.is_superuser,
        "questions": host_questions(page),
    }
    return render(request, "experiments/pools/page.html", context)


def pool_feed(request: HttpRequest) -> JsonResponse:
    """The parts that have changed, of all pools or of one ``?pool=``."""
    pools = pools_of(request, request.GET.get("pool", ""))
    return parts_feed(
        request, moment(), lambda: page_of(request, pools).rendered_parts()
    )


def moment() -> str:
    return str(int(time.monotonic() // DRAWN_EVERY))


def feed_url(name: str, *, narrow: bool) -> str:
    query = {"pool": name, "queue": MINE if narrow else ""}
    asked = {key: value for key, value in query.items() if value}
    return f"{reverse('pool_feed')}?{urlencode(asked)}"


def tabs_of(user: User, name: str) -> Sequence[tuple[str, str, bool]]:
    """Label, address, whether it is the current one; none for a single pool."""
    names = list(access.pools_for(user).values_list("name", flat=True))
    if len(names) < 2:
        return ()
    return [
        ("All pools", reverse("pool_list"), not name),
        *((one, reverse("pool_detail", args=(one,)), one == name) for one in names),
    ]


def team_count(pools: Sequence[Pool]) -> int:
    """How many teams may use any of them."""
    through = Pool.teams.through.objects.filter(pool__in=pools)
    return int(through.aggregate(n=Count("team", distinct=True))["n"])


def pool_start(request: HttpRequest, name: str) -> HttpResponse:
    pool = pools_of(request, name)[0]
    return show_start(request, pool)


def show_start(request: HttpRequest, pool: Pool, secret: str = "") -> HttpResponse:
    """The exact commands that start a worker; ``secret``: a token created just now."""
    user = access.viewer(request)
    embedded = settings.REDIS_URL.startswith("unix")
    queue = "redis://:PASSWORD@SERVER:6379/0"
    if embedded and user.is_superuser:
        # The socket of the site's machine, for those who may read the file with it.
        queue = f'$(cat "{settings.HOME / "redis_url"}")'
    lines = [
        f"export REDIS_URL={queue}",
        f"export SWEEPSITE_URL={settings.SITE_URL}",
        f"export SWEEPSITE_WORKER_TOKEN={secret or 'wrk_…'}",
        f"python manage.py worker --pool {pool.name} --slots 2",
    ]
    start = {
        "pool": pool,
        "commands": "\n".join(lines),
        "embedded": embedded,
        "is_admin": user.is_superuser,
        "secret": secret,
    }
    context = {"pool": pool, "start": start}
    return render(request, "experiments/pools/start.html", context)


def host_of(name: str, pk: int) -> Worker:
    workers = Worker.objects.select_related("pool").filter(pool__name=name)
    return access.found_or_404(workers, pk=pk)


def pool_of(name: str) -> Pool:
    return access.found_or_404(Pool.objects.all(), name=name)


def host_drain(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    admin, worker = administrator(request), host_of(name, pk)
    reason = request.POST.get("reason", "").replace("\0", "").strip()
    refused = bool(reason_problem(reason))
    if request.method != "POST" or refused:
        running = worker.attempts.filter(state=AttemptState.RUNNING).count()
        question = drain_question(worker, running=running, reason=reason)
        return ask(request, question, status=422 if refused else 200)
    text = lifecycle.drain_words(reason, admin)
    if lifecycle.drain_worker(worker, reason=text, actor=admin):
        messages.success(request, f"{worker.name} gets no new trials from now on.")
    else:
        messages.info(request, f"{worker.name} is already draining.")
    return redirect("pool_list")


def host_undrain(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    admin, worker = administrator(request), host_of(name, pk)
    if lifecycle.undrain_worker(worker, actor=admin):
        messages.success(request, f"{worker.name} takes trials again.")
    else:
        messages.info(request, f"{worker.name} already takes trials.")
    return redirect("pool_list")


def host_forget(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    admin, worker = administrator(request), host_of(name, pk)
    if request.method != "POST":
        return ask(request, forget_question(worker))
    if lifecycle.forget_worker(worker, actor=admin):
        messages.success(request, f"{worker.name} is no longer listed.")
    else:
        messages.error(
            request,
            f"{worker.name} was not forgotten: it responds, or is not listed any more."
            " Drain it, or stop its worker.",
        )
    return redirect("pool_list")


def pool_token(request: HttpRequest, name: str) -> HttpResponse:
    """Create a token for the pool's workers, and show it this once."""
    admin, pool = administrator(request), pool_of(name)
    secret = issue_credential(pool, actor=admin).secret
    return show_start(request, pool, secret)


def pool_edit(request: HttpRequest, name: str) -> HttpResponse:
    admin, pool = administrator(request), pool_of(name)
    form = PoolForm(request.POST or None, instance=pool)
    if request.method == "POST" and form.is_valid():
        save(form, admin)
        messages.success(request, f"Saved pool {pool.name}.")
        return redirect("pool_detail", pool.name)
    return show_form(request, form, pool)


def pool_create(request: HttpRequest) -> HttpResponse:
    admin = administrator(request)
    form = NewPoolForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        pool = save(form, admin)
        return redirect("pool_start", pool.name)
    return show_form(request, form, None)


def show_form(request: HttpRequest, form: PoolForm, pool: Pool | None) -> HttpResponse:
    shown = pool and pool_of(pool.name)
    return form_page(request, "experiments/pools/form.html", form, pool=shown)


def save(form: PoolForm, admin: User) -> Pool:
    columns = dict(form.cleaned_data)
    links = {name: columns.pop(name) for name in ("teams", "runners")}
    pool: Pool = form.instance
    return save_pool(pool, columns, links, changed=form.changed_data, actor=admin)


HOST = "pools/<slug:name>/hosts/<int:pk>"
urlpatterns = [
    get("pools/", pool_page, "pool_list"),
    get("pools/feed.json", pool_feed, "pool_feed"),
    get_or_post("pools/new/", pool_create, "pool_create"),
    get("pools/<slug:name>/", pool_page, "pool_detail"),
    get("pools/<slug:name>/start/", pool_start, "pool_start"),
    get_or_post("pools/<slug:name>/edit/", pool_edit, "pool_edit"),
    post("pools/<slug:name>/token/", pool_token, "pool_token"),
    get_or_post(f"{HOST}/drain/", host_drain, "host_drain"),
    post(f"{HOST}/undrain/", host_undrain, "host_undrain"),
    get_or_post(f"{HOST}/forget/", host_forget, "host_forget"),
]
