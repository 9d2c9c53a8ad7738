"""Errors as MLflow's clients read them: {"error_code", "message"}."""

from __future__ import annotations

import json
from typing import Any

import msgspec
from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse

from experiments.api import rate_limits
from experiments.tracking.ingest import AttemptNotRunning
from experiments.tracking.outputs import OutputRefused
from experiments.tracking.run_log import RunLogError

# Clients derive the status from the code; others read it from the answer.
STATUSES = {
    "INVALID_PARAMETER_VALUE": 400,
    "RESOURCE_ALREADY_EXISTS": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "RESOURCE_DOES_NOT_EXIST": 404,
    "ENDPOINT_NOT_FOUND": 404,
    "REQUEST_LIMIT_EXCEEDED": 429,
    "INTERNAL_ERROR": 500,
    "NOT_IMPLEMENTED": 501,
    "TEMPORARILY_UNAVAILABLE": 503,
}
MAX_SHOWN = 1_000
PREFIXES = (
    *("/get-artifact", "/model-versions/"),
    *("/api/2.0/", "/api/3.0/", "/api/4.0/"),
    *("/ajax-api/2.0/", "/ajax-api/3.0/", "/ajax-api/4.0/"),
)


class MlflowError(Exception):
    """A refusal with MLflow's code and a sentence for people."""

    def __init__(
        self, code: str, message: str, *, status: int = 0, retry_after: int = 0
    ) -> None:
        super().__init__(message)
        self.code, self.status = code, status or STATUSES[code]
        self.retry_after = retry_after


def invalid(message: str) -> MlflowError:
    return MlflowError("INVALID_PARAMETER_VALUE", message)


def invalid_value(name: str, value: object, hint: str = "") -> MlflowError:
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"))[:MAX_SHOWN]
    end = f": {hint}" if hint else "."
    return invalid(f"Invalid value {shown} for parameter '{name}' supplied{end}")


def missing_value(name: str) -> MlflowError:
    return invalid(f"Missing value for required parameter '{name}'.")


def does_not_exist(message: str) -> MlflowError:
    return MlflowError("RESOURCE_DOES_NOT_EXIST", message)


def denied(message: str) -> MlflowError:
    return MlflowError("PERMISSION_DENIED", message)


def too_many(wait: int, words: str) -> MlflowError:
    message = f"Too many requests {words}. Retry in {wait} s."
    return MlflowError("REQUEST_LIMIT_EXCEEDED", message, retry_after=wait)


def is_mlflow(path: str) -> bool:
    """Whether a path is of this protocol, so that errors must have its form."""
    return path.startswith(PREFIXES)


def refusal_of(error: Exception, request: HttpRequest) -> MlflowError | None:
    """A view's exception as a refusal; None for a failure of the site."""
    if isinstance(error, MlflowError):
        if error.status == 401 and (wait := rate_limits.take_failure(request)):
            return too_many(wait, "with a wrong token from your address")
        return error
    if isinstance(error, AttemptNotRunning):
        return denied(f"The run takes no more data: {error}")
    if isinstance(error, RunLogError):
        is_change = error.code == "param_changed"
        first = "Changing param values is not allowed. " if is_change else ""
        return invalid(f"{first}{error}")
    if isinstance(error, OutputRefused):
        return MlflowError("INVALID_PARAMETER_VALUE", str(error), status=error.status)
    if isinstance(error, PermissionDenied):
        return denied(str(error) or "This token may not do that.")
    if isinstance(error, Http404):
        return does_not_exist(str(error) or "There is nothing here.")
    if isinstance(error, RequestDataTooBig):
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE >> 20
        words = f"The body is too large; at most {most} MB are allowed."
        return MlflowError("INVALID_PARAMETER_VALUE", words, status=413)
    return None


def failure_answer(message: str, *, status: int) -> HttpResponse:
    """For failures outside the views, and of the site itself."""
    code = next((c for c, known in STATUSES.items() if known == status), "")
    return error_answer(MlflowError(code or "BAD_REQUEST", message, status=status))


def answer(content: Any, *, status: int = 200) -> HttpResponse:
    """JSON of mappings, lists, texts and numbers; bytes are JSON already."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return HttpResponse(body, content_type="application/json", status=status)


def error_answer(error: MlflowError) -> HttpResponse:
    # It may name what was sent, such as half of a surrogate pair.
    message = str(error).encode("utf-8", "replace").decode()
    body = {"error_code": error.code, "message": message}
    response = answer(body, status=error.status)
    if error.retry_after:
        response["Retry-After"] = str(error.retry_after)
    return response
