"""From a checked sweep document to a Sweep row, and back to a document."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from experiments import access
from experiments.code import snapshots
from experiments.code.folders import with_shared_code
from experiments.models import (
    CodeSnapshot,
    Event,
    Experiment,
    Pool,
    Sweep,
    Team,
    TrialRequest,
    User,
)
from experiments.models.trials import Origin
from experiments.search.document.definition import SweepDefinition
from experiments.search.document.durations import as_written
from experiments.search.document.entry import name_problems
from experiments.search.fields import DefinitionError, Problem
from experiments.search.wording import visible

MAX_NAMED = 10

T = TypeVar("T")


def create_sweep(
    team: Team,
    definition: SweepDefinition,
    *,
    user: User | None,
    experiment: Experiment | None = None,
) -> Sweep:
    """A draft of the document, in the given experiment or the one that it names.

    Raises DefinitionError for a pool or code that is not the team's, or a folder that
    the pool does not allow.
    """
    with transaction.atomic():
        columns = sweep_columns(team, definition, user=user)
        home = experiment or find_or_create_experiment(
            team, definition.experiment_name, user=user
        )
        sweep = at_next_number(
            home,
            lambda number: Sweep.objects.create(
                experiment=home, number=number, created_by=user, **columns
            ),
        )
        Event.log("sweep created", actor=user, sweep=sweep)
    return sweep


def sweep_columns(
    team: Team, definition: SweepDefinition, *, user: User | None
) -> dict[str, Any]:
    """The columns of a Sweep for its document, with its pool and code looked up."""
    pool = _pool(team, definition.compute)
    check_may_run(user, pool)
    definition = with_shared_code(definition, pool)
    code = _code(team, definition, user)
    return {"code": code, "pool": pool, **sweep_fields(definition, code)}


def sweep_fields(
    definition: SweepDefinition, code: CodeSnapshot | None
) -> dict[str, Any]:
    """The columns of a Sweep that come from its document. Raises DefinitionError."""
    if problems := list(name_problems(definition)):
        raise DefinitionError(problems)
    document: dict[str, Any] = definition.dump()
    if code is not None:
        document["trial"]["code"] = {"upload": code.digest}
    limits = definition.limits
    return {
        "name": definition.display_name or "",
        "description": definition.description or "",
        "tags": dict(definition.tags or {}),
        "definition": document,
        "primary_metric": definition.objective.primary_metric,
        "goal": definition.objective.goal,
        "early_termination": document.get("early_termination"),
        "max_total_trials": limits.max_total_trials,
        "max_concurrent_trials": limits.max_concurrent_trials,
        "max_failed_trials": limits.max_failed_trials,
        "timeout": limits.timeout,
        "trial_timeout": limits.trial_timeout,
        "priority": definition.priority,
        "launches": definition.launches,
    }


def sweep_document(sweep: Sweep) -> dict[str, Any]:
    """The canonical document with all changes since the sweep was created."""
    limits = {
        "max_total_trials": sweep.max_total_trials,
        "max_concurrent_trials": sweep.max_concurrent_trials,
        "max_failed_trials": sweep.max_failed_trials,
        "timeout": as_written(sweep.timeout),
        "trial_timeout": as_written(sweep.trial_timeout),
        "stop_grace": sweep.definition.get("limits", {}).get("stop_grace"),
    }
    document: dict[str, Any] = {
        **sweep.definition,
        "experiment_name": sweep.experiment.name,
        "display_name": sweep.name,
        "description": sweep.description,
        "tags": sweep.tags,
        "early_termination": sweep.early_termination,
        "limits": {name: value for name, value in limits.items() if value is not None},
        "compute": sweep.pool.name,
        "priority": sweep.priority or None,
    }
    return {name: value for name, value in document.items() if value or value == 0}


def copy_document(sweep: Sweep) -> dict[str, Any]:
    """The document of a copy: with a new seed, and as many trials as the sweep was to
    draw itself, without those that came from elsewhere or were requested."""
    document = sweep_document(sweep)
    imported = sweep.trials.filter(origin=Origin.IMPORTED).count()
    requested = TrialRequest.objects.filter(sweep=sweep, withdrawn_at=None).count()
    own = max(1, sweep.max_total_trials - imported - requested)
    document["limits"] = {**document["limits"], "max_total_trials": own}
    sampling = dict(document["sampling_algorithm"])
    sampling.pop("seed", None)
    return {**document, "sampling_algorithm": sampling}


class TeamNotChosen(Exception):
    """Several of the user's teams could be meant."""

    def __init__(self, name: str, teams: Sequence[Team]) -> None:
        slugs = [team.slug for team in teams]
        more = ", …" if len(slugs) > MAX_NAMED else ""
        super().__init__(
            f"The experiment {visible(name)!r} could be in several teams:"
            f" {', '.join(slugs[:MAX_NAMED])}{more}. Choose one with team={slugs[0]},"
            f" or in its name: {visible(f'{slugs[0]}/{name}')!r}."
        )


def experiment_by_name(user: User, name: str) -> Experiment:
    """The one that a team of the user's has, or a new one in their only team.

    TEAM/NAME chooses the team. Raises TeamNotChosen, and PermissionDenied for a team
    of which the user is a viewer.
    """
    own = access.joined_teams(user)
    known = Experiment.objects.filter(team__in=own).select_related("team")
    found = list(known.filter(name=name))
    team, rest = access.split_team(user, name)
    if team is not None and not found:
        access.check_can_steer(user, team)
        return find_or_create_experiment(team, rest, user=user)
    found = found or list(known.filter(slug=_slug(name)))
    teams = [experiment.team for experiment in found] or own
    if not teams:
        raise PermissionDenied("You are in no team in which you may start runs.")
    if len(teams) > 1:
        raise TeamNotChosen(name, teams)
    return found[0] if found else find_or_create_experiment(teams[0], name, user=user)


def _slug(name: str) -> str:
    return slugify(name)[:60] or "experiment"


def free_slug(team: Team, name: str) -> str:
    """What the sweeps of a new experiment are called. Raises ValidationError."""
    slug = _slug(name)
    known = Experiment.all_objects.filter(team=team, slug=slug)
    if taken := known.first():
        where = " in the trash" if taken.deletion_requested_at else ""
        raise ValidationError(
            f"The team's experiment {taken.name!r}{where} already names its sweeps"
            f" {slug}-1 and so on. Choose another name, such as {slug[:56]}-2.",
            code="taken",
        )
    return slug


def find_or_create_experiment(
    team: Team, name: str, *, user: User | None
) -> Experiment:
    """The team's experiment with that name, or with a name of the same slug. Raises
    DefinitionError if it is in the trash."""
    experiment, _ = Experiment.all_objects.get_or_create(
        team=team, slug=_slug(name), defaults={"name": name, "created_by": user}
    )
    if experiment.deletion_requested_at:
        words = (
            f"The experiment {experiment.name} is in the trash. Restore it, or choose"
            " another name."
        )
        raise DefinitionError([Problem("experiment_name", words)])
    return experiment


def at_next_number(experiment: Experiment, store: Callable[[int], T]) -> T:
    """Store with the next number; try again if another process took it meanwhile."""
    while True:
        number = experiment.next_number()
        try:
            with transaction.atomic():
                return store(number)
        except IntegrityError:
            if not experiment.sweeps.filter(number=number).exists():
                raise


def _pool(team: Team, name: str) -> Pool:
    pool = access.pools_for_team(team).filter(name=name).first()
    if pool is None:
        known = ", ".join(access.pools_for_team(team).values_list("name", flat=True))
        raise DefinitionError(
            (
                Problem(
                    "compute",
                    f"There is no worker pool {name!r} for team {team.name}; the"
                    f" team's pools are: {known or 'none yet'}.",
                ),
            )
        )
    return pool


def check_may_run(user: User | None, pool: Pool) -> None:
    """Raise DefinitionError for a person who may not run commands on the pool."""
    if user is None or access.can_run_on(user, pool):
        return
    sentence = (
        f"You may not run commands on pool {pool.name!r}. Choose another pool, or ask"
        " an administrator of the site."
    )
    raise DefinitionError((Problem("compute", sentence),))


def check_for_team(team: Team, definition: SweepDefinition) -> None:
    """Raise DefinitionError where `create_sweep` would for this team's pools and
    uploads. Nothing is stored."""
    with_shared_code(definition, _pool(team, definition.compute))
    _check_code(team, definition.trial.code)


def _code(
    team: Team, definition: SweepDefinition, user: User | None
) -> CodeSnapshot | None:
    """The snapshot of the document's ``code``. Paths on the server are refused."""
    code: Any = definition.trial.code
    if not isinstance(code, dict) or "files" not in code:
        return _check_code(team, code)
    files = {name: text.encode() for name, text in code["files"].items()}
    try:
        return snapshots.store_files(team, files, user=user)
    except snapshots.SnapshotError as error:
        raise DefinitionError((Problem("trial.code.files", str(error)),)) from error


def _check_code(team: Team, code: Any) -> CodeSnapshot | None:
    """The team's snapshot that ``code`` names, if it names one."""
    if isinstance(code, str):
        raise DefinitionError(
            (
                Problem(
                    "trial.code",
                    f"{code!r} is a folder; only the command line can pack a folder."
                    " Upload its files and name them as {upload: ID}, or name a folder"
                    " that the pool allows.",
                ),
            )
        )
    is_upload = isinstance(code, dict) and "upload" in code
    return _uploaded(team, str(code["upload"])) if is_upload else None


def _uploaded(team: Team, upload: str) -> CodeSnapshot:
    found = CodeSnapshot.objects.filter(team=team, digest__startswith=upload)[:2]
    if len(upload) < 8 or len(found) != 1:
        raise DefinitionError(
            (
                Problem(
                    "trial.code.upload",
                    f"Team {team.name} has no upload {upload!r}. Upload the files"
                    " first and use the id of the answer.",
                ),
            )
        )
    return found[0]
