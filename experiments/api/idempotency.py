"""Requests that make something, sent again: with the same ``Idempotency-Key`` they get
the answer of the first time, and nothing is made twice.

The answer is stored in the transaction that makes the thing. It may have a secret, so
it can only be read with the key, which the database does not have.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import partial, wraps
from hashlib import sha256
from inspect import unwrap
from typing import Any, get_type_hints

from cryptography.fernet import Fernet, InvalidToken
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from ninja import Header, Status
from ninja.operation import Operation, ResponseObject
from ninja.utils import contribute_operation_args, contribute_operation_callback
from pydantic_core import from_json, to_json

from experiments.api.auth import Caller
from experiments.api.errors import WITHOUT_NUL, ApiError
from experiments.models import IdempotencyKey, User

MAX_KEY = 200
View = Callable[..., Any]


def idempotent(view: View) -> View:
    """Decorates a view that makes something: it takes the header Idempotency-Key."""

    @wraps(view)
    def prepared(request: HttpRequest, **given: Any) -> Callable[[], Any]:
        return partial(view, request, **given)

    return idempotent_after_checks(prepared)


def idempotent_after_checks(view: View) -> View:
    """The same for a view that only checks its request, and returns a function that
    makes the thing: on SQLite every other writer waits for the transaction."""
    # Ninja would look for the names of postponed annotations in this module.
    hints = get_type_hints(view, include_extras=True)
    unwrap(view).__annotations__ = hints
    operations: list[Operation] = []

    @wraps(view)
    def answered(request: HttpRequest, **given: Any) -> Any:
        key, caller = given.pop("idempotency_key"), getattr(request, "auth", None)
        if not key or not isinstance(caller, Caller):
            return view(request, **given)()
        prepare = partial(view, request, **given)
        return _once(request, operations[0], caller.user, key, prepare)

    text: Any = str | None
    source: Any = Header(  # type: ignore[type-arg]
        None,
        alias="Idempotency-Key",
        max_length=MAX_KEY,
        pattern=WITHOUT_NUL,
        description="Sent again within a day, it gives the first answer.",
    )
    contribute_operation_args(answered, "idempotency_key", text, source)
    contribute_operation_callback(answered, operations.append)
    return answered


def _made(
    operation: Operation, request: HttpRequest, make: Callable[[], Any]
) -> Status[Any]:
    """What the view answers, as JSON has it."""
    found = make()
    status, value = 200, found
    if isinstance(found, Status):
        status, value = found.status_code, found.value
    context = {"request": request, "response_status": status}
    model = operation.response_models[status]
    checked = model.model_validate(ResponseObject(value), context=context)
    return Status(status, checked.model_dump(mode="json", context=context)["response"])


def _once(
    request: HttpRequest,
    operation: Operation,
    user: User,
    key: str,
    prepare: Callable[[], Callable[[], Any]],
) -> Status[Any]:
    """Raises ApiError if the key was sent with another request."""
    sender = request.headers.get("Authorization", "")
    digest = _digest(sender, request.method, request.path, key)
    content = _digest(request.META.get("QUERY_STRING", ""), request.body)
    same = IdempotencyKey.kept().filter(user=user, digest=digest)
    if (known := same.first()) is not None:
        return _stored(known, content, _cipher(key))
    make = prepare()
    with transaction.atomic():
        # The person's row is the lock: the same key twice at once makes one thing.
        # Not against rows that refer to it, which other requests make.
        User.objects.select_for_update(no_key=True).get(pk=user.pk)
        IdempotencyKey.old().filter(user=user).delete()
        if (known := same.first()) is not None:
            return _stored(known, content, _cipher(key))
        made = _made(operation, request, make)
        answer = _cipher(key).encrypt(to_json(made.value)).decode()
        IdempotencyKey.objects.create(
            user=user,
            digest=digest,
            content=content,
            status=made.status_code,
            answer=answer,
        )
    return made


def _stored(known: IdempotencyKey, content: str, cipher: Fernet) -> Status[Any]:
    if known.content != content:
        raise ApiError(
            422,
            "key_reused",
            "This Idempotency-Key was sent with another request. Use a new key for each"
            " request, and the same only to send one again.",
        )
    try:
        answer = cipher.decrypt(known.answer)
    except InvalidToken:
        raise ApiError(
            409,
            "answer_unreadable",
            "It was done before, but the site's secret key has changed since, so the"
            " answer cannot be read. Look for what was made.",
        ) from None
    return Status(known.status, from_json(answer))


def _digest(*parts: str | bytes | None) -> str:
    whole = sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else (part or "").encode()
        whole.update(b"%d " % len(data) + data)
    return whole.hexdigest()


def _cipher(key: str) -> Fernet:
    return Fernet(
        urlsafe_b64encode(sha256(f"{settings.SECRET_KEY} {key}".encode()).digest())
    )
