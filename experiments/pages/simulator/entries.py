"""What somebody entered: the policy to be tried, and those to hold it against."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from experiments.document_yaml import yaml_text
from experiments.pages.simulator.controls import has_form, text_of, value_of
from experiments.search.loading import load_document
from experiments.search.problems import DefinitionError, Problem, unknown_name
from experiments.search.records import Objective
from experiments.search.termination import POLICIES, make_policy
from experiments.search.termination.halving import AshaPolicy

Settings = Mapping[str, Any]

YAML = "yaml"
# One's own setting and so many others fit side by side.
MOST_OTHERS = 4
MOST_TEXT = 20_000
# The kinds to begin with, and to hold others against, the first that there are.
PREFERRED = (
    "predictive",
    "median_stopping",
    "bandit",
    "truncation_selection",
    "asha",
    "hyperband",
)
OTHERS_AT_FIRST = 3
SCHEDULE = ("delay_evaluation", "evaluation_interval")
EXAMPLE = """\
type: any_of
policies:
- {type: median_stopping, delay_evaluation: 5}
- {type: patience, patience: 10}
"""


@dataclass(frozen=True)
class Entry:
    """A policy as it was entered.

    `kind` is one of those with a form, or `yaml`; `texts` is what the fields hold and
    `text` the YAML. `settings` are the policy's when it is right, and else `problems`
    says by field what is not.
    """

    kind: str
    texts: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    settings: Settings | None = None
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The same as parameters of an address."""
        if self.kind == YAML:
            return [("policy", YAML), ("text", self.text)]
        given = [(name, text) for name, text in self.texts.items() if text]
        return [("policy", self.kind), *given]


def read_entry(
    query: QueryDict, proposed: Mapping[str, Settings], first: Settings, goal: Objective
) -> Entry:
    """The policy that an address asks for; `first` when it names none."""
    kind = query.get("policy", "")
    if not kind:
        return entry_of(first)
    if kind == YAML:
        return _from_text(query.get("text", EXAMPLE)[:MOST_TEXT], goal)
    start = proposed.get(kind)
    if start is None or not has_form(start):
        known = entry_of(first)
        sentence = unknown_name(kind, [*proposed, YAML], kind="policy")
        return replace(known, settings=None, problems={"policy": [sentence]})
    left = _left_behind(kind, query)
    texts = {
        name: text_of(value)
        if name in left
        else query.get(name, _missing(value, query))[:MOST_TEXT]
        for name, value in start.items()
        if name != "type"
    }
    given = {name: value_of(text, start[name]) for name, text in texts.items()}
    document = {name: value for name, value in given.items() if value is not None}
    return _checked(Entry(kind, texts), {"type": kind, **document}, goal)


def entry_of(settings: Settings) -> Entry:
    """A right policy as somebody would have entered it."""
    if not has_form(settings):
        return Entry(YAML, text=yaml_text(dict(settings)), settings=settings)
    texts = {name: text_of(value) for name, value in settings.items() if name != "type"}
    return Entry(str(settings["type"]), texts, settings=settings)


def read_others(query: QueryDict, goal: Objective) -> list[Settings] | None:
    """The settings to compare with that an address names; None when it names none.

    What is no policy is left out: these texts are not typed by anybody.
    """
    if "with" not in query:
        return None
    found: list[Settings] = []
    for text in query.getlist("with"):
        try:
            policy = make_policy(json.loads(text[:MOST_TEXT] or "null"), goal)
        except (ValueError, RecursionError, DefinitionError):
            continue
        if policy is not None and policy.settings() not in found:
            found.append(policy.settings())
    return found[:MOST_OTHERS]


def first_others(proposed: Mapping[str, Settings], own: str) -> list[Settings]:
    """Proposals of other kinds, to begin with."""
    kinds = [kind for kind in PREFERRED if kind in proposed and kind != own]
    return [proposed[kind] for kind in kinds[:OTHERS_AT_FIRST]]


def settings_text(settings: Settings) -> str:
    """The settings in an address."""
    return json.dumps(settings, separators=(",", ":"))


def query_text(entry: Entry, others: Sequence[Settings], **more: str) -> str:
    """The address's parameters that lead to this comparison."""
    pairs = [*entry.query]
    pairs += [("with", settings_text(each)) for each in others] or [("with", "")]
    return urlencode([*pairs, *((k, v) for k, v in more.items() if v)])


def _left_behind(kind: str, query: QueryDict) -> Sequence[str]:
    """Fields of the kind before that do not go over to the one that was chosen now.

    Rungs are a schedule of their own: a first check after the first rungs skips them.
    """
    changed = query.get("sent", kind) != kind
    return SCHEDULE if changed and issubclass(POLICIES[kind], AshaPolicy) else ()


def _missing(value: object, query: QueryDict) -> str:
    """A field that the address leaves out: a box that is not ticked sends nothing."""
    ticked = isinstance(value, bool) and "sent" in query
    return "" if ticked else text_of(value)


def _from_text(text: str, goal: Objective) -> Entry:
    entry = Entry(YAML, text=text)
    try:
        document = load_document(text)
    except DefinitionError as error:
        return Entry(YAML, text=text, problems=_by_field(error.problems))
    inner = document.get("early_termination")
    return _checked(entry, inner if isinstance(inner, Mapping) else document, goal)


def _checked(entry: Entry, document: Settings, goal: Objective) -> Entry:
    try:
        policy = make_policy(document, goal)
    except DefinitionError as error:
        problems = _by_field(error.problems)
        return Entry(entry.kind, entry.texts, entry.text, problems=problems)
    if policy is None:
        sentence = "There is no policy here; name one, such as type: median_stopping."
        return Entry(entry.kind, entry.texts, entry.text, problems={YAML: [sentence]})
    return Entry(entry.kind, entry.texts, entry.text, settings=policy.settings())


def _by_field(problems: Sequence[Problem]) -> dict[str, list[str]]:
    """Sentences by the field that they are about, without the path before it."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        path = problem.path.removeprefix("early_termination").removeprefix(".")
        found.setdefault(path or YAML, []).append(problem.message)
    return found
