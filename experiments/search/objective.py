"""`objective` of a document."""

from __future__ import annotations

from dataclasses import asdict

from experiments.search.fields import Fields
from experiments.search.records import JSONValue, Objective

EXAMPLE = "{primary_metric: accuracy, goal: maximize}"
LONGEST_NAME = 250


def read_objective(document: Fields | None) -> Objective:
    """The objective; None stands for a field that was left out, which was noted."""
    if document is None:
        return Objective("", "maximize")
    goal = document.option(
        "goal", "maximize", ("minimize", "maximize"), required="maximize"
    )
    objective = Objective(
        primary_metric=document.text(
            "primary_metric", "", required="accuracy", most=LONGEST_NAME
        ),
        goal="minimize" if goal == "minimize" else "maximize",
        target=document.number("target", None),
    )
    document.close()
    return objective


def dump_objective(objective: Objective) -> dict[str, JSONValue]:
    """The mapping form; a target that is not set is left out."""
    document = asdict(objective)
    return {name: value for name, value in document.items() if value is not None}
