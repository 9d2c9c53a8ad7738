"""``manage.py cleanup``: dry runs, the trash, and rules."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from experiments.cleanup import purge, rules, trash
from experiments.cleanup.move import move
from experiments.cleanup.plan import CleanupPlan, plan_of
from experiments.cleanup.selection import KINDS, STATES, read_selection
from experiments.formatting import bytes_text
from experiments.management.lookups import find_team
from experiments.management.progress import VisibleOutput
from experiments.models import CleanupRule, TrashItem
from experiments.search.fields import DefinitionError
from experiments.search.wording import counted
from experiments.sweeps.control import NotPossible

TEXTS = {
    "experiment": "id of an experiment",
    "sweep": "id of a sweep",
    "older-than": "days, such as 30",
    "larger-than": "size of a file, such as 1MB",
    "not-best": "how many best trials of each sweep stay",
    "files": "pattern of names, such as *.pt",
    "where": "expression of parameters, value, hours, number, state",
    "keep": "size of a long log; 1 in how many points",
}


class Command(BaseCommand):
    help = "Choose what to remove, move it to the trash, restore or delete it."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for name, words in (
            ("plan", "a dry run: what would go, and what stays and why"),
            ("move", "move it to the trash, here and now"),
        ):
            plan = actions.add_parser(name, help=words)
            plan.add_argument("--team", metavar="SLUG", help="only of this team")
            plan.add_argument(
                "--kind",
                choices=[kind.value for kind in KINDS],
                default="artifacts",
                help="what to choose, %(default)s by default",
            )
            plan.add_argument(
                "--state",
                choices=[state.value for state in STATES],
                help="only of trials that ended so",
            )
            for option, meaning in TEXTS.items():
                plan.add_argument(f"--{option}", help=meaning)
        listed = actions.add_parser("trash", help="list the trash")
        listed.add_argument("--team", metavar="SLUG", help="only of this team")
        for name, words in (
            ("restore", "put items back where they were"),
            ("delete", "delete items for good, now"),
        ):
            chosen = actions.add_parser(name, help=words)
            chosen.add_argument(
                "items", nargs="+", type=int, metavar="ID", help="as the trash lists it"
            )
        run = actions.add_parser("rules", help="list the rules, or run them now")
        run.add_argument("--run", action="store_true", help="run all of them now")

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout = VisibleOutput(options.get("stdout") or sys.stdout)
        action = {
            "plan": self._plan,
            "move": self._move,
            "trash": self._trash,
            "restore": self._restore,
            "delete": self._delete,
            "rules": self._rules,
        }[options["action"]]
        try:
            action(options)
        except (DefinitionError, NotPossible) as error:
            raise CommandError(str(error)) from error

    def _planned(self, options: dict[str, Any]) -> CleanupPlan:
        team = find_team(options["team"], None)
        names = ("kind", "state", *(name.replace("-", "_") for name in TEXTS))
        selected = {name: options[name] for name in names}
        return plan_of(read_selection(selected, team), team)

    def _plan(self, options: dict[str, Any]) -> None:
        plan = self._planned(options)
        for row in plan.rows:
            kept = f"  kept: {row.kept}, {bytes_text(row.left)}" if row.kept else ""
            size = bytes_text(row.taken.bytes)
            files = counted(row.taken.files, "file")
            self.stdout.write(f"{size:>8}  {row.name}, {files}{kept}")
        size = bytes_text(plan.taken.bytes)
        self.stdout.write(f"{size:>8}  in total; nothing has been removed")

    def _move(self, options: dict[str, Any]) -> None:
        self._list(move(self._planned(options), actor=None))

    def _trash(self, options: dict[str, Any]) -> None:
        items = TrashItem.objects.select_related("team", "moved_by")
        if options["team"]:
            items = items.filter(team=find_team(options["team"], None))
        self._list(items)

    def _list(self, items: Any) -> None:
        count = size = 0
        for item in items:
            until = f"until {item.until:%Y-%m-%d}" if item.until else "no end"
            self.stdout.write(
                f"{item.pk:>6}  {bytes_text(item.bytes):>8}  {item.kind} of {item},"
                f" {until}"
            )
            count, size = count + 1, size + item.bytes
        self.stdout.write(f"{counted(count, 'item')}, {bytes_text(size)}")

    def _chosen(self, options: dict[str, Any]) -> list[TrashItem]:
        rows = TrashItem.objects.select_related("team", "experiment", "trial")
        found = list(rows.filter(pk__in=options["items"]))
        if missing := set(options["items"]) - {item.pk for item in found}:
            numbers = ", ".join(map(str, sorted(missing)))
            raise CommandError(f"Not in the trash: {numbers}. See cleanup trash.")
        return found

    def _restore(self, options: dict[str, Any]) -> None:
        for item in self._chosen(options):
            trash.restore(item, actor=None)
            self.stdout.write(f"restored {item}")

    def _delete(self, options: dict[str, Any]) -> None:
        """Here and now: no worker of the site needs to run."""
        pks = [item.pk for item in self._chosen(options)]
        trash.delete_now(TrashItem.objects.filter(pk__in=pks), actor=None)
        purge.purge_trash()
        left = TrashItem.objects.filter(pk__in=pks).count()
        self.stdout.write(f"deleted {counted(len(pks) - left, 'item')}")

    def _rules(self, options: dict[str, Any]) -> None:
        for rule in CleanupRule.objects.select_related("team"):
            if options["run"] and rule.enabled:
                rules.run_rule(rule)
                rule.refresh_from_db()
            state = "on" if rule.enabled else "off"
            last = "" if rule.last_bytes is None else bytes_text(rule.last_bytes)
            self.stdout.write(
                f"{rule.pk:>4}  {state:3}  {rule.team.slug}: {rules.words_of(rule)}"
                f"  {rule.problem or last}"
            )
