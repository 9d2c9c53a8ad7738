"""Bodies and query texts as programs send them, and what of them cannot be kept."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser

# PostgreSQL has no NUL in texts.
WITHOUT_NUL = r"^[^\x00]*$"


class BodyParser(Parser):
    """Refuses halves of surrogate pairs: JSON spells them, no database keeps them."""

    def parse_body(self, request: HttpRequest) -> Any:
        body = super().parse_body(request)
        if b"\\ud" in request.body.lower():
            json.dumps(body, ensure_ascii=False).encode()
        return body
