"""What a training runs on and with, so that it can be run again; without secrets.

Nothing is executed for this: a trial's own interpreter would run its code outside the
walls. Names and versions of packages are those of their folders.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

# Words of a name whose value is a secret. TOKENIZERS_PARALLELISM has none of them.
SECRET_NAME = re.compile(
    r"(?:^|[_.-])(?:\w*TOKENS?|\w*SECRETS?|\w*PASSW(?:OR)?DS?|\w*PASS|PASSPHRASE|KEYS?"
    r"|CREDENTIALS?|\w*APIKEY|AUTH|AUTHORIZATION|COOKIE|DSN|PWD|PAT|CONNECTION_STRING)"
    r"\d*(?:$|[_.-])",
    re.IGNORECASE,
)
# How some services begin theirs, and the parts of a JSON web token.
SECRET_VALUE = re.compile(
    r"\b(?:gh[pousr]_|github_pat_|glpat-|hf_|sk-|xox[abp]-|AKIA|eyJ[\w-]{8,500}\.)[\w.-]{8,}"
)
# A number or a switch: max_tokens=512 is not a secret.
HARMLESS = re.compile(r"[-+.\d]*|true|false|none|null|yes|no|on|off", re.IGNORECASE)
# A password may have an @.
LOGIN_IN_URL = re.compile(r"(?<=://)[^/\s]+(?=@)")
HIDDEN = "***"
# Every attempt has others; a run by hand needs none of them.
OWN_VARIABLE = re.compile(
    r"SWEEPSITE_\w+|AZUREML_SWEEP_\w+|MLFLOW_(TRACKING_\w+|RUN_ID|EXPERIMENT_ID)|PWD"
)
CPU_FILE = Path("/proc/cpuinfo")
PACKAGE = re.compile(
    r"(?P<name>[A-Za-z0-9][\w.]*)-(?P<version>\d[\w.!+]*)(-py[\d.]+)?\.(dist|egg)-info"
)
VERSION = re.compile(r"(\d+\.\d+\.\d+)|python(\d+\.\d+)$")


def masked_text(text: str) -> str:
    """Without logins in addresses, and without what looks like a token."""
    return SECRET_VALUE.sub(HIDDEN, LOGIN_IN_URL.sub(HIDDEN, text))


def masked_variables(variables: Mapping[str, object]) -> dict[str, str | None]:
    """None stands for a secret."""
    return {
        name: None
        if value is None or _is_secret(name, str(value))
        else masked_text(str(value))
        for name, value in variables.items()
    }


def masked_command(argv: Iterable[str]) -> list[str]:
    """Hides the values of options such as ``--api-key``."""
    masked: list[str] = []
    hides = False
    for word in argv:
        name, equals, value = word.partition("=")
        # Hydra's have no dashes: api_key=….
        is_option = (equals or name[:1] == "-") and SECRET_NAME.search(
            name.lstrip("-+")
        )
        if hides and not word.startswith("-") and not HARMLESS.fullmatch(word):
            masked.append(HIDDEN)
        elif is_option and equals and not HARMLESS.fullmatch(value):
            masked.append(f"{name}={HIDDEN}")
        else:
            masked.append(masked_text(word))
        hides = bool(is_option) and not equals
    return masked


def _is_secret(name: str, value: str) -> bool:
    return bool(SECRET_NAME.search(name)) and not HARMLESS.fullmatch(value)


def training_facts(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    folder: Path,
) -> dict[str, object]:
    """The fields of an environment's document that a worker knows; they are listed in
    models/environments.py. The attempt's `folder` is left out of values, so that trials
    have them in common."""
    variables = {
        _storable(name): _storable(value.replace(str(folder), "…"))
        for name, value in environment.items()
        if not OWN_VARIABLE.fullmatch(name)
    }
    return {
        # It is run again in the folder of the code, not in the attempt's.
        "command": [
            _storable(word.replace(f"{folder}/work/", ""))
            for word in masked_command(argv)
        ],
        "variables": masked_variables(variables),
        **python_facts(_interpreter(argv, environment, folder)),
        **machine_facts(),
    }


def _storable(text: str) -> str:
    """What is not UTF-8 came as halves of surrogate pairs, which no database keeps."""
    return text.encode("utf-8", "replace").decode()


def _interpreter(
    argv: Sequence[str], environment: Mapping[str, str], folder: Path
) -> str:
    if os.path.basename(argv[0]).startswith("python"):
        return argv[0]
    # Not the attempt's own script that starts the interpreter.
    places = environment.get("PATH", "").split(os.pathsep)
    others = (place for place in places if not place.startswith(str(folder)))
    return shutil.which("python", path=os.pathsep.join(others)) or ""


def python_facts(interpreter: str) -> dict[str, object]:
    """Version and packages of an interpreter, as far as its folders name them."""
    if not os.path.isabs(interpreter):
        return {}
    python = Path(interpreter)
    version = _version(python)
    packages: dict[str, str] = {}
    for folder in _package_folders(python.parent.parent, version):
        packages = dict(_packages(folder)) | packages
    lines = [f"{name}=={packages[name]}" for name in sorted(packages, key=str.lower)]
    return {"interpreter": interpreter, "python": version, "packages": lines}


def _version(python: Path) -> str:
    if os.path.realpath(python) == os.path.realpath(sys.executable):
        return platform.python_version()
    settings = _settings(python.parent.parent)
    named = settings.get("version") or settings.get("version_info", "")
    found = VERSION.search(named or os.path.realpath(python))
    return (found[1] or found[2]) if found else ""


def _settings(prefix: Path) -> dict[str, str]:
    """Of a virtual environment; empty for another folder."""
    try:
        lines = (prefix / "pyvenv.cfg").read_text().splitlines()
    except (OSError, ValueError):
        return {}
    pairs = (line.partition("=") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _package_folders(prefix: Path, version: str) -> Iterator[Path]:
    minor = ".".join(version.split(".")[:2])
    settings = _settings(prefix)
    yield prefix / f"lib/python{minor}/site-packages"
    if settings and settings.get("include-system-site-packages") != "true":
        return
    base = Path(settings["home"]).parent if "home" in settings else prefix
    if base != prefix:
        yield base / f"lib/python{minor}/site-packages"
    if base == Path("/usr"):
        yield Path(f"/usr/local/lib/python{minor}/dist-packages")
        yield Path("/usr/lib/python3/dist-packages")


def _packages(folder: Path) -> Iterator[tuple[str, str]]:
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        if found := PACKAGE.fullmatch(name):
            yield found["name"].replace("_", "-"), found["version"]


def machine_facts() -> dict[str, object]:
    facts: dict[str, object] = {
        "host": socket.gethostname(),
        "os": _system(),
        "cpu": _processor(),
        "cpus": usable_cpus(),
    }
    if memory := total_memory():
        facts["memory"] = memory
    return facts


def _system() -> str:
    try:
        name = platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        name = platform.system()
    return f"{name}, {platform.system()} {platform.release()}"


def _processor() -> str:
    try:
        with CPU_FILE.open() as file:
            lines = file.read(4_096).splitlines()
    except OSError:
        lines = []
    names = (line.partition(":")[2] for line in lines if line.startswith("model name"))
    return next(names, "").strip() or platform.machine()


def usable_cpus() -> int:
    """The processors that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def total_memory() -> int | None:
    """The host's, in bytes, if the system says it."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):
        return None
