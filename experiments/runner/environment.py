"""The environments of a training process, and of git and pip that prepare it.

A worker's environment holds the queue's password and the worker's credential, so a
training process gets only what this module or the worker's administrator allows. git
and pip may also use the credentials and settings that the worker's user has for them.
"""

from __future__ import annotations

import fnmatch
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from experiments.runner.folder import AttemptFolder
from experiments.runner.spec import NOTHING_PREPARED, AttemptSpec, Prepared

ATTEMPT_MARKER = "SWEEPSITE_ATTEMPT"
SLOT_MARKER = "SWEEPSITE_SLOT"
SPOOL = "SWEEPSITE_SPOOL"
EXTRA_NAMES = "SWEEPSITE_PASS_ENVIRONMENT"

CLIENT_FOLDER = Path(__file__).resolve().parent.parent / "client"
# What scripts import of other systems; a real package comes first.
STAND_INS = CLIENT_FOLDER / "standins"
DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"

ALLOWED = frozenset(
    re.findall(
        r"\w+",
        """
        PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TMPDIR TMP TEMP
        LD_LIBRARY_PATH DYLD_LIBRARY_PATH VIRTUAL_ENV CONDA_PREFIX CONDA_DEFAULT_ENV
        PYTHONUTF8 SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE
        HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy
        HF_HOME TORCH_HOME KERAS_HOME JAX_PLATFORMS NVIDIA_VISIBLE_DEVICES
        NVIDIA_DRIVER_CAPABILITIES ROCR_VISIBLE_DEVICES HIP_VISIBLE_DEVICES
        """,
    )
)
ALLOWED_PREFIXES = (
    *("LC_", "CUDA_", "CUDNN_", "NCCL_", "OMP_", "GOMP_", "KMP_", "MKL_", "XLA_"),
    *("OPENBLAS_", "NUMEXPR_", "BLIS_", "VECLIB_", "XDG_CACHE_", "XDG_DATA_"),
)
# These never pass, even if an administrator's pattern matches.
FORBIDDEN = re.compile(
    r"SECRET|PASSW|TOKEN|CREDENTIAL|REDIS|VALKEY|DATABASE|PRIVATE|API_?KEY|ACCESS_?KEY",
    re.IGNORECASE,
)
PASSWORD_IN_URL = re.compile(r"://[^/@\s]*:[^/@\s]+@")

# MLflow's clients would use them in place of the trial's token.
OTHER_MLFLOW_LOGIN = ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")
ALLOWED_NETWORKS = "SWEEPSITE_ALLOWED_NETWORKS"
PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
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


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if not FORBIDDEN.search(name) and not PASSWORD_IN_URL.search(value)
    }


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of a worker's environment that a training process may see.

    SWEEPSITE_PASS_ENVIRONMENT adds names or patterns, such as "DATA_ROOT,MY_LAB_*".
    """
    patterns = _extra_patterns(environment)
    return {
        name: value
        for name, value in environment.items()
        if _may_pass(name, patterns) and not FORBIDDEN.search(name)
    }


def _extra_patterns(environment: Mapping[str, str]) -> list[str]:
    return environment.get(EXTRA_NAMES, "").replace(",", " ").split()


def _may_pass(name: str, patterns: list[str]) -> bool:
    return (
        name in ALLOWED
        or name.startswith(ALLOWED_PREFIXES)
        or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)
    )


def training_environment(
    spec: AttemptSpec,
    *,
    folder: AttemptFolder,
    worker: Mapping[str, str],
    prepared: Prepared = NOTHING_PREPARED,
    confined: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """What the training process gets: what is allowed, the sweep's own, then ours.

    Later ones win, so a sweep cannot forge the markers that find its processes. The
    folders of a `confined` trial replace the worker's.
    """
    environment = {**inherited(worker), **confined}
    environment["PATH"] = _path_with_own_python(environment.get("PATH", DEFAULT_PATH))
    environment["PYTHONUNBUFFERED"] = "1"
    environment |= spec.environment
    environment |= prepared.environment
    environment["PATH"] = os.pathsep.join([*prepared.path, environment["PATH"]])
    environment |= {
        "PYTHONPATH": _client_first(spec.environment.get("PYTHONPATH")),
        "PWD": str(folder.work),
        "SWEEPSITE_OUTPUTS": str(folder.outputs),
        "SWEEPSITE_TRIAL_NAME": spec.name,
    }
    if spec.gpus:
        # In the order of nvidia-smi, which is not CUDA's default.
        environment["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
        environment["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, spec.gpus))
    for name in (SLOT_MARKER, *OTHER_MLFLOW_LOGIN):
        environment.pop(name, None)
    return environment | attempt_markers(spec, folder=folder, worker=worker)


def attempt_markers(
    spec: AttemptSpec, *, folder: AttemptFolder, worker: Mapping[str, str]
) -> dict[str, str]:
    """The variables that find and stop an attempt's processes."""
    markers = {SPOOL: str(folder.spool), ATTEMPT_MARKER: spec.attempt}
    if slot := worker.get(SLOT_MARKER):
        markers[SLOT_MARKER] = slot
    return markers


def _path_with_own_python(path: str) -> str:
    """Makes `python` inside a shell script mean the worker's.

    A virtual environment's folder comes first. A system folder such as /usr/bin comes
    last: in front it would hide what the administrator put before it.
    """
    own = os.path.dirname(sys.executable)
    if own in path.split(os.pathsep):
        return path
    in_front = sys.prefix != sys.base_prefix
    return os.pathsep.join([own, path] if in_front else [path, own])


def _client_first(path: str | None) -> str:
    given = [path] if path else []
    return os.pathsep.join([str(CLIENT_FOLDER), *given, str(STAND_INS)])


def tool_settings(worker: Mapping[str, str]) -> dict[str, str]:
    """The worker's settings for git, pip and the disk space of environments."""
    names = {*GIT_SETTINGS, ENVIRONMENTS_LIMIT, ALLOWED_NETWORKS}
    return {
        name: value
        for name, value in worker.items()
        if name in names or name.startswith(PIP_PREFIX)
    }


def git_environment(
    worker: Mapping[str, str], *, files_allowed: bool
) -> dict[str, str]:
    """For git: it asks no questions, runs no hook or helper of a repository, and uses
    https and ssh only, and files where they are allowed."""
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
