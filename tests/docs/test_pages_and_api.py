"""docs/pages-and-api.md names each thing that a page does, and routes that exist."""

from __future__ import annotations

import re
from pathlib import Path

from experiments.api.native import api
from tests.pages.test_access import ROUTES

PAGE = Path(__file__).parents[2] / "docs" / "pages-and-api.md"
# Of one's own account, which the page says in a sentence; for load balancers.
APART = re.compile(r"(login|logout|join|settings|healthz)\b")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def rows() -> list[list[str]]:
    lines = PAGE.read_text().splitlines()
    tables = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return [row for row in tables if row[0] != "on the page"]


def test_each_thing_that_a_page_does_has_its_row() -> None:
    named = {each for row in rows() for each in re.findall(r"`/([^`]*)`", row[1])}
    acting = {
        re.sub(r"<\w+:(\w+)>", r"{\1}", route)
        for route, (_, post) in ROUTES.items()
        if post is not None
    }
    assert {page for page in acting - named if not APART.match(page)} == set()
    assert named - acting == set(), "addresses at which a page does nothing"


def test_the_routes_of_the_rows_exist() -> None:
    paths = api.get_openapi_schema(path_prefix="")["paths"]
    known = {f"{method.upper()} {path}" for path in paths for method in paths[path]}
    for what, _, programs in rows():
        found = [
            each
            for each in re.findall(r"`([^`]*)`", programs)
            if each.startswith(METHODS)
        ]
        assert set(found) <= known, what
        assert found or programs.startswith("no: "), what
