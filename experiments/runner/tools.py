"""The environment of git and pip when they prepare a trial.

They may use the credentials and settings that the worker's user has for them, which
training processes do not inherit.
"""

from __future__ import annotations

from collections.abc import Mapping

from experiments.runner.environment import DEFAULT_PATH, inherited

GIT_SETTINGS = (
    *("GIT_ASKPASS", "SSH_ASKPASS", "SSH_AUTH_SOCK", "GIT_SSH", "GIT_SSH_COMMAND"),
    *("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"),
    *("GIT_SSL_CAINFO", "GIT_SSL_CAPATH", "GIT_HTTP_PROXY_AUTHMETHOD"),
)
PIP_PREFIX = "PIP_"
ENVIRONMENTS_LIMIT = "SWEEPSITE_ENVIRONMENTS_LIMIT_BYTES"
RESUME_LIMIT = "SWEEPSITE_RESUME_LIMIT_BYTES"
CODE_LIMIT = "SWEEPSITE_CODE_LIMIT_BYTES"
REPOSITORIES_LIMIT = "SWEEPSITE_REPOSITORIES_LIMIT_BYTES"


def tool_settings(worker: Mapping[str, str]) -> dict[str, str]:
    """What of a worker's environment is for git, pip and the environments' room."""
    names = {*GIT_SETTINGS, ENVIRONMENTS_LIMIT}
    return {
        name: value
        for name, value in worker.items()
        if name in names or name.startswith(PIP_PREFIX)
    }


def git_environment(
    worker: Mapping[str, str], *, files_allowed: bool
) -> dict[str, str]:
    """For git: it never asks anybody, runs no hook or helper of a repository, and
    speaks https and ssh only, files where they are allowed."""
    protocols = "https:ssh:file" if files_allowed else "https:ssh"
    given = {n: v for n, v in worker.items() if n in GIT_SETTINGS}
    return {
        "PATH": DEFAULT_PATH,
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        **inherited(worker),
        **given,
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": protocols,
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "LC_ALL": "C",
    }


def pip_environment(worker: Mapping[str, str]) -> dict[str, str]:
    """For pip: the worker's own configuration, and no questions."""
    given = {n: v for n, v in worker.items() if n.startswith(PIP_PREFIX)}
    environment = {"PATH": DEFAULT_PATH, **inherited(worker), **given}
    for name in ("VIRTUAL_ENV", "PIP_TARGET", "PIP_PREFIX", "PIP_USER"):
        environment.pop(name, None)
    return environment | {
        "PIP_NO_INPUT": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_PROGRESS_BAR": "off",
        "PYTHONUNBUFFERED": "1",
    }
