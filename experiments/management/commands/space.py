"""``manage.py space``: what takes space, quotas and orphans."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from experiments.cleanup import measure, orphans, quotas
from experiments.cleanup.quotas import QuotaUse
from experiments.cleanup.usage import Measured
from experiments.formatting import bytes_text, share_text
from experiments.management.lookups import find_team
from experiments.management.progress import VisibleOutput
from experiments.models import Orphan, Team
from experiments.sweeps.control import NotPossible


class Command(BaseCommand):
    help = "Show and measure the space that teams use; set quotas; remove orphans."
    # The checks would load every page.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser("show", help="what takes space, the largest first")
        show.add_argument("--team", metavar="SLUG", help="only of this team")
        show.add_argument("--top", type=int, default=20, help="lines, 20 by default")
        actions.add_parser("measure", help="measure now, and find orphans")
        quota = actions.add_parser("quota", help="show the quotas, or set one")
        quota.add_argument(
            "team", metavar="SLUG", nargs="?", help="one team; all without it"
        )
        quota.add_argument("size", nargs="?", help="such as 40GB, or none")
        lost = actions.add_parser("orphans", help="list them, or remove them")
        lost.add_argument("--remove", action="store_true", help="remove them")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout = VisibleOutput(options.get("stdout") or sys.stdout)
        action = {
            "show": self._show,
            "measure": self._measure,
            "quota": self._quota,
            "orphans": self._orphans,
        }[options["action"]]
        action(options)

    def _show(self, options: dict[str, Any]) -> None:
        slug = options["team"]
        teams = [find_team(slug, None)] if slug else list(Team.objects.all())
        measured = Measured(teams, with_site=not slug)
        if measured.measured_at is None:
            raise CommandError("Nothing is measured yet. Run manage.py space measure.")
        lines = list(measured.lines())
        for line in lines[: options["top"]]:
            names = (line.team and line.team.slug, line.sweep or line.experiment)
            place = "/".join(str(name) for name in names if name) or "installation"
            self.stdout.write(f"{bytes_text(line.bytes):>8}  {line.kind:9}  {place}")
        total = bytes_text(measured.total().bytes)
        self.stdout.write(
            f"{total:>8}  in total, measured {measured.measured_at:%Y-%m-%d %H:%M} UTC"
        )

    def _measure(self, options: dict[str, Any]) -> None:
        measure.measure()
        self._show({"team": None, "top": 10})

    def _quota(self, options: dict[str, Any]) -> None:
        slug, size = options["team"], options["size"]
        teams = [find_team(slug, None)] if slug else list(Team.objects.all())
        if size is not None:
            try:
                words = "none for no quota"
                quota = quotas.read_quota(
                    "" if size == "none" else size, no_quota=words
                )
            except NotPossible as error:
                raise CommandError(str(error)) from error
            quotas.set_quota(teams[0], quota, actor=None)
            teams[0].refresh_from_db()
        used = quotas.newest_usage()
        for team in teams:
            self.stdout.write(_quota_line(QuotaUse(team, used.get(team.pk, 0))))

    def _orphans(self, options: dict[str, Any]) -> None:
        listed = list(Orphan.objects.all())
        if options["remove"]:
            removed = orphans.remove(listed, actor=None)
            self.stdout.write(
                f"Removed {removed.orphans:,} orphans, {bytes_text(removed.bytes)};"
                f" kept {removed.kept:,} that belong to something again."
            )
            return
        for orphan in listed:
            self.stdout.write(f"{bytes_text(orphan.bytes):>8}  {orphan}")
        self.stdout.write(f"{len(listed):,} orphans")


def _quota_line(use: QuotaUse) -> str:
    if use.quota is None:
        return f"{use.team.slug}: {bytes_text(use.used)}, no quota"
    over = ", over its quota: new trials wait" if use.team.over_quota_since else ""
    return (
        f"{use.team.slug}: {bytes_text(use.used)} of {bytes_text(use.quota)}"
        f" ({share_text(use.share)}){over}"
    )
