"""Every error has one shape: {"error": {"code", "message", "fields"}}.

Also the types of request fields, and what of a body no database can store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Annotated, Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.core.exceptions import ValidationError as FieldError
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Schema
from ninja.errors import AuthenticationError, HttpError, ValidationError
from ninja.parser import Parser
from pydantic import BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from experiments.api import rate_limits
from experiments.api.field_sentences import field_sentence
from experiments.lifecycle import NoRoom
from experiments.notifications.channels import StillSending
from experiments.notifications.webhooks import MAX_SECONDS
from experiments.queues.site_jobs import QueueBusy
from experiments.scheduling.ask import NothingToRun
from experiments.search.fields import DefinitionError
from experiments.search.wording import unseen_problem
from experiments.sweeps.control import NotPossible
from experiments.sweeps.creation import TeamNotChosen
from experiments.sweeps.editing import AlreadyStarted, Conflict
from experiments.tracking.ingest import AttemptNotRunning
from experiments.tracking.outputs import OutputRefused
from experiments.tracking.run_log import RunLogError


class ApiError(Exception):
    """A refusal with its HTTP status, a code for programs and a sentence for people."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        fields: Mapping[str, list[str]] | None = None,
        *,
        retry_after: int = 0,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.fields = status, code, dict(fields or {})
        self.retry_after = retry_after


def too_many(wait: int, words: str) -> ApiError:
    unit = "second" if wait == 1 else "seconds"
    message = f"Too many requests {words}. Retry in {wait} {unit}."
    return ApiError(429, "too_many_requests", message, retry_after=wait)


def refuse_by_token(refused: bool, what: str, page: str = "the page People") -> None:
    """A stolen token must not be enough for what the page asks the password for."""
    if refused:
        words = f"A token cannot {what}. Do it on {page}."
        raise ApiError(403, "password_needed", words)


def invalid(field: str, text: str) -> ApiError:
    return ApiError(422, "invalid", text, {field: [text]})


def check_seen(field: str, text: str, *, in_line: bool = True) -> None:
    """Raises ApiError for invisible characters."""
    if problem := unseen_problem(text, in_line=in_line):
        raise invalid(field, problem)


def refused_field(error: FieldError, field: str) -> ApiError:
    """Of a check that forms share."""
    text = " ".join(error.messages)
    if getattr(error, "code", "") == "taken":
        return ApiError(409, "name_taken", text)
    return ApiError(422, "invalid", text, {field: error.messages})


@contextmanager
def refused_twice(rows: QuerySet[Any], refusal: ApiError) -> Iterator[None]:
    """Makes a thing whose name was free. Raises the refusal if another request has made
    one of the ``rows`` meanwhile."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if not rows.exists():
            raise
        raise refusal from error


class ClosedSchema(Schema):
    """A body whose unknown fields are errors."""

    model_config = ConfigDict(extra="forbid")


def add_error_handlers(api: NinjaAPI) -> None:
    """Make every exception that stands for a refusal answer in the one shape."""

    def handle(kind: type[Exception], refusal: Callable[[Any], ApiError]) -> None:
        def answer(request: HttpRequest, error: Any) -> HttpResponse:
            found = refusal(error)
            if found.status == 401 and (wait := rate_limits.take_failure(request)):
                found = too_many(wait, "with a wrong token from your address")
            body = {
                "code": found.code,
                "message": str(found),
                "fields": found.fields,
            }
            response = api.create_response(
                request, {"error": body}, status=found.status
            )
            if found.retry_after:
                response["Retry-After"] = str(found.retry_after)
            return response

        api.add_exception_handler(kind, answer)

    for kind, refusal in REFUSALS.items():
        handle(kind, refusal)


def _stale(error: AttemptNotRunning) -> ApiError:
    return ApiError(409, "stale_attempt", str(error))


def _still_sending(error: StillSending) -> ApiError:
    return ApiError(429, "too_many_requests", str(error), retry_after=MAX_SECONDS)


def _unloggable(error: RunLogError) -> ApiError:
    fields = {error.key: [str(error)]}
    return ApiError(409 if error.is_conflict else 422, error.code, str(error), fields)


def _too_large(error: RequestDataTooBig) -> ApiError:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE >> 20
    return ApiError(
        413, "too_large", f"The body is too large; at most {most} MB are allowed."
    )


def _invalid(error: ValidationError) -> ApiError:
    fields = _field_sentences(error)
    named = ", ".join(list(fields)[:10])[:300]
    message = f"The request does not have the expected form: see {named}."
    return ApiError(422, "invalid", message, fields)


def _unauthorized(error: AuthenticationError) -> ApiError:
    message = "A valid token is needed: Authorization: Bearer TOKEN."
    return ApiError(401, "unauthorized", message)


def _forbidden(error: PermissionDenied) -> ApiError:
    return ApiError(403, "forbidden", str(error) or "This token may not do that.")


def _not_found(error: Http404) -> ApiError:
    return ApiError(404, "not_found", str(error) or "There is nothing here.")


def _refused(error: HttpError) -> ApiError:
    # Ninja hides what a parser raises.
    cause = error.__cause__
    if isinstance(cause, ApiError):
        return cause
    return ApiError(error.status_code, "refused", str(error))


def _invalid_definition(error: DefinitionError) -> ApiError:
    """Every problem of a document at once, by the path of its field."""
    count = len(error.problems)
    message = (
        str(error) if count == 1 else f"The document has {count} problems, see fields."
    )
    return ApiError(422, "invalid", message, error.by_path())


REFUSALS: Mapping[type[Exception], Callable[[Any], ApiError]] = {
    ApiError: lambda error: error,
    AttemptNotRunning: _stale,
    OutputRefused: lambda error: ApiError(error.status, error.code, str(error)),
    RunLogError: _unloggable,
    NotPossible: lambda error: ApiError(409, "wrong_state", str(error)),
    AlreadyStarted: lambda error: ApiError(409, "wrong_state", str(error)),
    QueueBusy: lambda error: ApiError(409, "busy", str(error)),
    Conflict: lambda error: ApiError(409, "conflict", str(error)),
    NothingToRun: lambda error: ApiError(409, error.code, str(error)),
    TeamNotChosen: lambda error: ApiError(422, "team_not_chosen", str(error)),
    StillSending: _still_sending,
    NoRoom: lambda error: ApiError(409, "no_room", str(error)),
    DefinitionError: _invalid_definition,
    RequestDataTooBig: _too_large,
    ValidationError: _invalid,
    AuthenticationError: _unauthorized,
    PermissionDenied: _forbidden,
    Http404: _not_found,
    HttpError: _refused,
}


def _field_sentences(error: ValidationError) -> dict[str, list[str]]:
    """Field paths without ninja's leading names for body and query."""
    fields: dict[str, list[str]] = {}
    for problem in error.errors:
        path = [str(part) for part in problem["loc"]]
        inside = path[2:] if path[0] == "body" else path[1:]
        name = ".".join(inside or path[-1:])
        fields.setdefault(name, []).append(field_sentence(problem))
    return fields


# PostgreSQL has no NUL in texts.
WITHOUT_NUL = r"^[^\x00]*$"


NAMES: Mapping[type, str] = {list: "a list", dict: "a mapping", type(None): "null"}


def only(words: str, *kinds: type) -> BeforeValidator:
    """Refuse other kinds of JSON in one sentence with what is allowed. True and false
    are not numbers, although Python counts them as such."""

    def checked(value: object) -> object:
        if isinstance(value, kinds) and not isinstance(value, bool):
            return value
        named = NAMES.get(type(value)) or json.dumps(value)[:60]
        parts = {"value": named, "words": words}
        raise PydanticCustomError("kind", "is {value}; allowed are {words}", parts)

    return BeforeValidator(checked)


Whole = Annotated[int, only("whole numbers", int, float, str)]
# Databases keep whole numbers in 64 bits.
MAX_ID = 2**63 - 1
RowId = Annotated[int, only("ids", int), Field(ge=0, le=MAX_ID)]
Duration = Annotated[
    float | str, only("seconds, and texts such as 90 m", int, float, str)
]
Described = Annotated[dict[str, Any] | str, only("mappings and texts", dict, str)]


def json_fault(body: bytes) -> str:
    """Where it stops being JSON; empty if it is JSON, or nothing says where."""
    with suppress(ValueError, RecursionError):
        try:
            json.loads(body)
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno}"
            return f"The body is not valid JSON: {place}: {error.msg}."
    return ""


class BodyParser(Parser):
    """Refuses halves of surrogate pairs: JSON spells them, no database keeps them.

    Not in reports, whose points are refused one by one.
    """

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            body = super().parse_body(request)
        except (ValueError, RecursionError) as error:
            kind = request.content_type or ""
            if kind and not kind.endswith("json"):
                words = f"The content type is {kind!r}; send JSON, as application/json."
                raise ApiError(415, "content_type", words) from error
            fault = json_fault(request.body) or "The body is not valid JSON."
            raise ApiError(422, "invalid", fault) from error
        is_report = request.path.endswith("/metrics")
        if not is_report and b"\\ud" in request.body.lower():
            json.dumps(body, ensure_ascii=False).encode()
        return body
