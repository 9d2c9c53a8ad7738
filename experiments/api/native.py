"""The native API for people's programs, at /api/v1/."""

from __future__ import annotations

from ninja import NinjaAPI

from experiments.api.auth import UserAuth
from experiments.api.errors import add_error_handlers

api = NinjaAPI(title="sweepsite", version="1", urls_namespace="api", auth=UserAuth())
add_error_handlers(api)
