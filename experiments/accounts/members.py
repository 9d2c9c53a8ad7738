"""Who is in a team, as an admin says or as a login provider's groups say."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from typing import Protocol

from django.db import transaction

from experiments import lifecycle
from experiments.accounts.people import set_administrator
from experiments.models import Event, Membership, Team, User
from experiments.sweeps.control import NotPossible
from experiments.sweeps.transfer import hand_over, possible_owners, running_sweeps

logger = logging.getLogger(__name__)
Role = Membership.Role
RANKS = [role.value for role in (Role.VIEWER, Role.MEMBER, Role.ADMIN)]
# In the place of a team: administrators of the site.
SITE = "*"


def add_member(team: Team, person: User, role: str, *, actor: User | None) -> None:
    """Raises NotPossible for somebody who is in the team."""
    with transaction.atomic():
        _, is_new = Membership.objects.get_or_create(
            team=team, user=person, defaults={"role": role}
        )
        if not is_new:
            raise NotPossible(
                f"{person.username} is already in the team. Change the role instead."
            )
        _log("member added", f"{person.username} as {role}", team, person, actor)


def change_role(
    team: Team,
    person: User,
    role: str | None,
    *,
    actor: User | None,
    keep_an_admin: bool = True,
) -> bool:
    """Give a member another role, or remove them (None). False: nothing changes.
    Raises NotPossible to keep the team an admin."""
    with transaction.atomic():
        # Locked together, so that two admins cannot demote each other at once.
        everyone = list(
            Membership.objects.select_for_update().filter(team=team).order_by("pk")
        )
        member = next((m for m in everyone if m.user_id == person.pk), None)
        if member is None or member.role == role:
            return False
        admins = [m for m in everyone if m.role == Role.ADMIN]
        if keep_an_admin and admins == [member]:
            raise NotPossible(
                f"Team {team.name} would have no admin. Make another member an admin"
                " first."
            )
        rows = Membership.objects.filter(pk=member.pk)
        before = f"{person.username}: {member.role} to {role}"
        if role is None:
            rows.delete()
            text = f"{person.username}, {member.role}"
            _log("member removed", text, team, person, actor)
        else:
            rows.update(role=role)
            _log("role changed", before, team, person, actor)
        lifecycle.revoke_run_tokens([person.pk])
    return True


def remove_member(team: Team, person: User, owner: str, *, actor: User) -> bool:
    """``owner`` is the name of who gets their running sweeps, if it is not empty.
    False: the person is not in the team. Raises NotPossible."""
    others = possible_owners(team).exclude(pk=person.pk)
    heir = others.filter(username=owner).first() if owner else None
    if owner and heir is None:
        raise NotPossible(f"{owner} cannot have sweeps of team {team.name}.")
    with transaction.atomic():
        if heir:
            hand_over(running_sweeps(team).filter(created_by=person), heir, actor=actor)
        return change_role(team, person, None, actor=actor)


def _log(verb: str, text: str, team: Team, person: User, actor: User | None) -> None:
    data = {"user": person.pk}
    Event.log(verb, text, actor=actor, team=team, about=person, data=data)


# --- groups of a login provider -------------------------------------------------------


class GroupRule(Protocol):
    """People of the group have the role in the team of that slug."""

    @property
    def group(self) -> str: ...
    @property
    def team(self) -> str: ...
    @property
    def role(self) -> str: ...


def allowed_by(groups: Collection[str], rules: Iterable[GroupRule]) -> bool:
    """Whether one of the groups leads to a team, or to the site's administrators."""
    return any(rule.group in groups for rule in rules)


@transaction.atomic
def follow_groups(
    person: User, groups: Collection[str], rules: Iterable[GroupRule]
) -> None:
    """Give the person the roles of their groups, in the teams that rules name. Other
    teams stay as they are."""
    wanted: dict[str, str] = {}
    for rule in rules:
        known = wanted.setdefault(rule.team, "")
        if rule.group in groups:
            wanted[rule.team] = max(known, rule.role, key=_rank)
    administrator = wanted.pop(SITE, None)
    if administrator is not None:
        _follow_administrators(person, bool(administrator))
    teams = {team.slug: team for team in Team.objects.filter(slug__in=wanted)}
    for slug, role in wanted.items():
        if slug in teams:
            _set_role(teams[slug], person, role or None)
        else:
            logger.warning("SWEEPSITE_OIDC_TEAMS names no team: %s", slug)


def _rank(role: str) -> int:
    return RANKS.index(role) if role else -1


def _set_role(team: Team, person: User, role: str | None) -> None:
    """The provider decides, also about a team's last admin."""
    is_in = Membership.objects.filter(team=team, user=person).exists()
    if is_in:
        change_role(team, person, role, actor=None, keep_an_admin=False)
    elif role:
        add_member(team, person, role, actor=None)


def _follow_administrators(person: User, administrator: bool) -> None:
    try:
        set_administrator(person, administrator, actor=None)
    except NotPossible as error:
        logger.warning("%s stays an administrator: %s", person.username, error)
