"""The examples in the API's description."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from experiments.api.examples import DOCUMENT, EXAMPLES, JSON
from experiments.api.native import api as native_api
from experiments.search.document.entry import read_entry

SCHEMA = native_api.get_openapi_schema(path_prefix="")
# Documents, which their own reader checks.
DOCUMENTS = {"POST /sweeps", "POST /sweeps/check", "PUT /sweeps/{sweep_id}/document"}


def body_models() -> dict[str, Any]:
    """By route, of those with a body of JSON."""
    found = {}
    # Ninja has no public way to its operations.
    for router in native_api._get_bound_routers():
        for path, view in router.path_operations.items():
            for operation in view.operations:
                for model in operation.models:
                    if model.__ninja_param_source__ == "body":
                        route = f"{operation.methods[0]} {path}"
                        found[route] = model.model_fields["body"]
    return found


def test_every_body_has_an_example() -> None:
    with_json = {
        f"{method.upper()} {path}": operation["requestBody"]["content"][JSON]
        for path, methods in SCHEMA["paths"].items()
        for method, operation in methods.items()
        if JSON in operation.get("requestBody", {}).get("content", {})
    }
    assert with_json.keys() == EXAMPLES.keys()
    assert {route: content["example"] for route, content in with_json.items()} == (
        EXAMPLES
    )


@pytest.mark.parametrize("route", sorted(EXAMPLES.keys() - DOCUMENTS))
def test_an_example_is_what_the_route_takes(route: str) -> None:
    TypeAdapter(body_models()[route].annotation).validate_python(EXAMPLES[route])


def test_the_document_is_valid() -> None:
    assert read_entry(DOCUMENT).experiment_name == "digits"
