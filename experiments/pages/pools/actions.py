"""What admins of the installation do with pools and hosts. Nobody else may."""

from __future__ import annotations

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from experiments import access, lifecycle
from experiments.models import Event, Pool, User, Worker, WorkerToken
from experiments.models.trials import AttemptState
from experiments.pages.health.views import must_be_admin
from experiments.pages.pools.forms import NewPoolForm, PoolForm
from experiments.pages.pools.questions import (
    MOST_REASON,
    Question,
    drain_question,
    forget_question,
)
from experiments.pages.pools.views import start_context
from experiments.search.problems import cut


def host_of(name: str, pk: int) -> Worker:
    workers = Worker.objects.select_related("pool").filter(pool__name=name)
    return access.found_or_404(workers, pk=pk)


def pool_of(name: str) -> Pool:
    return access.found_or_404(Pool.objects.all(), name=name)


def ask(request: HttpRequest, question: Question, *, status: int = 200) -> HttpResponse:
    """The question as a page of its own, for browsers without scripts."""
    context = {"question": question}
    return render(request, "experiments/pools/confirm.html", context, status=status)


@require_http_methods(["GET", "POST"])
@never_cache
def host_drain(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    admin, worker = must_be_admin(request), host_of(name, pk)
    reason = request.POST.get("reason", "").replace("\0", "").strip()
    too_long = len(reason) > MOST_REASON
    if request.method != "POST" or too_long:
        running = worker.attempts.filter(state=AttemptState.RUNNING).count()
        question = drain_question(worker, running=running, reason=reason)
        return ask(request, question, status=422 if too_long else 200)
    told = f"{reason} ({cut(admin.username)})" if reason else f"By {admin.username}."
    if lifecycle.drain_worker(worker, reason=told, actor=admin):
        messages.success(request, f"{worker.name} gets no new trials from now on.")
    else:
        messages.info(request, f"{worker.name} drains already.")
    return redirect("pool_list")


@require_POST
def host_undrain(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    admin, worker = must_be_admin(request), host_of(name, pk)
    if lifecycle.undrain_worker(worker, actor=admin):
        messages.success(request, f"{worker.name} takes trials again.")
    else:
        messages.info(request, f"{worker.name} takes trials already.")
    return redirect("pool_list")


@require_http_methods(["GET", "POST"])
@never_cache
def host_forget(request: HttpRequest, name: str, pk: int) -> HttpResponse:
    admin, worker = must_be_admin(request), host_of(name, pk)
    if request.method != "POST":
        return ask(request, forget_question(worker))
    if lifecycle.forget_worker(worker, actor=admin):
        messages.success(request, f"{worker.name} is off the list.")
    else:
        messages.error(
            request,
            f"{worker.name} was not forgotten: it gives signs of life, or is off the"
            " list already. Drain it, or stop its worker.",
        )
    return redirect("pool_list")


@require_POST
@never_cache
def pool_token(request: HttpRequest, name: str) -> HttpResponse:
    """Make a credential of the pool's workers and show it, this once."""
    admin, pool = must_be_admin(request), pool_of(name)
    with transaction.atomic():
        token = WorkerToken.issue(pool, by=admin)
        Event.log("credential created", f"{pool.name} {token.prefix}…", actor=admin)
    context = {"pool": pool, "start": start_context(admin, pool, token.secret)}
    return render(request, "experiments/pools/start.html", context)


@require_http_methods(["GET", "POST"])
def pool_edit(request: HttpRequest, name: str) -> HttpResponse:
    admin, pool = must_be_admin(request), pool_of(name)
    form = PoolForm(request.POST or None, instance=pool)
    if request.method == "POST" and form.is_valid():
        save(form, admin, "pool changed")
        messages.success(request, f"Pool {pool.name} is saved.")
        return redirect("pool_detail", pool.name)
    return show_form(request, form, pool)


@require_http_methods(["GET", "POST"])
def pool_create(request: HttpRequest) -> HttpResponse:
    admin = must_be_admin(request)
    form = NewPoolForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        pool = save(form, admin, "pool created")
        return redirect("pool_start", pool.name)
    return show_form(request, form, None)


def show_form(request: HttpRequest, form: PoolForm, pool: Pool | None) -> HttpResponse:
    status = 422 if form.errors else 200
    context = {"form": form, "pool": pool and pool_of(pool.name)}
    return render(request, "experiments/pools/form.html", context, status=status)


@transaction.atomic
def save(form: PoolForm, admin: User, verb: str) -> Pool:
    pool: Pool = form.save(commit=False)
    if pool.pk is None:
        pool.save()
    else:
        own = ("price_per_hour", "python", "folders")
        pool.save(update_fields=own)
    form.save_m2m()
    changed = ", ".join(form.changed_data) or "as it was"
    Event.log(verb, f"{pool.name}: {changed}", actor=admin)
    return pool


HOST = "pools/<slug:name>/hosts/<int:pk>"
urlpatterns = [
    path("pools/new/", pool_create, name="pool_create"),
    path("pools/<slug:name>/edit/", pool_edit, name="pool_edit"),
    path("pools/<slug:name>/token/", pool_token, name="pool_token"),
    path(f"{HOST}/drain/", host_drain, name="host_drain"),
    path(f"{HOST}/undrain/", host_undrain, name="host_undrain"),
    path(f"{HOST}/forget/", host_forget, name="host_forget"),
]
