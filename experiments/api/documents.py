"""Sweep documents over HTTP: how they are read, and how they are checked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from experiments import access
from experiments.api.auth import reader
from experiments.api.errors import WITHOUT_NUL, ApiError, json_fault
from experiments.api.schemas import answers
from experiments.api.uploads import TeamSlug
from experiments.models import Pool, Team, User
from experiments.search.document.definition import SweepDefinition
from experiments.search.fields import DefinitionError, Problem
from experiments.search.formats import Imported, InvalidImportError
from experiments.sweeps.check import check_import, read_sweep
from experiments.sweeps.creation import check_for_team
from experiments.sweeps.warm_start import usable_trials
from experiments.sweeps.warnings import gpu_warnings, slack_warnings

router = Router(tags=["sweeps"])

JSON = "application/json"
YAML = "application/yaml"
YAML_TYPES = frozenset(
    {YAML, "application/x-yaml", "text/yaml", "text/x-yaml", "text/vnd.yaml"}
)
# Python that uses Azure's SDK is text, an Optuna storage is a file.
TEXT_TYPES = frozenset({"text/plain", "text/x-python"})
FILE_TYPES = frozenset({"application/octet-stream", "application/vnd.sqlite3"})
# The body is read by hand, so it is described here for openapi.json.
DOCUMENT_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "object", "title": "Sweep document"}}
            for kind in (JSON, YAML)
        },
    }
}
FormatName = Annotated[
    str,
    Query(
        alias="format",
        pattern=WITHOUT_NUL,
        description="sweepsite, azure, wandb, katib, nni or optuna, to read the body as"
        " that; else the content decides.",
    ),
]
PartName = Annotated[
    str,
    Query(
        alias="part",
        pattern=WITHOUT_NUL,
        description="Which step of a pipeline or study of a storage is meant.",
    ),
]


def read_body(request: HttpRequest, *, format: str, part: str) -> Imported:
    """The sweep in the body. Raises DefinitionError, or ApiError for its type."""
    kind = request.content_type
    if kind in FILE_TYPES:
        return read_sweep(request.body, part=part, format=format)
    if kind not in {JSON, *YAML_TYPES, *TEXT_TYPES}:
        raise ApiError(
            415,
            "content_type",
            f"The content type is {kind or 'missing'!r}; allowed are {JSON}, {YAML},"
            " text/plain and, for a storage file, application/octet-stream.",
        )
    try:
        text = request.body.decode()
    except UnicodeDecodeError as error:
        raise DefinitionError([Problem("", "The document is not UTF-8.")]) from error
    if kind == JSON and not text.lstrip().startswith("{"):
        raise DefinitionError([Problem("", "The body is not a JSON object.")])
    try:
        return read_sweep(text, part=part, format=format)
    except DefinitionError as error:
        fault = json_fault(request.body) if kind == JSON else ""
        if not fault:
            raise
        raise DefinitionError([Problem("", fault)]) from error


class ProblemOut(Schema):
    path: Annotated[str, Field(description="the field, such as limits.timeout")]
    message: str


class NoteOut(Schema):
    path: Annotated[str, Field(description="in the text that was sent; may be empty")]
    line: int | None
    kind: Annotated[str, Field(description="left out, or changed")]
    message: str
    alternative: str


class HistogramOut(Schema):
    scale: Annotated[
        Literal["values", "linear", "log"],
        Field(description="bars of single values, or bins of equal width in these"),
    ]
    labels: Annotated[
        list[str],
        Field(description="one for each bar of values, or the bins' two ends"),
    ]
    counts: Annotated[list[int], Field(description="draws by bar or bin")]
    edges: Annotated[list[float], Field(description="the bins' borders, else empty")]
    share: Annotated[
        float, Field(description="of all draws, in which the parameter was set")
    ]
    drawn: Annotated[int, Field(description="the draws in which it was set")]


class PreviewOut(Schema):
    parameters: Annotated[
        dict[str, HistogramOut],
        Field(
            description="a histogram of each parameter's values, those inside nested"
            " choices (choice.inner) included"
        ),
    ]
    configurations: Annotated[
        list[dict[str, Any]],
        Field(
            description="the first ten that the sweep would try; fewer for a small"
            " space"
        ),
    ]


class CheckOut(Schema):
    valid: bool
    format: Annotated[
        str | None, Field(description="of what was sent; null when not recognized")
    ] = None
    notes: Annotated[
        list[NoteOut], Field(description="what does not carry over as it is")
    ] = []
    document: Annotated[
        dict[str, Any] | None,
        Field(description="in canonical form; null if it cannot be read"),
    ] = None
    combinations: Annotated[
        int | None,
        Field(
            description="different configurations; null where there are infinitely many"
            " or too many to count, and combinations_words says which"
        ),
    ] = None
    combinations_words: Annotated[
        str | None,
        Field(
            description="such as 1,536, infinitely many, about 46,000,000 where there"
            " are too many to count, or at most 1,000,000 where nothing more is known;"
            " null if the document is invalid"
        ),
    ] = None
    preview: PreviewOut | None = None
    trials: Annotated[int, Field(description="finished trials that come along")] = 0
    warnings: Annotated[
        list[ProblemOut], Field(description="what is allowed but not meant, and notes")
    ] = []
    problems: list[ProblemOut] = []


@router.post(
    "/sweeps/check", response=answers(200, CheckOut), openapi_extra=DOCUMENT_BODY
)
def check(
    request: HttpRequest,
    team: TeamSlug = None,
    format_name: FormatName = "",
    part: PartName = "",
) -> dict[str, Any]:
    """Check a document and show what would be tried. Nothing is stored.

    It is valid if ``POST /sweeps`` would take it for the same team.

    It may be of this site or of Azure ML, W&B, Katib, NNI or Optuna; Python that uses
    Azure's SDK comes as text/plain, an Optuna storage as application/octet-stream.
    """
    user = reader(request)
    try:
        imported = read_body(request, format=format_name, part=part)
    except InvalidImportError as error:
        return _invalid(error, error.imported)
    except DefinitionError as error:
        return _invalid(error, None)
    try:
        checked = check_import(imported)
    except DefinitionError as error:
        return _invalid(error, imported)
    definition = checked.definition
    # A client that packs a folder of code needs the rest, too.
    problems = _problems_for(_team(user, team), definition)
    return {
        "valid": not problems,
        "problems": problems,
        "format": imported.format,
        "notes": imported.notes,
        "document": definition.dump(),
        "combinations": checked.combinations,
        "combinations_words": checked.combinations_words,
        "preview": {
            "parameters": {
                name: one.dump() for name, one in checked.histograms.items()
            },
            "configurations": checked.configurations,
        },
        "trials": len(usable_trials(definition.search_space, imported.trials)),
        "warnings": [
            *imported.notes,
            *definition.warnings,
            *_slack_warnings(user, definition),
            *_gpu_warnings(user, definition),
        ],
    }


def _team(user: User, slug: str | None) -> Team | None:
    """The team for which ``POST /sweeps`` would make the sweep, if there is one."""
    if slug is not None:
        return access.found_or_404(access.teams_for(user), slug=slug)
    return next(iter(access.joined_teams(user)), None)


def _problems_for(team: Team | None, definition: SweepDefinition) -> Sequence[Problem]:
    try:
        if team is not None:
            check_for_team(team, definition)
    except DefinitionError as error:
        return error.problems
    return ()


def _slack_warnings(user: User, definition: SweepDefinition) -> list[Problem]:
    """What earlier trials of the experiment say against a slack factor."""
    name = definition.experiment_name
    earlier = access.trials_for(user).filter(experiment__name=name)
    return slack_warnings(definition.early_termination, definition.objective, earlier)


def _gpu_warnings(user: User, definition: SweepDefinition) -> list[Problem]:
    """What the hosts say of the pool, if the user may know it."""
    teams = access.teams_for(user)
    pools = Pool.objects.filter(name=definition.compute, teams__in=teams.values("pk"))
    return gpu_warnings(pools.first(), definition.resources.gpus)


def _invalid(error: DefinitionError, imported: Imported | None) -> dict[str, Any]:
    """What was recognized, and what is wrong with it."""
    known = {"format": imported.format, "notes": imported.notes} if imported else {}
    return {"valid": False, "problems": error.problems, **known}
