"""The cards that choose what to remove and show the dry run, and the move to the trash.

What is chosen is in the address, so that Back undoes a step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse

from experiments import access
from experiments.cleanup import rules
from experiments.cleanup.move import confirmed, move
from experiments.cleanup.plan import CleanupPlan, PlanRow, plan_of
from experiments.cleanup.selection import KINDS, STATES, kind_words, read_selection
from experiments.cleanup.tasks import move_later
from experiments.formatting import bytes_text
from experiments.models import Experiment, Team, User
from experiments.models.trials import TrialState
from experiments.pages.frame import (
    Confirmation,
    act,
    ask,
    csv_file,
    current_team,
    get,
    get_or_post,
    post,
    set_team,
)
from experiments.search.fields import DefinitionError
from experiments.search.wording import counted
from experiments.sweeps.export import csv_text

# The label, and what an empty field shows.
TEXTS = {
    "older_than": ("Older than", "any age"),
    "larger_than": ("Larger than", "any size"),
    "not_best": ("Not among the best", "1"),
    "files": ("Named", "any, or *.pt"),
    "where": ("And only where", "any, or value < 0.5 and hours > 1"),
}
# The field of the form that sends these.
SENT_BY = {"experiment": "place", "sweep": "place"}
USUAL = {"older_than": "30 days", "not_best": "10"}
MAX_SHOWN = 30
Problems = Mapping[str, Sequence[str]]
COLUMNS = ("name", "files", "trials", "bytes", "example", "kept", "kept_bytes")


@dataclass(frozen=True)
class SelectField:
    """A field with choices as (value, words, whether it is the chosen one)."""

    name: str
    label: str
    options: Sequence[tuple[str, str, bool]]
    problems: Sequence[str]


@dataclass(frozen=True)
class TextField:
    """A field to type in."""

    name: str
    label: str
    placeholder: str
    value: str
    problems: Sequence[str]


@dataclass(frozen=True)
class ChooseCard:
    """``plan`` is the dry run, if it was requested and each field is right."""

    team: Team
    # The other teams that the viewer manages.
    others: Sequence[Team]
    query: QueryDict
    selects: Sequence[SelectField]
    texts: Sequence[TextField]
    plan: CleanupPlan | None

    @property
    def is_wrong(self) -> bool:
        problems = [field.problems for field in self.selects]
        return any(problems + [field.problems for field in self.texts])

    @property
    def address(self) -> str:
        return self.query.urlencode()

    @property
    def shown(self) -> Sequence[PlanRow]:
        return self.plan.rows[:MAX_SHOWN] if self.plan else ()

    @property
    def more(self) -> int:
        return len(self.plan.rows) - len(self.shown) if self.plan else 0

    @property
    def question(self) -> Confirmation | None:
        return move_question(self.plan, self.query) if self.plan else None


def managed_teams(user: User) -> list[Team]:
    return list(access.teams_for(user, roles=access.ADMINS))


def choose_card(request: HttpRequest) -> ChooseCard | None:
    """None for people who manage no team. The team of ``place`` becomes the page's;
    without one it is the current team, if the viewer manages that."""
    teams = managed_teams(access.viewer(request))
    if not teams:
        return None
    query = request.GET.copy()
    team, experiment = _place(request, teams)
    if not experiment:
        query["place"] = team.slug
    plan, problems = None, dict[str, list[str]]()
    if "kind" in query:
        try:
            plan = _plan(query, team, experiment)
        except DefinitionError as error:
            for path, message in error.problems:
                problems.setdefault(SENT_BY.get(path, path), []).append(message)
    return ChooseCard(
        team=team,
        others=[other for other in teams if other != team],
        query=query,
        selects=_selects(query, teams, problems),
        texts=_texts(query, problems),
        plan=plan,
    )


def _place(request: HttpRequest, teams: Sequence[Team]) -> tuple[Team, str]:
    """The chosen team, and the id of its experiment or an empty text."""
    slug, _, experiment = request.GET.get("place", "").partition("/")
    for team in teams:
        if team.slug == slug:
            set_team(request, team)
            return team, experiment
    current = current_team(request)
    return next((team for team in teams if team == current), teams[0]), ""


def _plan(query: QueryDict, team: Team, experiment: str) -> CleanupPlan:
    data = {name: query.get(name, "") for name in ("kind", "state", *TEXTS)}
    return plan_of(read_selection({**data, "experiment": experiment}, team), team)


def _texts(query: QueryDict, problems: Problems) -> list[TextField]:
    usual = {} if "kind" in query else USUAL
    return [
        TextField(
            name,
            label,
            placeholder,
            query.get(name, usual.get(name, "")),
            problems.get(name, ()),
        )
        for name, (label, placeholder) in TEXTS.items()
    ]


def _selects(
    query: QueryDict, teams: Sequence[Team], problems: Problems
) -> list[SelectField]:
    places = []
    experiments = Experiment.objects.filter(team__in=teams).order_by("name")
    for team in teams:
        places.append((team.slug, f"{team.name}, all experiments"))
        places += [
            (f"{team.slug}/{each.pk}", f"{team.name}: {each.name}")
            for each in experiments
            if each.team_id == team.pk
        ]
    kinds = [(kind.value, kind_words(kind)) for kind in KINDS]
    kinds.sort(key=lambda pair: pair[0] != "artifacts")
    ends = [(state.value, TrialState(state).label.lower()) for state in STATES]
    states = [("", "any"), *ends]
    return [
        SelectField(
            name, label, _options(found, query.get(name, "")), problems.get(name, ())
        )
        for name, label, found in (
            ("place", "Where", places),
            ("kind", "Kind", kinds),
            ("state", "State", states),
        )
    ]


def _options(
    found: Sequence[tuple[str, str]], chosen: str
) -> list[tuple[str, str, bool]]:
    return [(value, words, value == chosen) for value, words in found]


def move_question(plan: CleanupPlan, query: QueryDict) -> Confirmation:
    size = bytes_text(plan.taken.bytes)
    until = f"until {plan.until:%-d %B}" if plan.until else "until you delete it"
    sent = query.copy()
    sent["mark"] = plan.mark
    return Confirmation(
        confirm_id="move-selected",
        title=f"Move {size} to the trash?",
        text=f"{plan.selection.words[:1].upper()}{plan.selection.words[1:]}. All of it"
        f" can be restored {until}.",
        rows=(
            ("Files", f"{plan.taken.files:,}"),
            ("Trials", f"{plan.taken.trials:,}"),
            ("Kept although it matches", bytes_text(plan.kept)),
        ),
        action=f"{reverse('cleanup_move')}?{sent.urlencode()}",
        verb=f"Move {size} to trash",
        keep="Keep all",
        keep_url=f"{reverse('cleanup')}?{query.urlencode()}",
    )


def cleanup_move(request: HttpRequest) -> HttpResponse:
    """GET asks first; POST moves what the dry run in the address said."""
    user = access.viewer(request)
    card = choose_card(request)
    if card is None:
        raise PermissionDenied
    query = card.query.copy()
    mark = query.pop("mark", [""])[-1]
    back = f"{reverse('cleanup')}?{query.urlencode()}"
    if card.plan is None:
        return redirect(back)
    if request.method != "POST":
        return ask(request, move_question(card.plan, query))
    plan = card.plan

    def do() -> str:
        found = confirmed(plan.selection, plan.team, mark)
        if move_later(found, actor=user):
            files = counted(found.taken.files, "file")
            return f"{files}: a job moves them to the trash. This page shows it."
        items = move(found, actor=user)
        size = bytes_text(sum(item.bytes for item in items))
        return f"{counted(len(items), 'item')}, {size}, moved to the trash."

    return act(request, back, do)


def plan_csv(request: HttpRequest) -> HttpResponse:
    """The dry run, for spreadsheets."""
    card = choose_card(request)
    if card is None:
        raise PermissionDenied
    rows = map(_cells, card.plan.rows if card.plan else ())
    return csv_file("dry-run.csv", csv_text([COLUMNS, *rows]))


def _cells(row: PlanRow) -> tuple[Any, ...]:
    size = row.taken
    facts = (size.files, size.trials, size.bytes, row.example, row.kept, row.left)
    return row.name, *facts


def rule_new(request: HttpRequest) -> HttpResponse:
    """The chosen conditions as a rule of the team."""
    user = access.viewer(request)
    card = choose_card(request)
    if card is None:
        raise PermissionDenied

    def do() -> str:
        if card.plan is None:
            return ""
        data = card.plan.selection.document()
        rule = rules.save_rule(card.team, data, enabled=True, actor=user)
        return f"Rule {rule.pk} runs every night: {rules.words_of(rule)}."

    return act(request, f"{reverse('cleanup')}?{card.address}", do)


urlpatterns = [
    get("cleanup/plan.csv", plan_csv, "cleanup_plan_csv"),
    get_or_post("cleanup/move/", cleanup_move, "cleanup_move"),
    post("cleanup/rules/new/", rule_new, "cleanup_rule_new"),
]
