"""Sweep documents over HTTP: how they are read, and how they are checked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from experiments.api.callers import reader
from experiments.api.errors import ApiError
from experiments.api.schemas import answers
from experiments.checking import check_document
from experiments.search.loading import load_document
from experiments.search.problems import DefinitionError, Problem

router = Router(tags=["sweeps"])

JSON = "application/json"
YAML = "application/yaml"
YAML_TYPES = frozenset(
    {YAML, "application/x-yaml", "text/yaml", "text/x-yaml", "text/vnd.yaml"}
)
# The body is read by hand, so the description of the API is told about it here.
DOCUMENT_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "object", "title": "Sweep document"}}
            for kind in (JSON, YAML)
        },
    }
}


def read_document(request: HttpRequest) -> Mapping[str, object]:
    """The mapping in the body. Raises DefinitionError, or ApiError for its type."""
    if request.content_type not in {JSON, *YAML_TYPES}:
        raise ApiError(
            415,
            "content_type",
            f"The content type is {request.content_type or 'missing'!r}; allowed are"
            f" {JSON} and {YAML}.",
        )
    try:
        text = request.body.decode()
    except UnicodeDecodeError as error:
        raise DefinitionError([Problem("", "The document is not UTF-8.")]) from error
    if request.content_type == JSON and not text.lstrip().startswith("{"):
        raise DefinitionError([Problem("", "The body is not a JSON object.")])
    return load_document(text)


class ProblemOut(Schema):
    path: Annotated[str, Field(description="the field, such as limits.timeout")]
    message: str

    @classmethod
    def of(cls, problem: Problem) -> ProblemOut:
        return cls(path=problem.path, message=problem.message)


class PreviewOut(Schema):
    parameters: Annotated[
        dict[str, Any], Field(description="a histogram of each parameter's values")
    ]
    configurations: list[dict[str, Any]]


class CheckOut(Schema):
    valid: bool
    document: Annotated[
        dict[str, Any] | None, Field(description="in canonical form; null if invalid")
    ]
    combinations: Annotated[
        int | None, Field(description="different configurations; null: infinitely many")
    ]
    preview: PreviewOut | None
    warnings: list[ProblemOut]
    problems: list[ProblemOut]


@router.post(
    "/sweeps/check", response=answers(200, CheckOut), openapi_extra=DOCUMENT_BODY
)
def check(request: HttpRequest) -> CheckOut:
    """Check a document and show what would be tried. Nothing is stored."""
    reader(request)
    try:
        checked = check_document(read_document(request))
    except DefinitionError as error:
        return CheckOut(
            valid=False,
            document=None,
            combinations=None,
            preview=None,
            warnings=[],
            problems=[ProblemOut.of(problem) for problem in error.problems],
        )
    return CheckOut(
        valid=True,
        document=checked.definition.dump(),
        combinations=checked.combinations,
        preview=PreviewOut(
            parameters=checked.histograms, configurations=checked.configurations
        ),
        warnings=[ProblemOut.of(warning) for warning in checked.definition.warnings],
        problems=[],
    )
