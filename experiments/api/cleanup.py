"""What can be removed: the dry run, the trash, and the rules of a team."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from experiments import access
from experiments.api import sweeps, teams
from experiments.api.auth import reader, steerable_sweep, writer
from experiments.api.errors import WITHOUT_NUL, ClosedSchema, Whole
from experiments.api.idempotency import idempotent
from experiments.api.pagination import paginate
from experiments.api.schemas import answers
from experiments.cleanup import rules, trash
from experiments.cleanup.move import confirmed, move
from experiments.cleanup.plan import CleanupPlan, plan_of
from experiments.cleanup.selection import read_selection
from experiments.cleanup.tasks import move_later, restore_later
from experiments.models import CleanupRule, CleanupTask, Sweep, Team, TrashItem

router = Router(tags=["cleanup"])
Text = Annotated[str, Field(max_length=2_000, pattern=WITHOUT_NUL)]
Slug = Annotated[str, Field(pattern=WITHOUT_NUL, description="slug of the team")]


class SelectionIn(ClosedSchema):
    kind: Annotated[
        Text,
        Field(
            description="artifacts, logs, log middles, metrics, code, sweep or run;"
            " of a rule also trash"
        ),
    ] = "artifacts"
    experiment: Whole | None = None
    sweep: Whole | None = None
    state: Annotated[Text, Field(description="of the trials")] = ""
    older_than: Annotated[float, Field(ge=0, description="days")] = 0
    larger_than: Annotated[Text | Whole, Field(description="such as 1 MB")] = 0
    not_best: Annotated[
        Whole, Field(description="how many of the best trials of each sweep stay")
    ] = 1
    files: Annotated[Text, Field(description="a pattern, such as *.pt")] = ""
    where: Annotated[
        Text,
        Field(description="an expression of parameters, value, hours, number, state"),
    ] = ""
    keep: Annotated[
        Text | Whole, Field(description="size of a long log; 1 in how many points")
    ] = 0

    def given(self) -> dict[str, Any]:
        """The conditions that are set."""
        names = SelectionIn.model_fields
        found = {name: value for name in names if (value := getattr(self, name))}
        if self.older_than:
            found["older_than"] = f"{self.older_than:g}"
        return found


class PlanIn(SelectionIn):
    team: Slug
    mark: Annotated[Text, Field(description="of the dry run, to move what it said")] = (
        ""
    )


class PlanRowOut(Schema):
    name: str
    trials: int
    files: int
    bytes: int
    matched_bytes: int
    example: str
    kept: Annotated[str, Field(description="why something of it stays")]


class PlanOut(Schema):
    words: str
    mark: str
    trials: int
    files: int
    bytes: int
    kept_bytes: int
    until: datetime | None
    rows: list[PlanRowOut]


class TrashOut(Schema):
    id: int
    team: Annotated[str, Field(description="its slug")]
    kind: str
    name: str
    trials: int
    files: int
    bytes: int
    freed: int
    moved_by: str
    moved_at: datetime
    until: Annotated[
        datetime | None, Field(description="then it is deleted; null: never by itself")
    ]
    state: Annotated[str, Field(description="kept, deleting or stopped")]


def _trash_out(item: TrashItem) -> TrashOut:
    state = "kept"
    if item.stopped_at:
        state = "stopped"
    elif item.is_due:
        state = "deleting"
    return TrashOut(
        team=item.team.slug,
        moved_by=item.mover,
        state=state,
        **{
            name: getattr(item, name)
            for name in (
                *("id", "kind", "name", "trials", "files", "bytes", "freed"),
                *("moved_at", "until"),
            )
        },
    )


def _trash_rows(page: list[TrashItem]) -> list[TrashOut]:
    return [_trash_out(item) for item in page]


def _managed(request: HttpRequest, team: Team) -> Team:
    access.check_can_manage(writer(request), team)
    return team


def _team(request: HttpRequest, slug: str) -> Team:
    return access.found_or_404(access.teams_for(reader(request)), slug=slug)


@router.post("/cleanup/plan", response=answers(200, PlanOut))
def dry_run(request: HttpRequest, body: PlanIn) -> PlanOut:
    """What would go to the trash, and what stays and why. Changes nothing."""
    return _plan_out(_plan(request, body))


def _plan(request: HttpRequest, body: PlanIn) -> CleanupPlan:
    team = _team(request, body.team)
    return plan_of(read_selection(body.given(), team), team)


def _plan_out(plan: CleanupPlan) -> PlanOut:
    taken = plan.taken
    return PlanOut(
        words=plan.selection.words,
        mark=plan.mark,
        trials=taken.trials,
        files=taken.files,
        bytes=taken.bytes,
        kept_bytes=plan.kept,
        until=plan.until,
        rows=[
            PlanRowOut(
                name=row.name,
                trials=row.taken.trials,
                files=row.taken.files,
                bytes=row.taken.bytes,
                matched_bytes=row.matched.bytes,
                example=row.example,
                kept=row.kept,
            )
            for row in plan.rows
        ],
    )


class TaskOut(Schema):
    id: int
    team: Annotated[str, Field(description="its slug")]
    words: str
    created_at: datetime
    problem: Annotated[str, Field(description="why it could not be done")]

    @classmethod
    def of(cls, task: CleanupTask) -> TaskOut:
        columns = ("id", "words", "created_at", "problem")
        fields = {name: getattr(task, name) for name in columns}
        return cls(team=task.team.slug, **fields)


@router.post("/cleanup/move", response=answers(200, list[TrashOut]) | {202: TaskOut})
def move_selected(
    request: HttpRequest, body: PlanIn
) -> Status[list[TrashOut]] | Status[TaskOut]:
    """Move to the trash what the dry run with this ``mark`` said. 409: what matches
    has changed since. 202: more than 500 files, sweeps or runs are moved by a job."""
    team = _managed(request, _team(request, body.team))
    plan = confirmed(read_selection(body.given(), team), team, body.mark)
    if task := move_later(plan, actor=reader(request)):
        return Status(202, TaskOut.of(task))
    return Status(200, _trash_rows(move(plan, actor=reader(request))))


def _task_rows(page: list[CleanupTask]) -> list[TaskOut]:
    return list(map(TaskOut.of, page))


@router.get("/cleanup/tasks", response=answers(200, list[TaskOut]))
@paginate(rows=_task_rows)
def list_tasks(request: HttpRequest) -> QuerySet[CleanupTask]:
    """Large moves and restores that a job does. One that is done is not in the list."""
    mine = CleanupTask.objects.filter(team__in=access.teams_for(reader(request)))
    return mine.select_related("team").order_by("id")


@router.get("/trash", response=answers(200, list[TrashOut]))
@paginate(rows=_trash_rows)
def list_trash(
    request: HttpRequest,
    team: Annotated[
        str | None, Query(pattern=WITHOUT_NUL, description="Slug of a team.")
    ] = None,
) -> QuerySet[TrashItem]:
    """What is in the trash of your teams, the newest first."""
    items = access.trash_for(reader(request)).order_by("-id")
    return items.filter(team__slug=team) if team is not None else items


@router.post("/trash/{item_id}/restore", response=answers(204, None) | {202: TaskOut})
def restore(request: HttpRequest, item_id: int) -> Status[None] | Status[TaskOut]:
    """Put it back where it was. 409 once it is being deleted. 202: more than 500 files
    are restored by a job."""
    item = access.found_or_404(access.trash_for(reader(request)), pk=item_id)
    access.check_can_steer(writer(request), item.team)
    if task := restore_later(item, actor=reader(request)):
        return Status(202, TaskOut.of(task))
    trash.restore(item, actor=reader(request))
    return Status(204, None)


@router.delete("/trash/{item_id}", response=answers(202, TrashOut))
def delete_now(request: HttpRequest, item_id: int) -> Status[TrashOut]:
    """Delete it for good now, as a job of the site. It cannot be restored then."""
    items = access.trash_for(reader(request))
    item = access.found_or_404(items, pk=item_id)
    _managed(request, item.team)
    trash.delete_now(TrashItem.objects.filter(pk=item.pk), actor=reader(request))
    return Status(202, _trash_out(access.found_or_404(items, pk=item_id)))


class EmptiedOut(Schema):
    items: Annotated[int, Field(description="that are being deleted for good")]


@router.delete("/trash", response=answers(202, EmptiedOut))
def empty_trash(
    request: HttpRequest,
    team: Annotated[str, Query(pattern=WITHOUT_NUL, description="Slug of the team.")],
) -> Status[EmptiedOut]:
    """Delete all that is in a team's trash for good, as a job of the site."""
    owner = _managed(request, _team(request, team))
    items = TrashItem.objects.filter(team=owner)
    return Status(202, EmptiedOut(items=trash.delete_now(items, actor=reader(request))))


class StoppedOut(Schema):
    items: Annotated[int, Field(description="whose deletion was stopped")]


@router.post("/cleanup/stop", response=answers(200, StoppedOut))
def stop_deleting(
    request: HttpRequest,
    team: Annotated[str, Query(pattern=WITHOUT_NUL, description="Slug of the team.")],
) -> StoppedOut:
    """Stop deleting what a team has in the trash. What is left stays there."""
    owner = _managed(request, _team(request, team))
    items = TrashItem.objects.filter(team=owner)
    return StoppedOut(items=trash.stop_purge(items, actor=reader(request)))


@sweeps.router.delete("/sweeps/{sweep_id}", response=answers(200, TrashOut))
def trash_sweep(request: HttpRequest, sweep_id: int) -> TrashOut:
    """Move an ended sweep or a draft to the trash, with its trials and files."""
    sweep = steerable_sweep(request, sweep_id)
    rows = Sweep.objects.filter(pk=sweep.pk)
    (item,) = trash.move_sweeps(rows, actor=reader(request))
    return _trash_out(item)


@teams.router.delete("/experiments/{experiment_id}", response=answers(200, TrashOut))
def trash_experiment(request: HttpRequest, experiment_id: int) -> TrashOut:
    """Move an experiment to the trash, with its sweeps and runs. 409 while one runs."""
    mine = access.experiments_for(reader(request))
    experiment = access.found_or_404(mine, pk=experiment_id)
    access.check_can_steer(writer(request), experiment.team)
    return _trash_out(trash.move_experiment(experiment, actor=reader(request)))


# --- rules ------------------------------------------------------------------------


class RuleOut(Schema):
    id: int
    team: Annotated[str, Field(description="its slug")]
    words: str
    selection: dict[str, Any]
    enabled: bool
    bytes: Annotated[int | None, Field(description="what it would move now")]
    measured_at: datetime | None
    last_run_at: datetime | None
    last_bytes: int | None
    problem: str

    @classmethod
    def of(cls, rule: CleanupRule) -> RuleOut:
        columns = (
            *("id", "selection", "enabled", "bytes", "measured_at"),
            *("last_run_at", "last_bytes", "problem"),
        )
        fields = {name: getattr(rule, name) for name in columns}
        return cls(team=rule.team.slug, words=rules.words_of(rule), **fields)


class RuleIn(SelectionIn):
    team: Slug
    enabled: bool = True


class RuleChangeIn(ClosedSchema):
    enabled: bool


def _rule_rows(page: list[CleanupRule]) -> list[RuleOut]:
    return [RuleOut.of(rule) for rule in page]


def _rule(request: HttpRequest, rule_id: int) -> CleanupRule:
    mine = CleanupRule.objects.filter(team__in=access.teams_for(reader(request)))
    rule = access.found_or_404(mine.select_related("team"), pk=rule_id)
    _managed(request, rule.team)
    return rule


@router.get("/cleanup/rules", response=answers(200, list[RuleOut]))
@paginate(rows=_rule_rows)
def list_rules(request: HttpRequest) -> QuerySet[CleanupRule]:
    """The rules of your teams, which run every night."""
    mine = CleanupRule.objects.filter(team__in=access.teams_for(reader(request)))
    return mine.select_related("team").order_by("id")


@router.post("/cleanup/rules", response=answers(201, RuleOut))
@idempotent
def add_rule(request: HttpRequest, body: RuleIn) -> Status[RuleOut]:
    """Add a rule; one of the kind `trash` says how long the team's trash is kept."""
    team = _managed(request, _team(request, body.team))
    actor, given = reader(request), body.given()
    rule = rules.save_rule(team, given, enabled=body.enabled, actor=actor)
    return Status(201, RuleOut.of(rule))


@router.patch("/cleanup/rules/{rule_id}", response=answers(200, RuleOut))
def change_rule(request: HttpRequest, rule_id: int, body: RuleChangeIn) -> RuleOut:
    """Turn a rule on or off."""
    rule = _rule(request, rule_id)
    saved = rules.save_rule(
        rule.team,
        rule.selection,
        enabled=body.enabled,
        actor=reader(request),
        rule=rule,
    )
    return RuleOut.of(saved)


@router.delete("/cleanup/rules/{rule_id}", response=answers(204, None))
def remove_rule(request: HttpRequest, rule_id: int) -> Status[None]:
    rules.delete_rule(_rule(request, rule_id), actor=reader(request))
    return Status(204, None)
