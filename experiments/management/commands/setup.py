"""``manage.py setup``: prepares a new or upgraded installation."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from experiments.models import Event, Membership, Pool, Team, User, WorkerToken
from experiments.sweeps.demo import ensure_demo
from experiments.tokens import token_digest, token_of
from experiments.workers.secrets import sealed

ADMIN = "admin"
# Characters of a worker's credential after wrk_.
MIN_TOKEN_TEXT = 32


class Command(BaseCommand):
    help = (
        "Updates the database, collects static files and, the first time, makes an"
        " admin with a team and a pool. 'up' does the same."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--demo", action="store_true", help="start the demo sweep")
        parser.add_argument("--for-up", action="store_true", help=argparse.SUPPRESS)

    def handle(self, *args: Any, **options: Any) -> None:
        with collecting_static():
            call_command("migrate", verbosity=0, interactive=False)
            password = ensure_admin(demo=options["demo"])
        if options["for_up"]:
            keep_embedded_token(settings.WORKER_TOKEN)
        else:
            keep_given_token(settings.WORKER_TOKEN)
            self.stdout.write("The database and the static files are up to date.")
        if options["demo"]:
            self.stdout.write(ensure_demo())
        if password is not None:
            given = os.environ.get("SWEEPSITE_ADMIN_PASSWORD")
            shown = "as given in SWEEPSITE_ADMIN_PASSWORD" if given else password
            self.stdout.write(f"\n  user      {ADMIN}")
            self.stdout.write(
                f"  password  {shown}{'' if given else '   (shown only now)'}"
            )


def ensure_admin(*, demo: bool = False) -> str | None:
    """Make the first admin, with a team and a pool; returns a new admin's password.
    A generated one must be changed at the first login, except that of a demo."""
    if User.objects.exists():
        return None
    given = _given_password()
    password = given or secrets.token_urlsafe(12)
    with transaction.atomic():
        admin = User.objects.create_superuser(
            ADMIN, password=password, must_change_password=not (given or demo)
        )
        team, _ = Team.objects.get_or_create(
            slug="default", defaults={"name": "Default"}
        )
        Membership.objects.get_or_create(
            team=team, user=admin, defaults={"role": Membership.Role.ADMIN}
        )
        pool, _ = Pool.objects.get_or_create(name="default")
        pool.teams.add(team)
    return password


def _given_password() -> str:
    given = os.environ.get("SWEEPSITE_ADMIN_PASSWORD", "")
    try:
        if given:
            validate_password(given, User(username=ADMIN))
    except ValidationError as error:
        sentences = " ".join(error.messages)
        raise CommandError(f"SWEEPSITE_ADMIN_PASSWORD: {sentences}") from error
    return given


def keep_embedded_token(secret: str) -> None:
    """Store the credential of ``up``'s workers, which is a new one at each start."""
    pool, _ = Pool.objects.get_or_create(name="default")
    WorkerToken.objects.filter(pool=pool, prefix="embedded").delete()
    digest = token_digest(secret)
    WorkerToken.objects.create(pool=pool, prefix="embedded", digest=digest)


def keep_given_token(secret: str) -> None:
    """Store the credential of SWEEPSITE_WORKER_TOKEN, if it is set, for the pool
    `default`: workers that start beside the site need no command. One that was revoked
    stays so."""
    if not secret:
        return
    kind, _, text = secret.partition("_")
    if kind != "wrk" or len(text) < MIN_TOKEN_TEXT:
        raise CommandError(
            "SWEEPSITE_WORKER_TOKEN must be wrk_ and at least"
            f" {MIN_TOKEN_TEXT} random characters, such as those of"
            " 'openssl rand -hex 24'."
        )
    token = token_of("wrk", text)
    if not WorkerToken.objects.filter(digest=token.digest).exists():
        pool, _ = Pool.objects.get_or_create(name="default")
        WorkerToken.objects.create(pool=pool, prefix=token.prefix, digest=token.digest)
        Event.log("credential created", f"{pool.name} {token.prefix}…")


@contextlib.contextmanager
def collecting_static() -> Iterator[None]:
    """Collect the static files meanwhile, unless they have not changed."""
    mark = settings.STATIC_ROOT / ".fingerprint"
    current = _static_fingerprint()
    manifest = settings.STATIC_ROOT / "staticfiles.json"
    if manifest.exists() and mark.exists() and mark.read_text() == current:
        yield
        return
    manage = str(settings.BASE_DIR / "manage.py")
    command = [sys.executable, manage, "collectstatic", "--noinput", "--clear"]
    with sealed(os.environ) as given:
        collecting = subprocess.Popen(
            [*command, "-v", "0"],
            **given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    except BaseException:
        collecting.kill()
        raise
    finally:
        output, _ = collecting.communicate()
    if collecting.returncode:
        text = output.decode().strip().removeprefix("sweepsite: ")
        raise CommandError(f"Static files could not be collected: {text}")
    mark.write_text(current)


def _static_fingerprint() -> str:
    digest = hashlib.sha256(settings.VERSION.encode())
    for folder in settings.STATICFILES_DIRS:
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                facts = path.stat()
                digest.update(f"{path}{facts.st_size}{facts.st_mtime_ns}".encode())
    return digest.hexdigest()
