"""``manage.py token``: people's keys to the HTTP API."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from experiments.accounts.tokens import TokenRequest, create_token, default_days
from experiments.management.lookups import find_team, find_user
from experiments.management.progress import VisibleOutput
from experiments.management.token_actions import add_list_and_revoke, run_on_tokens
from experiments.models import ApiToken
from experiments.sweeps.control import NotPossible


class Command(BaseCommand):
    help = "API tokens. The secret is printed once and cannot be shown again."
    # The checks would load every page.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="create one and print its secret")
        create.add_argument("--user", required=True, help="the user who owns it")
        create.add_argument("--name", default="", help="what the token is for")
        create.add_argument(
            "--scope",
            choices=ApiToken.Scope.values,
            default=ApiToken.Scope.WRITE,
            help="what it allows, write by default",
        )
        create.add_argument("--team", help="the only team that it reaches")
        create.add_argument(
            "--days",
            type=int,
            default=default_days(),
            help="how long it lasts, %(default)s by default",
        )
        add_list_and_revoke(actions)

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout = VisibleOutput(options.get("stdout") or sys.stdout)
        if options["action"] != "create":
            tokens = ApiToken.objects.select_related("user")
            self.stdout.write(run_on_tokens(tokens, options))
            return
        user = find_user(options["user"])
        team = find_team(options["team"], None) if options["team"] else None
        wanted = TokenRequest(options["name"], options["scope"], options["days"], team)
        try:
            token, secret = create_token(user, wanted, actor=None)
        except NotPossible as error:
            raise CommandError(str(error)) from error
        self.stderr.write(
            f"An API token for {user.username}, scope {token.scope}, valid until"
            f" {token.expires_at:%Y-%m-%d %H:%M} UTC. Copy it now; it is not shown"
            " again:",
            str,
        )
        self.stdout.write(secret)
