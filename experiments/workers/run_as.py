"""``worker --run-as USER``: where the trials of a worker run, and as whom."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

from django.conf import settings

from experiments.runner.environment import CLIENT_FOLDER
from experiments.runner.launch import RUN_AS, groups_of

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


def choose(user: str) -> None:
    """Run the trials of this process and its children as this user. Raises
    RunAsError."""
    if os.geteuid():
        raise RunAsError("--run-as needs a worker that root starts, as with sudo -E.")
    try:
        person = pwd.getpwnam(user)
    except KeyError:
        raise RunAsError(f"--run-as is {user!r}; there is no such user.") from None
    if person.pw_uid == 0:
        raise RunAsError("--run-as must be another user than root.")
    os.environ[RUN_AS] = user
    home = trials_home()
    home.mkdir(mode=0o700, exist_ok=True)
    os.chown(home, person.pw_uid, person.pw_gid)
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
