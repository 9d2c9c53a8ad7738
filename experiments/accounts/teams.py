"""Creating a team, its name, and what it requires of its people."""

from __future__ import annotations

from collections.abc import Iterable

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.text import slugify

from experiments.models import Event, Membership, Pool, Team, User

# Words that follow /teams/ in other addresses.
RESERVED_SLUGS = frozenset({"new", "switch"})


def free_slug(name: str) -> str:
    """The address of a new team. Raises ValidationError."""
    slug = slugify(name)[:60]
    if not slug or slug in RESERVED_SLUGS:
        raise ValidationError(
            f"{name!r} cannot be part of an address. Use a name with some letters"
            " from a to z or digits, such as Vision."
        )
    if Team.objects.filter(slug=slug).exists():
        raise ValidationError(
            f"Another team has the address /teams/{slug}/. Choose another name.",
            code="taken",
        )
    return slug


@transaction.atomic
def create_team(team: Team, pools: Iterable[Pool], *, actor: User) -> Team:
    """Store it with its pools; its creator becomes its first admin."""
    team.save()
    team.pools.set(pools)
    Membership.objects.create(team=team, user=actor, role=Membership.Role.ADMIN)
    Event.log("team created", team.name, actor=actor, team=team)
    return team


@transaction.atomic
def rename_team(team: Team, name: str, *, actor: User) -> None:
    """Its address stays."""
    before = Team.objects.get(pk=team.pk).name
    if name == before:
        return
    Team.objects.filter(pk=team.pk).update(name=name)
    Event.log(
        "team renamed",
        f"{before}, now {name}",
        actor=actor,
        team=team,
        about=team,
        before={"name": before},
        after={"name": name},
    )


@transaction.atomic
def require_second_factor(team: Team, wanted: bool, *, actor: User) -> None:
    """Of everybody in the team, or no longer."""
    rows = Team.objects.filter(pk=team.pk, requires_second_factor=not wanted)
    if rows.update(requires_second_factor=wanted):
        Event.log(
            "team's rules changed",
            team.name,
            actor=actor,
            team=team,
            about=team,
            before={"requires_second_factor": not wanted},
            after={"requires_second_factor": wanted},
        )
