"""Bodies and query texts as programs send them, and what of them cannot be kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from django.http import HttpRequest
from ninja.parser import Parser
from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError

# PostgreSQL has no NUL in texts.
WITHOUT_NUL = r"^[^\x00]*$"


NAMES: Mapping[type, str] = {list: "a list", dict: "a mapping", type(None): "null"}


def only(words: str, *kinds: type) -> BeforeValidator:
    """Refuse other kinds of JSON in one sentence with what is allowed. True and false
    are no numbers: Python counts them among those, people and JSON do not."""

    def checked(value: object) -> object:
        if isinstance(value, kinds) and not isinstance(value, bool):
            return value
        named = NAMES.get(type(value)) or json.dumps(value)[:60]
        told = {"value": named, "words": words}
        raise PydanticCustomError("kind", "is {value}; allowed are {words}", told)

    return BeforeValidator(checked)


Whole = Annotated[int, only("whole numbers", int, float, str)]
Duration = Annotated[
    float | str, only("seconds, and texts such as 90 m", int, float, str)
]
Described = Annotated[dict[str, Any] | str, only("mappings and texts", dict, str)]


class BodyParser(Parser):
    """Refuses halves of surrogate pairs: JSON spells them, no database keeps them."""

    def parse_body(self, request: HttpRequest) -> Any:
        body = super().parse_body(request)
        if b"\\ud" in request.body.lower():
            json.dumps(body, ensure_ascii=False).encode()
        return body
