"""``manage.py worker-token``: the credentials of a pool's workers."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from experiments.management.lookups import find_pool
from experiments.management.token_actions import add_list_and_revoke, run_on_tokens
from experiments.models import Event, WorkerToken


class Command(BaseCommand):
    help = "Credentials of workers. A secret is printed once; a pool may have several."
    # The checks would load every page.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="create one and print its secret")
        create.add_argument("--pool", required=True, help="the pool's name")
        add_list_and_revoke(actions)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] != "create":
            tokens = WorkerToken.objects.select_related("pool")
            self.stdout.write(run_on_tokens(tokens, options))
            return
        pool = find_pool(options["pool"])
        token = WorkerToken.issue(pool)
        Event.log("credential created", f"{pool.name} {token.prefix}…")
        self.stderr.write(
            f"A credential for workers of pool {pool.name}. Set it as"
            " SWEEPSITE_WORKER_TOKEN. It is not shown again:",
            str,
        )
        self.stdout.write(token.secret)
