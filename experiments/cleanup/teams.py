"""Deleting a team that has nothing left."""

from __future__ import annotations

from collections.abc import Iterator

from experiments.accounts.people import close_service_account
from experiments.cleanup.purge import delete_code
from experiments.code.snapshots import no_upload
from experiments.models import CodeSnapshot, Event, Experiment, Team, User
from experiments.search.wording import counted
from experiments.sweeps.control import NotPossible


def what_remains(team: Team) -> Iterator[str]:
    """What speaks against deleting the team."""
    count = Experiment.objects.filter(team=team).count()
    if count:
        yield (
            f"It has {counted(count, 'experiment')}. Transfer them to another team, or"
            " move them to the trash."
        )
    if team.trash.exists() or Experiment.all_objects.filter(team=team).count() > count:
        yield "Its trash is not empty. Empty it, and wait until that is done."


def what_goes(team: Team) -> list[tuple[str, str]]:
    """With a team without experiments."""
    counts = {
        "memberships": team.memberships.filter(user__service_team=None).count(),
        "service accounts": team.service_accounts.count(),
        "templates": team.sweep_templates.count(),
        "code snapshots": team.code_snapshots.count(),
        "rules": team.cleanup_rules.count(),
    }
    ends = [(name, str(count)) for name, count in counts.items() if count]
    return [*ends, ("stays", "accounts of people, and the audit log")]


def delete_team(team: Team, *, actor: User) -> None:
    """With its templates, service accounts, tokens and code. Raises NotPossible."""
    with no_upload():
        row = Team.objects.select_for_update().get(pk=team.pk)
        if problems := list(what_remains(row)):
            raise NotPossible(" ".join(problems))
        for account in row.service_accounts.filter(is_active=True):
            close_service_account(account, actor=actor)
        roles = row.memberships.values_list("user__username", "role")
        before = {"slug": row.slug, "members": dict(roles)}
        Event.log("team deleted", row.name, actor=actor, about=row, before=before)
        code = list(CodeSnapshot.all_objects.filter(team=row))
        row.delete()
        delete_code(code)
