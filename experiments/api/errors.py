"""One shape for every refusal: {"error": {"code", "message", "fields"}}."""

from __future__ import annotations

from collections.abc import Mapping

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from experiments.ingest import StaleAttempt, TooManyMetrics


class ApiError(Exception):
    """A refusal with its HTTP status, a code for programs and a sentence for people."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fields: Mapping[str, list[str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.fields = status, code, dict(fields or {})


def add_error_handlers(api: NinjaAPI) -> None:
    """Make every exception that stands for a refusal answer in the one shape."""

    def answer(
        request: HttpRequest,
        status: int,
        code: str,
        message: str,
        fields: Mapping[str, list[str]] | None = None,
    ) -> HttpResponse:
        error = {"code": code, "message": message, "fields": dict(fields or {})}
        return api.create_response(request, {"error": error}, status=status)

    @api.exception_handler(ApiError)
    def refused(request: HttpRequest, error: ApiError) -> HttpResponse:
        return answer(request, error.status, error.code, str(error), error.fields)

    @api.exception_handler(StaleAttempt)
    def stale(request: HttpRequest, error: StaleAttempt) -> HttpResponse:
        return answer(request, 409, "stale_attempt", str(error))

    @api.exception_handler(TooManyMetrics)
    def too_many(request: HttpRequest, error: TooManyMetrics) -> HttpResponse:
        return answer(request, 422, "too_many_metrics", str(error))

    @api.exception_handler(RequestDataTooBig)
    def too_large(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE >> 20
        message = f"The body is too large; at most {most} MB are allowed."
        return answer(request, 413, "too_large", message)

    @api.exception_handler(ValidationError)
    def invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
        message = "The request does not have the expected form."
        return answer(request, 422, "invalid", message, _field_sentences(error))

    @api.exception_handler(AuthenticationError)
    def unknown(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
        message = "A valid token is needed: Authorization: Bearer TOKEN."
        return answer(request, 401, "unauthorized", message)

    @api.exception_handler(PermissionDenied)
    def forbidden(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
        message = str(error) or "This token may not do that."
        return answer(request, 403, "forbidden", message)

    @api.exception_handler(Http404)
    def missing(request: HttpRequest, error: Http404) -> HttpResponse:
        message = str(error) or "There is nothing here."
        return answer(request, 404, "not_found", message)

    @api.exception_handler(HttpError)
    def other(request: HttpRequest, error: HttpError) -> HttpResponse:
        return answer(request, error.status_code, "refused", str(error))


def _field_sentences(error: ValidationError) -> dict[str, list[str]]:
    """Field paths without ninja's leading names for body and query."""
    fields: dict[str, list[str]] = {}
    for problem in error.errors:
        path = [str(part) for part in problem["loc"]]
        inside = path[2:] if path[0] == "body" else path[1:]
        name = ".".join(inside or path[-1:])
        fields.setdefault(name, []).append(f"{problem['msg']}.")
    return fields
