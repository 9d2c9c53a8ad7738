"""Sweeps and experiments go to another team, with what that changes said before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from experiments import access, lifecycle
from experiments.models import (
    CodeSnapshot,
    Event,
    Experiment,
    LoggedModel,
    Membership,
    Run,
    Sweep,
    Team,
    TrashItem,
    Trial,
    User,
)
from experiments.models.sweeps import SWEEP_ENDS, SweepState
from experiments.search.wording import counted
from experiments.sweeps.control import NotPossible
from experiments.sweeps.creation import at_next_number, find_or_create_experiment

MAX_NAMED = 5
AT_REST = {*SWEEP_ENDS, SweepState.DRAFT}


@dataclass(frozen=True)
class TransferPlan:
    """Sentences: what speaks against a transfer, and what it changes."""

    problems: Sequence[str]
    effects: Sequence[str]

    @classmethod
    def of(cls, item: Experiment | Sweep, team: Team) -> TransferPlan:
        if isinstance(item, Experiment):
            problems = [*_problems_of_experiment(item, team)]
            sweeps = Sweep.all_objects.filter(experiment=item)
            name = f"{counted(sweeps.count(), 'sweep')} of {item.name}"
        else:
            problems = [*_problems_of_sweep(item)]
            sweeps = Sweep.all_objects.filter(pk=item.pk)
            name = f"{item}, with a new number,"
        problems += _pool_problems(sweeps, team)
        return cls(problems, [*_effects(sweeps, name, team)])


def _effects(sweeps: QuerySet[Sweep], name: str, team: Team) -> Iterator[str]:
    codes = sweeps.exclude(code=None).values("code").distinct().count()
    yield f"People of team {team.name} read and steer {name}; others no longer do."
    if codes:
        yield f"{counted(codes, 'code snapshot')}: team {team.name} gets a copy."
    yield "Metrics, logs, outputs and people's names as authors stay."
    yield "Templates, saved forms and earlier events stay with the team that has them."
    yield "Tokens of single runs end, unless their authors are members of the team."


def _problems_of_experiment(experiment: Experiment, team: Team) -> Iterator[str]:
    if experiment.team_id == team.pk:
        yield f"{experiment.name} already belongs to team {team.name}."
    elif Experiment.all_objects.filter(team=team, slug=experiment.slug).exists():
        yield (
            f"Team {team.name} already has an experiment whose sweeps are called"
            f" {experiment.slug}-1 and so on. Transfer single sweeps into it instead."
        )


def _problems_of_sweep(sweep: Sweep) -> Iterator[str]:
    if sweep.state not in AT_REST:
        yield f"{sweep} is {sweep.state}. Cancel it, or wait until it ends."
    inner = Run.objects.filter(parent__sweep=sweep).count()
    if inner:
        yield (
            f"Its trials have logged {counted(inner, 'run')} of their own. Transfer the"
            " whole experiment."
        )


def _pool_problems(sweeps: QuerySet[Sweep], team: Team) -> Iterator[str]:
    """A sweep that may still run needs a pool that the team may use."""
    live = sweeps.exclude(state__in=SWEEP_ENDS).exclude(pool__teams=team)
    for sweep in live.select_related("pool", "experiment")[:MAX_NAMED]:
        yield (
            f"{sweep} is {sweep.state} on pool {sweep.pool.name}, which team"
            f" {team.name} may not use. Cancel it, or give the team the pool."
        )


def _check(item: Experiment | Sweep, team: Team) -> None:
    if problems := TransferPlan.of(item, team).problems:
        raise NotPossible(" ".join(problems))


@transaction.atomic
def transfer_experiment(
    experiment: Experiment, team: Team, *, actor: User | None
) -> Experiment:
    """With all of its sweeps and runs. Raises NotPossible."""
    _check(experiment, team)
    before = experiment.team
    _copy_code(Sweep.all_objects.filter(experiment=experiment), team)
    Experiment.all_objects.filter(pk=experiment.pk).update(team=team)
    TrashItem.objects.filter(experiment=experiment).update(team=team)
    experiment.team = team
    authors = Run.objects.filter(trial__experiment=experiment)
    _revoke(authors.exclude(created_by=None).values_list("created_by", flat=True))
    _log("experiment transferred", experiment.name, before, team, actor, experiment)
    return experiment


@transaction.atomic
def transfer_sweep(sweep: Sweep, team: Team, *, actor: User | None) -> Sweep:
    """Into the team's experiment of the same name. Raises NotPossible."""
    _check(sweep, team)
    before, old_name = sweep.experiment.team, str(sweep)
    home = find_or_create_experiment(team, sweep.experiment.name, user=actor)
    if home.pk == sweep.experiment_id:
        raise NotPossible(f"{sweep} already belongs to team {team.name}.")
    _copy_code(Sweep.all_objects.filter(pk=sweep.pk), team)
    rows = Sweep.all_objects.filter(pk=sweep.pk, state__in=AT_REST)
    at_next_number(home, lambda number: rows.update(experiment=home, number=number))
    Trial.objects.filter(sweep=sweep).update(experiment=home)
    LoggedModel.objects.filter(source_run__sweep=sweep).update(experiment=home)
    TrashItem.objects.filter(sweep=sweep).update(team=team, experiment=home)
    sweep.refresh_from_db()
    _log("sweep transferred", f"{old_name}, now {sweep}", before, team, actor, sweep)
    return sweep


def running_sweeps(team: Team) -> QuerySet[Sweep]:
    """The team's sweeps that have started and not ended."""
    live = Sweep.objects.filter(experiment__team=team).exclude(state__in=AT_REST)
    return live.select_related("experiment").order_by("experiment__slug", "number")


def possible_owners(team: Team) -> QuerySet[User]:
    """The team's people who may have sweeps."""
    members = Membership.objects.filter(team=team, role__in=access.STEERERS)
    people = User.objects.filter(is_active=True, pk__in=members.values("user"))
    return people.order_by("username")


@transaction.atomic
def hand_over(sweeps: QuerySet[Sweep], owner: User, *, actor: User | None) -> None:
    """Give the sweeps to another owner; the audit log keeps who created them."""
    for sweep in sweeps.select_related("experiment__team", "created_by"):
        Sweep.objects.filter(pk=sweep.pk).update(created_by=owner)
        Event.log(
            "sweep handed over",
            f"to {owner.username}",
            actor=actor,
            sweep=sweep,
            before={"owner": sweep.creator},
            after={"owner": owner.username},
        )


def _copy_code(sweeps: QuerySet[Sweep], team: Team) -> None:
    """The team's own rows of the code; the files are stored once per content."""
    used = CodeSnapshot.all_objects.filter(pk__in=sweeps.values("code"))
    for code in used.exclude(team=team):
        own, _ = CodeSnapshot.all_objects.update_or_create(
            team=team,
            digest=code.digest,
            # The team's row may wait in its trash.
            defaults={"trash": None},
            create_defaults={
                "files": code.files,
                "size": code.size,
                "created_by": code.created_by,
            },
        )
        sweeps.filter(code=code).update(code=own)


def _revoke(authors: Any) -> None:
    lifecycle.revoke_run_tokens(set(authors))


def _log(
    verb: str,
    text: str,
    before: Team,
    team: Team,
    actor: User | None,
    about: Experiment | Sweep,
) -> None:
    """In the log of both teams."""
    for each in (before, team):
        Event.log(
            verb,
            text,
            actor=actor,
            team=each,
            about=about,
            before={"team": before.name},
            after={"team": team.name},
        )
