"""``worker --run-as USER``: where the trials of a worker run, and as whom."""

from __future__ import annotations

import logging
import os
import pwd
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from django.conf import settings

from experiments.runner.environment import CLIENT_FOLDER
from experiments.runner.launch import RUN_AS, become, groups_of

logger = logging.getLogger(__name__)

CHECK = 'test -x "$1" && test -r "$2" && test -w "$3"'


class RunAsError(Exception):
    """Trials cannot run as this user; the message is for people."""


def trials_home() -> Path:
    """The worker's folder for trials; beside the data folder if another user runs
    them, who must be able to enter it."""
    if user := os.environ.get(RUN_AS):
        return settings.HOME.with_name(f"{settings.HOME.name}-{user}")
    folder: Path = settings.HOME / "worker"
    return folder


def as_trials_user(work: Callable[[], object]) -> None:
    """Do this as the user of the trials: links which that user has put into the folder
    must not lead root elsewhere."""
    user = os.environ.get(RUN_AS)
    if not user:
        work()
        return
    child = os.fork()
    if child == 0:
        try:
            become(user)
            work()
        except Exception:
            logger.exception("could not work as %s", user)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def choose(user: str) -> None:
    """Run the trials of this process and its children as this user. Raises
    RunAsError."""
    if os.geteuid():
        raise RunAsError("--run-as needs a worker that root starts, as with sudo -E.")
    try:
        person = pwd.getpwnam(user)
    except KeyError:
        raise RunAsError(
            f"--run-as is {user!r}; this machine has no user of that name."
        ) from None
    if person.pw_uid == 0:
        raise RunAsError("--run-as must be another user than root.")
    os.environ[RUN_AS] = user
    home = trials_home()
    if home.is_symlink():
        raise RunAsError(f"{home} is a link; --run-as needs a folder there.")
    home.mkdir(mode=0o700, exist_ok=True)
    os.chown(home, person.pw_uid, person.pw_gid, follow_symlinks=False)
    needed = (sys.executable, str(CLIENT_FOLDER), str(home))
    checked = subprocess.run(
        ["/bin/sh", "-c", CHECK, "sh", *needed],
        cwd="/",
        user=person.pw_uid,
        group=person.pw_gid,
        extra_groups=groups_of(person),
    )
    if checked.returncode:
        run, read, write = needed
        raise RunAsError(
            f"The user {user} cannot run {run}, read {read} or write {write}. Install"
            " sweepsite, and put SWEEPSITE_HOME, where this user can enter the"
            " folders, such as /opt and /var/lib."
        )
