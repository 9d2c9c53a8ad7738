"""Experiments by MLflow's protocol.

For the token of a trial or run there is one experiment, whatever name is asked for:
scripts call ``mlflow.set_experiment`` with a name of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils.text import slugify

from experiments import access
from experiments.api.auth import Caller
from experiments.mlflow.batches import limited, tags_of
from experiments.mlflow.callers import (
    AnyCaller,
    TrainingCaller,
    check_may_change,
    check_own_run,
    experiments_of,
    user_only,
)
from experiments.mlflow.entities import NOTE, experiment_json, experiment_tags
from experiments.mlflow.errors import (
    MlflowError,
    denied,
    does_not_exist,
    invalid,
    invalid_value,
)
from experiments.mlflow.fields import RequestFields, check_name, milliseconds_of
from experiments.mlflow.filters import (
    Attributes,
    FilterClause,
    OrderKey,
    matching,
    page_answer,
    page_start,
    parse_filter,
    parse_orders,
)
from experiments.models import Experiment, Team, User
from experiments.search.wording import unseen_problem
from experiments.tracking.run_log import MAX_ENTRIES

DEFAULT_ID, DEFAULT_NAME = "0", "Default"
MAX_NAME, MAX_SLUG = 500, 60
MAX_EXPERIMENTS, MAX_TAG = 50_000, 20_000
ATTRIBUTES = Attributes(("name",), ("creation_time", "last_update_time"))
VIEWS: dict[str, Q] = {
    "ACTIVE_ONLY": Q(archived_at=None),
    "DELETED_ONLY": Q(archived_at__isnull=False),
    "ALL": Q(),
}


def create(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    name = fields.text("name", required=True)
    fields.text("artifact_location")
    tags = tags_of(fields)
    if isinstance(caller, TrainingCaller):
        return {"experiment_id": str(caller.trial.experiment_id)}
    own = _own_team(caller)
    chosen, name = access.split_team(caller.user, name)
    team = chosen or own
    check_may_change(caller, team)
    _default_of(caller, own)
    others = [] if chosen else access.joined_teams(caller.user)
    made = _create(team, _checked_name(name, team, *others), caller.user)
    if tags:
        _set_tags(made, tags)
    return {"experiment_id": str(made.pk)}


def _checked_name(name: str, *teams: Team) -> str:
    """Refuses a name that one of these teams has."""
    if not name.strip():
        raise invalid_value("name", name, "Names have a letter or digit.")
    if len(name) > MAX_NAME:
        raise invalid(f"'name' exceeds the maximum length of {MAX_NAME} characters")
    if problem := unseen_problem(name):
        raise invalid_value("name", name, problem)
    same = Experiment.objects.filter(team__in=teams, name=name).first()
    if same is not None:
        state = "in deleted state" if same.archived_at else "active"
        raise MlflowError(
            "RESOURCE_ALREADY_EXISTS",
            f"Experiment(name={name}) already exists in team {same.team.name}"
            f" ({state}). For another one, put a team's slug in front: TEAM/{name}.",
        )
    return name


def _create(team: Team, name: str, user: User) -> Experiment:
    """Names that are written alike, such as A B and a-b, get slugs of their own."""
    first = slugify(name)[:MAX_SLUG] or "experiment"
    taken = set(
        Experiment.all_objects.filter(team=team, slug__startswith=first).values_list(
            "slug", flat=True
        )
    )
    places = (f"-{n}" if n > 1 else "" for n in range(1, len(taken) + 2))
    slug = next(s for p in places if (s := first[: MAX_SLUG - len(p)] + p) not in taken)
    try:
        with transaction.atomic():
            return Experiment.objects.create(
                team=team, name=name, slug=slug, created_by=user
            )
    except IntegrityError as error:
        words = f"Experiment(name={name}) is being created by another program."
        raise MlflowError("RESOURCE_ALREADY_EXISTS", words) from error


def _default_of(caller: Caller, team: Team) -> Experiment | None:
    """The team's experiment for runs without one, made when it is first needed."""
    found = Experiment.objects.filter(team=team, slug=slugify(DEFAULT_NAME)).first()
    if found is None and caller.scope != "read":
        found = _create(team, DEFAULT_NAME, caller.user)
    return found


def experiment_of(caller: AnyCaller, experiment_id: str) -> Experiment:
    """The caller's experiment with that id. Raises MlflowError."""
    if isinstance(caller, TrainingCaller):
        own = caller.trial.experiment
        if experiment_id in (DEFAULT_ID, str(own.pk)):
            return own
    elif experiment_id == DEFAULT_ID:
        default = _default_of(caller, _own_team(caller))
        if default is not None:
            return default
    is_id = experiment_id.isascii() and experiment_id.isdigit()
    if is_id and len(experiment_id) < 19:
        found = experiments_of(caller).filter(pk=int(experiment_id)).first()
        if found is not None:
            return found
    raise does_not_exist(f"No Experiment with id={experiment_id} exists")


def _own_team(caller: Caller) -> Team:
    """For what names no team: the first that the user has joined, so that it stays the
    same."""
    own = access.joined_teams(caller.user)
    teams = own or access.joined_teams(caller.user, roles=access.READERS)
    if not teams:
        raise denied("You are in no team.")
    return teams[0]


def changeable_experiment(caller: Caller, experiment_id: str) -> Experiment:
    experiment = experiment_of(caller, experiment_id)
    check_may_change(caller, experiment.team)
    return experiment


def get(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    experiment = experiment_of(caller, fields.text("experiment_id", required=True))
    return {"experiment": experiment_json(experiment)}


def get_by_name(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    """By its name, or by TEAM/NAME if several teams have one of that name."""
    name = fields.text("experiment_name", required=True)
    if isinstance(caller, TrainingCaller):
        # Clients compare the name with the one that they have asked for.
        own = experiment_json(caller.trial.experiment)
        return {"experiment": {**own, "lifecycle_stage": "active"}}
    found = _named(experiments_of(caller), caller, name)
    if found is None:
        raise does_not_exist(f"Could not find experiment with name '{name}'")
    return {"experiment": experiment_json(found)}


def _named(rows: QuerySet[Experiment], caller: Caller, name: str) -> Experiment | None:
    """Of the first team that the user has joined; those in which they write first."""
    team, rest = access.split_team(caller.user, name)
    found = rows.filter(name=name) or rows.filter(team=team, name=rest)
    own = [each.pk for each in access.joined_teams(caller.user)]
    places = {pk: place for place, pk in enumerate(own)}
    return min(
        found,
        key=lambda e: (places.get(e.team_id, len(own)), e.team.name),
        default=None,
    )


def update(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    user = user_only(caller, "change an experiment")
    experiment = changeable_experiment(
        user, fields.text("experiment_id", required=True)
    )
    name = fields.text("new_name", required=True)
    if name != experiment.name:
        name = _checked_name(name, experiment.team)
        Experiment.objects.filter(pk=experiment.pk).update(name=name)
    return {}


def delete(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    """Archives it: nothing is lost, and restoring takes it back."""
    _archive(user_only(caller, "delete an experiment"), fields, archived_at=Now())
    return {}


def restore(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    _archive(user_only(caller, "restore an experiment"), fields, archived_at=None)
    return {}


def _archive(caller: Caller, fields: RequestFields, *, archived_at: Now | None) -> None:
    experiment_id = fields.text("experiment_id", required=True)
    experiment = changeable_experiment(caller, experiment_id)
    rows = Experiment.objects.filter(pk=experiment.pk)
    rows.filter(archived_at__isnull=archived_at is not None).update(
        archived_at=archived_at
    )


def set_tag(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    """A trial's token may: scripts describe their experiment by tags."""
    experiment = experiment_of(caller, fields.text("experiment_id", required=True))
    if isinstance(caller, TrainingCaller):
        check_own_run(caller)
    else:
        check_may_change(caller, experiment.team)
    key = check_name("key", fields.text("key", required=True))
    _set_tags(experiment, {key: limited("value", fields.text("value"), MAX_TAG)})
    return {}


def delete_tag(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    user = user_only(caller, "delete an experiment's tag")
    experiment = changeable_experiment(
        user, fields.text("experiment_id", required=True)
    )
    key = fields.text("key", required=True)
    if key not in experiment_tags(experiment):
        raise does_not_exist(f"No tag with name: {key} in experiment {experiment.pk}")
    _set_tags(experiment, {key: None})
    return {}


def _set_tags(experiment: Experiment, tags: dict[str, Any]) -> None:
    """None removes a tag. The note of MLflow's pages is the notes of ours."""
    with transaction.atomic():
        row = Experiment.objects.select_for_update(of=("self",)).get(pk=experiment.pk)
        if NOTE in tags:
            row.notes = tags[NOTE] or ""
        known = {**row.mlflow_tags, **tags}
        row.mlflow_tags = {
            key: value
            for key, value in known.items()
            if value is not None and key != NOTE
        }
        if len(row.mlflow_tags) > MAX_ENTRIES:
            raise invalid(f"An experiment has at most {MAX_ENTRIES:,} tags.")
        row.save(update_fields=["mlflow_tags", "notes"])


def search(caller: AnyCaller, fields: RequestFields) -> dict[str, Any]:
    most = fields.max_results(1_000, MAX_EXPERIMENTS)
    start = page_start(fields.text("page_token"))
    clauses = parse_filter(fields.text("filter"), ATTRIBUTES)
    orders = parse_orders(fields.texts("order_by"), ATTRIBUTES)
    view = fields.text("view_type") or "ACTIVE_ONLY"
    if view not in VIEWS:
        raise invalid_value("view_type", view)
    if isinstance(caller, Caller) and caller.scope != "read":
        for first in access.joined_teams(caller.user)[:1]:
            _default_of(caller, first)
    rows = list(
        experiments_of(caller)
        .filter(VIEWS[view])
        .order_by(F("created_at").desc(), "pk")
    )
    found = matching(rows, clauses, orders, _value)[start : start + most + 1]
    return page_answer("experiments", found, _documents, start=start, most=most)


def _documents(rows: Sequence[Experiment]) -> list[dict[str, Any]]:
    return [experiment_json(row) for row in rows]


def _value(row: Experiment, wanted: FilterClause | OrderKey) -> Any:
    if wanted.kind == "tag":
        return experiment_tags(row).get(wanted.key)
    if wanted.kind != "attribute":
        raise invalid(f"Invalid entity type '{wanted.kind}' for experiments.")
    if wanted.key == "name":
        return row.name
    archived = row.archived_at if wanted.key == "last_update_time" else None
    return milliseconds_of(archived or row.created_at)
