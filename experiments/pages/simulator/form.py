"""The simulator's form: the policy to try, as fields, and those to compare with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from experiments.pages.builder.policy_fields import CONTROLS, settings_of
from experiments.search.document.loading import load_document
from experiments.search.document.yaml import yaml_text
from experiments.search.fields import DefinitionError, Problem, unknown_name
from experiments.search.records import Objective
from experiments.search.termination import POLICIES, Policy, make_policy
from experiments.search.termination.settings import Setting

Settings = Mapping[str, Any]

YAML = "yaml"
# The entered policy and this many others fit side by side.
MAX_OTHERS = 4
MAX_TEXT = 20_000
OTHERS_AT_FIRST = 3
EXAMPLE = """\
type: any_of
policies:
- {type: median_stopping, delay_evaluation: 5}
- {type: patience, patience: 10}
"""


@dataclass(frozen=True)
class EnteredPolicy:
    """A policy as it was entered.

    `kind` is one of those with a form, or `yaml`; `texts` are the contents of the
    fields and `text` is the YAML. If the policy is valid it has `settings`, otherwise
    `problems` by field.
    """

    kind: str
    texts: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    settings: Settings | None = None
    problems: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def query(self) -> list[tuple[str, str]]:
        """The policy as parameters of an address."""
        if self.kind == YAML:
            return [("policy", YAML), ("text", self.text)]
        given = [(name, text) for name, text in self.texts.items() if text]
        return [("policy", self.kind), *given]


@dataclass(frozen=True)
class Slider:
    """The ends of a range, and its step."""

    low: float
    high: float
    step: float


@dataclass(frozen=True)
class SettingField:
    """One setting in the form; `problems` are sentences."""

    name: str
    setting: Setting
    text: str
    slider: Slider | None
    problems: Sequence[str] = ()


def has_form(kind: str) -> bool:
    """Whether every setting of a kind has a field: a list of policies has none."""
    settings = settings_of(kind).values()
    return bool(settings) and all(each.control != "lines" for each in settings)


def setting_fields(entered: EnteredPolicy, *, longest: int) -> list[SettingField]:
    """A field for each setting: its own, then the schedule, then the rare ones."""
    declared = settings_of(entered.kind)
    rare = [name for name, setting in declared.items() if setting.rare]
    own = [name for name in declared if name not in (*Policy.SCHEDULE, *rare)]
    return [
        SettingField(
            name,
            declared[name],
            entered.texts.get(name, ""),
            _slider(declared[name], longest),
            entered.problems.get(name, ()),
        )
        for name in (*own, *Policy.SCHEDULE, *rare)
    ]


def _slider(setting: Setting, longest: int) -> Slider | None:
    if setting.slider is not None:
        return Slider(*setting.slider)
    if not setting.trial_share:
        return None
    return Slider(1, max(2, round(longest * setting.trial_share)), 1)


def read_entered(
    query: QueryDict, proposed: Mapping[str, Settings], first: Settings, goal: Objective
) -> EnteredPolicy:
    """The policy in an address; `first` if it names none."""
    kind = query.get("policy", "")
    if not kind:
        return entered_of(first)
    if kind == YAML:
        return _from_text(query.get("text", EXAMPLE)[:MAX_TEXT], goal)
    if kind not in proposed or not has_form(kind):
        known = entered_of(first)
        sentence = unknown_name(kind, [*proposed, YAML], kind="policy")
        return replace(known, settings=None, problems={"policy": [sentence]})
    texts = _texts(kind, proposed[kind], query)
    document: dict[str, Any] = {"type": kind}
    for name, setting in settings_of(kind).items():
        value = CONTROLS[setting.control][0](texts[name])
        if value is not None:
            document[name] = value
    return _checked(EnteredPolicy(kind, texts), document, goal)


def _texts(kind: str, start: Settings, query: QueryDict) -> dict[str, str]:
    """The contents of the fields; the proposed ones if the address has none.

    An unticked box sends nothing. A policy with rungs does not take over the schedule
    of the kind that was shown before: a late first check would skip its first rungs.
    """
    sent = query.get("sent")
    changed = sent is not None and sent != kind
    left = Policy.SCHEDULE if changed and POLICIES[kind].has_rungs else ()
    texts = {}
    for name, setting in settings_of(kind).items():
        is_unticked = setting.control == "check" and sent is not None
        usual = "" if is_unticked else _text(setting, start[name])
        texts[name] = usual if name in left else query.get(name, usual)[:MAX_TEXT]
    return texts


def _text(setting: Setting, value: object) -> str:
    return CONTROLS[setting.control][1](value)


def entered_of(settings: Settings) -> EnteredPolicy:
    """A valid policy as if it had been entered."""
    kind = str(settings["type"])
    if not has_form(kind):
        return EnteredPolicy(YAML, text=yaml_text(dict(settings)), settings=settings)
    declared = settings_of(kind).items()
    texts = {name: _text(setting, settings[name]) for name, setting in declared}
    return EnteredPolicy(kind, texts, settings=settings)


def read_others(query: QueryDict, goal: Objective) -> list[Settings] | None:
    """The policies to compare with in an address; None if it names none.

    Invalid ones are left out: people do not type these texts.
    """
    if "with" not in query:
        return None
    found: list[Settings] = []
    for text in query.getlist("with"):
        try:
            policy = make_policy(json.loads(text[:MAX_TEXT] or "null"), goal)
        except (ValueError, RecursionError, DefinitionError):
            continue
        if policy is not None and policy.settings() not in found:
            found.append(policy.settings())
    return found[:MAX_OTHERS]


def first_others(proposed: Mapping[str, Settings], own: str) -> list[Settings]:
    """The first proposals of other kinds."""
    kinds = [kind for kind in proposed if kind != own]
    return [proposed[kind] for kind in kinds[:OTHERS_AT_FIRST]]


def settings_text(settings: Settings) -> str:
    """The settings in an address."""
    return json.dumps(settings, separators=(",", ":"))


def query_text(entered: EnteredPolicy, others: Sequence[Settings], **more: str) -> str:
    """The parameters of the address of this comparison."""
    pairs = [*entered.query]
    pairs += [("with", settings_text(each)) for each in others] or [("with", "")]
    return urlencode([*pairs, *((k, v) for k, v in more.items() if v)])


def _from_text(text: str, goal: Objective) -> EnteredPolicy:
    entered = EnteredPolicy(YAML, text=text)
    try:
        document = load_document(text)
    except DefinitionError as error:
        return EnteredPolicy(YAML, text=text, problems=_by_field(error.problems))
    inner = document.get("early_termination")
    return _checked(entered, inner if isinstance(inner, Mapping) else document, goal)


def _checked(
    entered: EnteredPolicy, document: Settings, goal: Objective
) -> EnteredPolicy:
    try:
        policy = make_policy(document, goal)
    except DefinitionError as error:
        return replace(entered, problems=_by_field(error.problems))
    if policy is None:
        sentence = "Enter a policy, such as type: median_stopping."
        return replace(entered, problems={YAML: [sentence]})
    return replace(entered, settings=policy.settings())


def _by_field(problems: Sequence[Problem]) -> dict[str, list[str]]:
    """Sentences by field, without the path of the policy."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        path = problem.path.removeprefix("early_termination").removeprefix(".")
        found.setdefault(path or YAML, []).append(problem.message)
    return found
