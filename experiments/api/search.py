"""The search of all pages: sweeps, trials, experiments and runs by their words."""

from __future__ import annotations

from typing import Annotated

from django.conf import settings
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from experiments.api.auth import reader
from experiments.api.errors import WITHOUT_NUL
from experiments.api.schemas import answers
from experiments.sweeps.finding import MAX_LISTED, MAX_QUERY, FoundKind, find_rows

router = Router(tags=["search"])


class FoundOut(Schema):
    url: str
    name: str
    text: str
    fact: str
    state: str


class FoundKindOut(Schema):
    kind: Annotated[str, Field(description="sweeps, trials, experiments or runs")]
    count: Annotated[str, Field(description="of all that is found; 100+: or more")]
    items: Annotated[list[FoundOut], Field(description="the newest first, at most 30")]

    @classmethod
    def of(cls, found: FoundKind) -> FoundKindOut:
        items = [
            FoundOut(
                url=settings.SITE_URL + line.url,
                name=line.title,
                text=line.text,
                fact=line.fact,
                state=line.state,
            )
            for line in found.lines
        ]
        return cls(kind=found.name, count=found.count_text, items=items)


@router.get("/search", response=answers(200, list[FoundKindOut]))
def search(
    request: HttpRequest,
    q: Annotated[
        str,
        Query(
            min_length=1,
            max_length=MAX_QUERY,
            pattern=WITHOUT_NUL,
            description="Parts of names, tags and notes; `#word` a tag, `digits-3/17` a"
            " trial.",
        ),
    ],
) -> list[FoundKindOut]:
    """What you may see that has all the words."""
    return list(map(FoundKindOut.of, find_rows(reader(request), q, most=MAX_LISTED)))
