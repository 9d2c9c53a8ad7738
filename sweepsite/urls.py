"""Every URL of the site. Each page's module has its own patterns."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.urls import URLPattern, URLResolver, include, path

from experiments.api.native import api as native_api
from experiments.api.worker import api as worker_api

PAGES = (
    "health.views",
    "health.metrics",
    "accounts.urls",
    "home",
    "experiments.views",
    "experiments.ticked",
    "saved_views",
    "global_search.views",
    "about",
    "help.views",
    "importing.views",
    "builder.views",
    "simulator.views",
    "sweep.views",
    "sweep.trial_feeds",
    "sweep.trial_export",
    "sweep.charts_data",
    "charts.views",
    "sweep.advice",
    "sweep.best_configuration",
    "trial.views",
    "trial.system",
    "trial.reproduce",
    "sweep.code",
    "sweep.picked",
    "outputs.views",
    "run.views",
    "run.warm_start",
    "requests.views",
    "compare.views",
    "compare.sweep_views",
    "reports.views",
    "teams.views",
    "teams.transfers",
    "teams.invitations",
    "teams.service_accounts",
    "notifications.views",
    "notifications.channels",
    "people.views",
    "pools.views",
    "cleanup.choose",
    "cleanup.rules",
    "cleanup.trash",
    "cleanup.views",
    "audit",
    "cleanup.quotas",
    "cleanup.orphans",
    "queue_pages",
    # Last: its pattern for verbs would take others for one.
    "sweep.actions",
)


def without_session_login(urls: tuple[Any, ...]) -> tuple[Any, ...]:
    """The API's URLs, exempt from the login page: they ask for a token themselves."""
    for pattern in urls[0]:
        if isinstance(pattern, URLPattern):
            login_not_required(pattern.callback)
    return urls


handler400 = "experiments.pages.errors.bad_request"
handler500 = "experiments.pages.errors.server_error"

urlpatterns: list[URLPattern | URLResolver] = [
    # First: programs send most requests, and every earlier pattern takes time.
    path("api/v1/", without_session_login(native_api.urls)),
    path("api/worker/v1/", without_session_login(worker_api.urls)),
    path("", include("experiments.mlflow.routes")),
    *(path("", include(f"experiments.pages.{page}")) for page in PAGES),
    path("admin/", admin.site.urls),
]
