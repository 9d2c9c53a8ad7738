"""The native API for people's programs, at /api/v1/.

Its description (openapi.json) and the page to browse it (docs) tell nothing about
anybody's work, and so need no token.
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router, Swagger

from experiments.api import (
    analyses,
    cleanup,
    documents,
    events,
    failures,
    health,
    metrics,
    notifications,
    outputs,
    people,
    pools,
    reports,
    requests,
    runs,
    saved_views,
    savings,
    search,
    simulations,
    space,
    sweep_files,
    sweeps,
    team_accounts,
    teams,
    templates,
    tokens,
    trials,
    uploads,
)
from experiments.api import (
    annotations as words,
)
from experiments.api.auth import UserAuth
from experiments.api.closed_query import closed_query
from experiments.api.conditional import conditional
from experiments.api.errors import ApiError, BodyParser, add_error_handlers
from experiments.api.examples import DescribedAPI

DESCRIPTION = """
Every call carries a token: `Authorization: Bearer swp_…`. Make one on your *Profile*
or with `manage.py token create --user NAME`. Errors have one shape:
`{"error": {"code", "message", "fields": {path: [sentences]}}}`. Listings are
`{"items": […], "next": cursor or null}`. Numbers that JSON does not have are the texts
`"NaN"`, `"Infinity"` and `"-Infinity"`.
"""

api = DescribedAPI(
    title="sweepsite",
    version=settings.VERSION,
    description=DESCRIPTION,
    urls_namespace="api",
    auth=UserAuth(),
    parser=BodyParser(),
    # No badge that asks a foreign server to validate the description.
    docs=Swagger(settings={"validatorUrl": None}),
)
add_error_handlers(api)
api.add_decorator(closed_query(api), mode="view")
api.add_decorator(conditional(api), mode="view")
# These add routes to the trials' router: one path has one view.
ON_TRIALS_ROUTER = (metrics, requests)
ON_TEAMS_ROUTER = (team_accounts,)
for module in (
    *(
        documents,
        sweeps,
        analyses,
        simulations,
        trials,
        runs,
        outputs,
        notifications,
        uploads,
        savings,
        reports,
    ),
    *(templates, tokens, people, teams, space, events, cleanup),
    *(saved_views, words, pools, sweep_files, search, health),
):
    api.add_router("", module.router)
others = Router()


@others.api_operation(
    ["GET", "POST", "PUT", "PATCH", "DELETE"],
    "/{path:rest}",
    auth=None,
    include_in_schema=False,
)
def nowhere(request: HttpRequest, rest: str) -> HttpResponse:
    """Whatever is not a route: a 404 for programs, not the site's page."""
    raise ApiError(
        404, "no_route", f"There is no {request.path}; the routes are in /api/v1/docs."
    )


api.add_router("", failures.router)
api.add_router("", others)
