"""Parameters of an address that its route does not have are refused: a filter with a
mistake in its name must not answer with everything.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from ninja import NinjaAPI
from ninja.operation import Operation

from experiments.api.errors import ApiError

Run = Callable[..., HttpResponseBase]


def closed_query(api: NinjaAPI) -> Callable[[Run], Run]:
    """A decorator for every described operation of the API; must be its first."""

    def decorate(run: Run) -> Run:
        operation = getattr(run, "__self__", None)
        if not isinstance(operation, Operation) or not operation.include_in_schema:
            return run
        names = query_names(operation)

        @wraps(run)
        def answered(request: HttpRequest, **path: Any) -> HttpResponseBase:
            unknown = sorted(set(request.GET) - names)
            if not unknown or getattr(request, "is_condition", False):
                return run(request, **path)
            # A caller without a valid token is told that instead.
            refused = operation._run_checks(request)
            problem = _refusal(unknown, sorted(names))
            return refused or api.on_exception(request, problem)

        return answered

    return decorate


def query_names(operation: Operation) -> frozenset[str]:
    return frozenset(
        name
        for model in operation.models
        if model.__ninja_param_source__ == "query"
        for name in model.__ninja_flatten_map__
    )


def _refusal(unknown: list[str], names: list[str]) -> ApiError:
    allowed = f"Allowed are {', '.join(names)}." if names else "It has none."
    fields = {
        name[:100]: [f"This route has no parameter {name[:100]!r}. {allowed}"]
        for name in unknown[:20]
    }
    message = next(iter(fields.values()))[0]
    return ApiError(422, "unknown_parameter", message, fields)
