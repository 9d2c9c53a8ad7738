"""``manage.py token``: people's keys to the HTTP API."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from experiments.management.lookups import find_user
from experiments.management.token_actions import add_list_and_revoke, run_on_tokens
from experiments.models import ApiToken, Event
from experiments.tokens import new_token


class Command(BaseCommand):
    help = "API tokens. The secret is printed once and cannot be shown again."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        create = actions.add_parser("create", help="create one and print its secret")
        create.add_argument("--user", required=True, help="the user who owns it")
        create.add_argument("--name", default="", help="what the token is for")
        create.add_argument(
            "--scope", choices=ApiToken.Scope.values, default=ApiToken.Scope.WRITE
        )
        add_list_and_revoke(actions)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] != "create":
            tokens = ApiToken.objects.select_related("user")
            self.stdout.write(run_on_tokens(tokens, options))
            return
        user = find_user(options["user"])
        token = new_token("swp")
        ApiToken.objects.create(
            user=user,
            name=options["name"][:100],
            scope=options["scope"],
            prefix=token.prefix,
            digest=token.digest,
        )
        Event.log("token created", f"{token.prefix}… of {user.username}")
        self.stderr.write(
            f"An API token for {user.username}, scope {options['scope']}. Copy it now;"
            " it is not shown again:",
            str,
        )
        self.stdout.write(token.secret)
