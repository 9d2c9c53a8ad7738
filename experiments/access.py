"""Who may see and do what. Every query for a person starts here.

Viewers read, members also create and control sweeps, admins also manage people. A
superuser may do everything in every team. What you may not see answers with a 404.
"""

from __future__ import annotations

from typing import TypeVar

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest

from experiments.models import (
    Artifact,
    CodeSnapshot,
    Event,
    Experiment,
    Membership,
    Pool,
    SavedView,
    Sweep,
    SweepTemplate,
    Team,
    TrashItem,
    Trial,
    User,
)

M = TypeVar("M", bound=Model)
Role = Membership.Role
READERS = (Role.VIEWER, Role.MEMBER, Role.ADMIN)
STEERERS = (Role.MEMBER, Role.ADMIN)
ADMINS = (Role.ADMIN,)


def viewer(request: HttpRequest) -> User:
    """The logged-in user. Raises PermissionDenied if there is none."""
    if not isinstance(request.user, User):
        raise PermissionDenied
    return request.user


def sees_everything(user: User) -> bool:
    """Whether the user is an administrator of the site, whose token does not limit them
    to one team."""
    return user.is_superuser and user.is_active and user.token_team_id is None


def teams_for(user: User, *, roles: tuple[Role, ...] = READERS) -> QuerySet[Team]:
    """The teams in which the user has one of the roles."""
    if not user.is_active:
        return Team.objects.none()
    teams = Team.objects.all()
    if user.token_team_id is not None:
        teams = teams.filter(pk=user.token_team_id)
    if user.is_superuser:
        return teams
    return teams.filter(
        pk__in=Membership.objects.filter(user=user, role__in=roles).values("team")
    )


def joined_teams(user: User, *, roles: tuple[Role, ...] = STEERERS) -> list[Team]:
    """The user's own teams in the order in which they joined: a new team comes last.

    A superuser who is in none has all.
    """
    every = teams_for(user, roles=roles).order_by("created_at", "pk")
    own = Membership.objects.filter(
        user=user, role__in=roles, team__in=every.values("pk")
    )
    joined = own.select_related("team").order_by("created_at", "pk")
    return [membership.team for membership in joined] or list(every)


def split_team(user: User, name: str) -> tuple[Team | None, str]:
    """The user's team, and the rest, of a name such as TEAM/NAME. Others have none."""
    head, _, rest = (part.strip() for part in name.partition("/"))
    if not rest:
        return None, name
    teams = teams_for(user)
    found = teams.filter(slug=head).first() or teams.filter(name=head).first()
    return (found, rest) if found else (None, name)


def _within(queryset: QuerySet[M], path: str, user: User) -> QuerySet[M]:
    """The rows of teams that the user may read; ``path`` is the lookup of the team."""
    if sees_everything(user):
        return queryset
    return queryset.filter(Q(**{f"{path}__in": teams_for(user).values("pk")}))


def _readable(queryset: QuerySet[M], experiment: str, user: User) -> QuerySet[M]:
    """The rows of experiments of the user's teams, and of those that are open to all;
    ``experiment`` is the lookup of the experiment, with its underscores."""
    if sees_everything(user):
        return queryset
    own = Q(**{f"{experiment}team__in": teams_for(user).values("pk")})
    if user.is_active and user.token_team_id is None and user.service_team_id is None:
        own |= Q(**{f"{experiment}open_to_all": True})
    return queryset.filter(own)


def experiments_for(user: User) -> QuerySet[Experiment]:
    return _readable(Experiment.objects.select_related("team"), "", user)


def sweeps_for(user: User) -> QuerySet[Sweep]:
    queryset = Sweep.objects.select_related("experiment__team", "created_by", "pool")
    return _readable(queryset, "experiment__", user)


def trials_for(user: User, *, trashed: bool = False) -> QuerySet[Trial]:
    """The trials and runs of the user's teams; with ``trashed`` also runs in the
    trash."""
    trials = Trial.objects.all() if trashed else Trial.objects.kept()
    queryset = trials.select_related("experiment__team", "sweep__experiment", "run")
    return _readable(queryset, "experiment__", user)


def runs_for(user: User) -> QuerySet[Trial]:
    """Trials and single runs of the user's teams, also runs in the trash."""
    rows = Trial.objects.filter(sweep__deletion_requested_at=None)
    return _readable(rows, "experiment__", user)


def artifacts_for(user: User) -> QuerySet[Artifact]:
    """Output files of the user's teams, without those in the trash."""
    kept = Artifact.objects.filter(
        attempt__trial__sweep__deletion_requested_at=None,
        attempt__trial__run__deleted_at__isnull=True,
    )
    return _readable(kept, "attempt__trial__experiment__", user)


def templates_for(user: User) -> QuerySet[SweepTemplate]:
    rows = SweepTemplate.objects.select_related("team", "created_by")
    return _within(rows, "team", user)


def views_for(user: User) -> QuerySet[SavedView]:
    """The user's own saved views and those of teams, of experiments that the user may
    read."""
    rows = SavedView.objects.filter(Q(owner=None) | Q(owner=user.pk))
    seen = experiments_for(user).values("pk")
    return rows.filter(experiment__in=seen).select_related("experiment__team")


def code_for(user: User) -> QuerySet[CodeSnapshot]:
    return _within(CodeSnapshot.objects.all(), "team", user)


def events_for(user: User) -> QuerySet[Event]:
    """The events of the user's teams, without those of sweeps that wait to be
    deleted."""
    kept = Event.objects.filter(
        sweep__deletion_requested_at=None,
        trial__sweep__deletion_requested_at=None,
        trial__run__deleted_at__isnull=True,
    )
    return _within(kept, "team", user)


def audit_for(user: User) -> QuerySet[Event]:
    """The audit log of the teams that the user manages; a site's administrator has all
    of it. Raises PermissionDenied if there is none."""
    if sees_everything(user):
        return Event.objects.all()
    managed = list(teams_for(user, roles=ADMINS).values_list("pk", flat=True))
    if not managed:
        raise PermissionDenied("The audit log is for admins of a team.")
    return Event.objects.filter(team__in=managed)


def trash_for(user: User) -> QuerySet[TrashItem]:
    rows = TrashItem.objects.select_related("team", "moved_by", "experiment")
    return _within(rows, "team", user)


def pools_for_team(team: Team) -> QuerySet[Pool]:
    """The pools whose slots this team's sweeps may use."""
    return Pool.objects.filter(teams=team)


def pools_for(user: User) -> QuerySet[Pool]:
    """The pools that one of the user's teams may use."""
    if sees_everything(user):
        return Pool.objects.all()
    mine = teams_for(user).values("pk")
    return Pool.objects.filter(
        pk__in=Pool.teams.through.objects.filter(team__in=mine).values("pool")
    )


def runnable(pools: QuerySet[Pool], user: User) -> QuerySet[Pool]:
    """The pools on which the user may run commands: one of their people, if they have
    any."""
    if sees_everything(user):
        return pools
    return pools.filter(Q(runners=None) | Q(runners=user))


def can_run_on(user: User, pool: Pool) -> bool:
    return runnable(Pool.objects.filter(pk=pool.pk), user).exists()


def can_steer(user: User, team: Team) -> bool:
    """Whether the user may create, change and stop the team's sweeps."""
    return teams_for(user, roles=STEERERS).filter(pk=team.pk).exists()


def check_can_steer(user: User, team: Team) -> None:
    """Raises PermissionDenied."""
    if not can_steer(user, team):
        raise PermissionDenied(
            f"You may only read what team {team.name} has; its members and admins may"
            " do that."
        )


def can_manage(user: User, team: Team) -> bool:
    """Whether the user may add and remove the team's people."""
    return teams_for(user, roles=ADMINS).filter(pk=team.pk).exists()


def check_can_manage(user: User, team: Team) -> None:
    """Raises PermissionDenied."""
    if not can_manage(user, team):
        raise PermissionDenied(f"Only admins of team {team.name} may do that.")


def found_or_404(queryset: QuerySet[M], **lookup: object) -> M:
    """The row, or a 404 that is the same for missing rows and missing access."""
    found = queryset.filter(**lookup).first()
    if found is None:
        name = queryset.model._meta.verbose_name
        raise Http404(f"There is no such {name}, or you may not see it.")
    return found


def address_of(request: HttpRequest) -> str:
    """The visitor's address. A proxy's header counts only if settings allow it."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    if getattr(settings, "SECURE_PROXY_SSL_HEADER", None) and forwarded:
        return forwarded.rsplit(",", 1)[-1].strip()[:45]
    return str(request.META.get("REMOTE_ADDR", ""))
