"""The walls around a trial: what its processes may read, write and reach.

Landlock only allows, so what is hidden is left out: every folder on the way to it is
opened, and what else is in there is allowed. Files that appear beside it later are not.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path

from experiments.runner import landlock
from experiments.runner.environment import CLIENT_FOLDER
from experiments.runner.folder import AttemptFolder
from experiments.runner.landlock import Ruleset
from experiments.runner.shared_folder import SECRET
from experiments.runner.signals import prctl

ISOLATION = "SWEEPSITE_ISOLATION"
MODES = AUTO, REQUIRED, OFF = "auto", "required", "off"
MORE_READ, MORE_WRITE = "SWEEPSITE_TRIAL_READ", "SWEEPSITE_TRIAL_WRITE"
MORE_HIDDEN, CACHES = "SWEEPSITE_TRIAL_HIDE", "SWEEPSITE_TRIAL_CACHES"
DATA_FOLDER = "SWEEPSITE_HOME"
KEY_FILES = ("PGPASSFILE", "PGSERVICEFILE")
SETTINGS = (
    *(ISOLATION, MORE_READ, MORE_WRITE, MORE_HIDDEN, CACHES, DATA_FOLDER),
    *KEY_FILES,
)

USUAL_CACHES = ".cache:.nv:.triton:.cupy:.keras:.torch:.dgl:nltk_data:scikit_learn_data"
MADE, MADE_FOR_GPUS = (".cache",), (".nv", ".triton")
CACHE_VARIABLES = ("XDG_CACHE_HOME", "HF_HOME", "TORCH_HOME", "KERAS_HOME")
# Of the worker's home folder, besides those that no pool opens.
PRIVATE = (
    *(".bash_history", ".python_history", ".zsh_history"),
    *(".local/share/keyrings", ".mozilla"),
)
# Devices are allowed one by one. Sockets and secrets of the user's sessions.
HIDDEN = ("/dev", "/run/user", "/run/secrets", "/etc/sweepsite")
# Only a superuser can read them.
HIDDEN_FROM_ROOT = (
    *("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-"),
    *("/etc/ssl/private", "/etc/letsencrypt", "/etc/kubernetes", "/root"),
)
DEVICES = re.compile(
    r"null|zero|full|u?random|tty|ptmx|pts|kfd|dri|infiniband|dxg|hugepages"
    r"|nvidia.*|accel.*|davinci.*"
)
SHARED_MEMORY = "/dev/shm"  # noqa: S108 # nosec B108

NO_LANDLOCK = (
    "This system has no Landlock (Linux 5.13 or later), so a trial can read and change"
    " what the worker's user can."
)
TURNED_OFF = (
    f"{ISOLATION} is {OFF}, so a trial can read and change what the worker's user can."
)
# By the version of Landlock that ends it.
WEAKNESSES = (
    (3, "This kernel, before Linux 6.2, lets a trial empty the worker's files."),
    (6, "This kernel, before Linux 6.12, lets a trial end the worker's processes."),
)

PR_CAPBSET_DROP = 24
# What the superuser keeps: to change its files' owners and rights, and its priority.
KEPT_CAPABILITIES = frozenset({0, 1, 3, 4, 5, 6, 7, 14, 23})
MAX_CAPABILITY = 63

DENIED = "ermission denied"
# In quotes, as Python and the shell's programs write it, else anything with a slash.
DENIED_PATH = re.compile(
    "['\"\N{LEFT SINGLE QUOTATION MARK}]([^'\"\N{RIGHT SINGLE QUOTATION MARK}]+)"
    "['\"\N{RIGHT SINGLE QUOTATION MARK}]|(/[^\\s:]+)"
)


class WallsError(ValueError):
    """A setting of the walls is wrong, or they are required and cannot be built."""


@dataclass(frozen=True, kw_only=True)
class Walls:
    """Absolute paths without links.

    A trial reads all but what is `hidden`; `opened` folders may be in there, but not in
    what is `secret`, where it has `own` folders, `needed` ones to read, and one for
    `notes` to the runner. It writes all of the `writable` folders.
    """

    hidden: frozenset[str]
    secret: frozenset[str]
    opened: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    notes: str = ""
    temporary: str = ""

    def environment(self) -> dict[str, str]:
        """For temporary files and for programs that must write their configuration."""
        config = os.path.join(self.temporary, "config")
        return {"TMPDIR": self.temporary, "XDG_CONFIG_HOME": config}

    def with_own(self, folder: Path) -> Walls:
        """With one more folder to write."""
        return replace(self, own=(*self.own, os.path.realpath(folder)))

    def for_pip(self, worker: Mapping[str, str]) -> Walls:
        """With pip's own settings and cache."""
        settings = (os.path.join(person, ".config/pip") for person in _people(worker))
        cache = _no_links([worker.get("PIP_CACHE_DIR", "")])
        folders = dict.fromkeys(self.writable, self.secret)
        return replace(
            self,
            opened=(*self.opened, *map(os.path.realpath, settings)),
            writable=_writable(dict.fromkeys(cache, self.hidden) | folders),
        )

    def rules(self) -> Ruleset:
        """For a process that enters them. Raises OSError."""
        rules = Ruleset()
        for path in (*visible(("/",), self.hidden), *self.needed):
            rules.allow(path, landlock.READ)
        for path in visible(self.opened, self.secret):
            rules.allow(path, landlock.READ)
        for path in (*self.writable, *self.own):
            rules.allow(path, landlock.WRITE)
        for path in _devices():
            rules.allow(path, landlock.DEVICE)
        rules.allow(self.notes, landlock.NOTES)
        return rules

    def refusal(self, last_lines: bytes, *, work: Path) -> str:
        """Which path of the last "permission denied" the walls close, and what opens
        it; "" if there is none."""
        lines = last_lines.decode("utf-8", "replace").splitlines()
        line = next((line for line in reversed(lines) if DENIED in line), "")
        match = DENIED_PATH.search(line)
        try:
            return self._closed(match[1] or match[2], work=work) if match else ""
        except ValueError:
            # A NUL, which no path has.
            return ""

    def _closed(self, path: str, *, work: Path) -> str:
        real = os.path.realpath(work / path)
        if _inside(real, (*self.own, self.notes)):
            return ""
        if _inside(real, self.secret) and not _inside(real, self.needed):
            return f"{path} is hidden from trials, and no setting opens it"
        if _inside(real, self.writable):
            return ""
        if _inside(real, self.hidden) and not _inside(real, self.opened):
            setting = f"{MORE_READ} on the worker opens it"
            return f"{path} is outside the folders that a trial may read; {setting}"
        return (
            f"{path} is outside the folders that a trial may write; write to"
            " $SWEEPSITE_OUTPUTS or $TMPDIR. The pool's folders and"
            f" {MORE_WRITE} on the worker open others"
        )


def enter(rules: Ruleset) -> None:
    """Confine this process for good, between fork and exec. Raises OSError."""
    if os.geteuid() == 0:
        for capability in range(MAX_CAPABILITY + 1):
            if capability not in KEPT_CAPABILITIES:
                prctl(PR_CAPBSET_DROP, capability)
    rules.enter()


def visible(folders: Iterable[str], hidden: frozenset[str]) -> Iterator[str]:
    """These folders, or if something in one is hidden, the rest of what is in it.

    Links are left out: what they lead to has its own rule, if any.
    """
    above = _above(hidden)
    waiting = [each for each in folders if not _inside(each, hidden)]
    while waiting:
        path = waiting.pop()
        if path not in above:
            yield path
            continue
        with contextlib.suppress(OSError), os.scandir(path) as entries:
            found = (entry.path for entry in entries if not entry.is_symlink())
            waiting += [path for path in found if path not in hidden]


@lru_cache(maxsize=4)
def _above(hidden: frozenset[str]) -> frozenset[str]:
    """The folders on the way to these paths."""
    return frozenset(part for each in hidden for part in _parents(each))


def _parents(path: str) -> Iterator[str]:
    while path.strip("/"):
        path = os.path.dirname(path)
        yield path


def _inside(path: str, folders: Iterable[str]) -> bool:
    return any(path == each or path.startswith(f"{each}/") for each in folders)


def _devices() -> Iterator[str]:
    with contextlib.suppress(OSError), os.scandir("/dev") as entries:
        yield from (each.path for each in entries if DEVICES.fullmatch(each.name))


def walls_for(
    worker: Mapping[str, str],
    *,
    home: Path,
    folder: AttemptFolder,
    shared: Iterable[str] = (),
    gpus: bool = False,
) -> Walls | None:
    """The walls of an attempt by the worker's environment; None where it has none.

    `home` is the worker's folder, `shared` are the folders of its pool. Raises
    WallsError.
    """
    if not isolates(worker):
        return None
    data = worker.get(DATA_FOLDER) or home
    secret = {os.path.realpath(each) for each in (home, data, folder.scratch.parent)}
    given = {name: _folders(worker, name) for name in (MORE_READ, MORE_WRITE)}
    for name, paths in given.items():
        for path in (p for p in paths if _inside(os.path.realpath(p), secret)):
            raise WallsError(f"{name} is {path}, which is in the data folder")
    hidden = frozenset((*secret, *_hidden(worker)))
    python = (str(CLIENT_FOLDER), sys.prefix, sys.base_prefix)
    pool = map(os.path.abspath, filter(os.path.isabs, shared))
    common = (*pool, *_no_links(_caches(worker, gpus=gpus)))
    writable = _writable(
        dict.fromkeys(common, hidden)
        | dict.fromkeys((*given[MORE_WRITE], SHARED_MEMORY), frozenset(secret))
    )
    return Walls(
        hidden=hidden,
        secret=frozenset(secret),
        opened=tuple(
            os.path.realpath(each)
            for each in given[MORE_READ]
            if not _is_in_reach(each, Counter(writable))
        ),
        writable=writable,
        needed=(
            *(path for path in map(os.path.realpath, python) if _inside(path, hidden)),
            *(os.path.realpath(folder.root), os.path.realpath(home / "environments")),
        ),
        own=(os.path.realpath(folder.work), os.path.realpath(folder.scratch)),
        notes=os.path.realpath(folder.notes),
        temporary=str(folder.scratch),
    )


def _hidden(worker: Mapping[str, str]) -> Iterator[str]:
    people = {os.path.realpath(person) for person in _people(worker)}
    yield from HIDDEN
    yield from map(os.path.realpath, _folders(worker, MORE_HIDDEN))
    yield from (os.path.realpath(worker[n]) for n in KEY_FILES if worker.get(n))
    for name in (*SECRET, *PRIVATE):
        yield from (os.path.join(each, name) for each in people)
    for path in HIDDEN_FROM_ROOT:
        if path not in people and os.access(path, os.R_OK):
            yield path


def _people(worker: Mapping[str, str]) -> Iterator[str]:
    """The home folders of the worker's user."""
    if home := worker.get("HOME"):
        yield home
    with contextlib.suppress(KeyError):
        yield pwd.getpwuid(os.getuid()).pw_dir


def _folders(worker: Mapping[str, str], name: str) -> tuple[str, ...]:
    """The absolute paths of a setting. Raises WallsError."""
    given = [part for part in worker.get(name, "").split(os.pathsep) if part]
    paths = [os.path.expanduser(part) for part in given]
    for path in (path for path in paths if not os.path.isabs(path)):
        raise WallsError(
            f"{name} has {path!r}; allowed are absolute paths, with : between"
        )
    return tuple(map(os.path.abspath, paths))


def _writable(closed: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """These folders without links, and without what is closed in each.

    One inside another is left out: that one covers it, and an earlier trial may have
    replaced it by a link, which must not open what it leads to.
    """
    found: dict[str, list[str]] = {}
    # A folder for temporary files has thousands of entries, so each is counted once.
    opened: Counter[str] = Counter()
    above = cache(_real_above)
    for path in sorted(closed, key=len):
        if not _is_in_reach(path, opened, above):
            found[path] = list(visible([os.path.realpath(path)], closed[path]))
            opened.update(found[path])
    # The longer path may be a link to a folder above the shorter one.
    for path, own in list(found.items()):
        opened.subtract(own)
        if _is_in_reach(path, opened, above):
            del found[path]
        else:
            opened.update(own)
    return tuple(chain(*found.values()))


def _real_above(folder: str) -> frozenset[str]:
    """A folder and those above it, without links, and those above these."""
    real = map(os.path.realpath, (folder, *_parents(folder)))
    return frozenset(each for part in real for each in (part, *_parents(part)))


def _is_in_reach(
    path: str,
    opened: Counter[str],
    above: Callable[[str], frozenset[str]] = _real_above,
) -> bool:
    """Whether who writes these folders can put a link into this path."""
    return any(opened[each] > 0 for each in above(os.path.dirname(path)))


def _no_links(paths: Iterable[str]) -> Iterator[str]:
    """Absolute paths. Only an administrator's setting opens what a link leads to."""
    whole = map(os.path.abspath, filter(None, paths))
    return (path for path in whole if not os.path.islink(path))


def _caches(worker: Mapping[str, str], *, gpus: bool) -> Iterator[str]:
    """Folders in which programs keep what they load or compile, for all trials."""
    home = worker.get("HOME", "")
    names = worker.get(CACHES, USUAL_CACHES).split(os.pathsep)
    for name in filter(None, names):
        path = os.path.join(home, os.path.expanduser(name))
        if name in MADE or (gpus and name in MADE_FOR_GPUS):
            with contextlib.suppress(OSError):
                os.mkdir(path, mode=0o700)
        yield path
    yield from (worker.get(name, "") for name in CACHE_VARIABLES)


def isolates(worker: Mapping[str, str]) -> bool:
    """Whether trials get walls here. Raises WallsError if they are required, and the
    kernel has none."""
    wanted = worker.get(ISOLATION, "").strip().lower() or AUTO
    if wanted not in (AUTO, REQUIRED, OFF):
        raise WallsError(f"{ISOLATION} is {wanted!r}; allowed are {', '.join(MODES)}")
    if wanted == REQUIRED and not landlock.version():
        raise WallsError(f"{ISOLATION} is {REQUIRED}. {NO_LANDLOCK}")
    return wanted != OFF and landlock.version() > 0


def weakness(worker: Mapping[str, str]) -> str:
    """What a trial can do here besides what it should, as a sentence; "" for nothing.
    Raises WallsError like `isolates`."""
    if not isolates(worker):
        return TURNED_OFF if landlock.version() else NO_LANDLOCK
    for since, sentence in WEAKNESSES:
        if landlock.version() < since:
            return sentence
    return ""
