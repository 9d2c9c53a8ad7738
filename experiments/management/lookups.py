"""Rows that a command line names, or a CommandError with the existing names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from django.conf import settings
from django.core.management.base import CommandError
from django.db import OperationalError, connection

from experiments import access
from experiments.models import Pool, Sweep, Team, User

MAX_NAMED = 20


def is_installed() -> bool:
    """Whether there is a database with our tables; never creates one."""
    name = str(connection.settings_dict["NAME"])
    in_file = connection.vendor == "sqlite" and not name.startswith("file:")
    if in_file and not Path(name).exists():
        return False
    try:
        return Pool._meta.db_table in connection.introspection.table_names()
    except OperationalError:
        return False


def find_user(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        names = User.objects.order_by("pk").values_list("username", flat=True)
        raise CommandError(f"There is no user {name!r}. Users: {_listed(names)}.")
    return user


def find_pool(name: str) -> Pool:
    pool = Pool.objects.filter(name=name).first()
    if pool is None:
        names = Pool.objects.values_list("name", flat=True)
        raise CommandError(f"There is no pool {name!r}. Pools: {_listed(names)}.")
    return pool


def find_team(slug: str | None, user: User | None) -> Team:
    """The named team, else the only one. With a user, one whose sweeps they may run."""
    teams = Team.objects.all()
    if user is not None:
        teams = access.teams_for(user, roles=access.STEERERS)
    names = _listed(teams.values_list("slug", flat=True))
    if slug is not None:
        team = teams.filter(slug=slug).first()
        if team is None:
            raise CommandError(f"There is no team {slug!r}. Teams: {names}.")
        return team
    found = list(teams[:2])
    if len(found) != 1:
        raise CommandError(f"Choose a team with --team SLUG. Teams: {names}.")
    return found[0]


def find_sweep(name: str) -> Sweep:
    """By id, or by a label such as digits-3 if only one team has it."""
    sweeps = Sweep.objects.select_related("experiment__team", "pool", "code")
    slug, _, number = name.rpartition("-")
    if number.isascii() and number.isdigit():
        by = {"experiment__slug": slug, "number": number} if slug else {"pk": number}
        found = list(sweeps.filter(**by))
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(str(sweep.pk) for sweep in found)
            raise CommandError(f"Several sweeps are called {name}; use an id: {ids}.")
    raise CommandError(
        f"There is no sweep {name!r}. Use an id or a name such as digits-3;"
        " `manage.py sweep list` shows them."
    )


def url_of(sweep: Sweep) -> str:
    return settings.SITE_URL + sweep.get_absolute_url()


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - MAX_NAMED} more" if len(known) > MAX_NAMED else ""
    return ", ".join(known[:MAX_NAMED]) + more if known else "none yet"
