"""Code from a git repository: fetched once per host and commit, checked out per trial.

Nothing of a repository runs: no hooks, no submodules, no filters. The working folder
gets the files only, without a .git of its own.
"""

from __future__ import annotations

import hashlib
import os
import re
import resource
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias
from urllib.parse import unquote, urlsplit

from experiments.runner.code import MAX_FILES, MAX_UNPACKED, CodeError
from experiments.runner.environment import PROXIES, git_environment
from experiments.runner.file_lock import LockWait, held, in_use_lock, shared
from experiments.runner.folder import size_in_words
from experiments.runner.limits import ResourceLimit
from experiments.runner.outbound import (
    HostRefused,
    checked_addresses,
    is_allowed_by_name,
)
from experiments.runner.shared_folder import allowed_path
from experiments.runner.sources import COMMIT, GitSource
from experiments.runner.subprocesses import ProgramError, ProgramResult, Subprocesses

# user@host:path, as ssh knows it; nothing in it may look like an option.
SCP = re.compile(r"(?a:[A-Za-z0-9_][\w.-]*@[A-Za-z0-9][\w.-]*):(?!-)[^\s:][^\s]*")
HOST = re.compile(r"(?a:(?:[A-Za-z0-9_][\w.-]*@)?\[?[A-Za-z0-9][\w.:-]*\]?)")
REF = re.compile(r"(?![-/.])[^\s~^:?*\[\\\x00-\x20\x7f]{1,200}")
SCHEMES = "a repository's address begins with https://, ssh://, git@ or file://"

SSH_PORT = 22
# Git's settings, and variables of its environment.
Connection: TypeAlias = tuple[list[str], dict[str, str]]

FETCH_SECONDS = 1800.0
LOOK_SECONDS = 120.0
TRIES = 3
MAX_PACK = 8 << 30
LIMITS = (
    ResourceLimit(resource.RLIMIT_CORE, 0),
    ResourceLimit(resource.RLIMIT_FSIZE, MAX_PACK),
)
SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "filter.lfs.smudge=",
    "filter.lfs.process=",
    "filter.lfs.required=false",
    "credential.interactive=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "advice.detachedHead=false",
    # It could lead to an address that was not checked.
    "http.followRedirects=false",
)
# Signs of an outage: another try may succeed.
TEMPORARY = (
    *("could not resolve host", "connection timed out", "connection refused"),
    *("connection reset", "early eof", "unexpected disconnect", "http 429"),
    *("returned error: 50", "temporary failure", "gnutls_handshake"),
)


def checked(source: GitSource) -> GitSource:
    """The source, if git cannot take any part of it for an option or for a path outside
    the allowed folders. Raises CodeError.
    """
    if source.url.startswith("-") or not source.url.isprintable() or " " in source.url:
        raise CodeError(f"{source.url!r} is not a repository's address; {SCHEMES}")
    scheme = source.url.partition("://")[0] if "://" in source.url else ""
    if scheme == "file":
        allowed_path(unquote(source.url.removeprefix("file://")), source.allowed)
    elif scheme in ("https", "ssh"):
        _check_host(source.url, scheme)
    elif scheme or not SCP.fullmatch(source.url):
        raise CodeError(f"{source.url!r} cannot be fetched from; {SCHEMES}")
    if source.ref and (not REF.fullmatch(source.ref) or ".." in source.ref):
        raise CodeError(f"{source.ref!r} is not a branch, tag or commit")
    if source.path.startswith(("/", "-")) or ".." in source.path.split("/"):
        raise CodeError(f"{source.path!r} is not a path inside the repository")
    return source


def _check_host(url: str, scheme: str) -> None:
    try:
        parts = urlsplit(url)
        place, _ = parts.netloc, parts.port
    except ValueError as problem:
        raise CodeError(f"{url!r} is not a repository's address: {problem}") from None
    if not place.isascii():
        raise CodeError(
            f"{place!r} must be written in ASCII, such as xn--bcher-kva.org"
        )
    if not HOST.fullmatch(place) or (scheme == "https" and "@" in place):
        raise CodeError(
            f"{scheme}:// must be followed by a host without a password; git on the "
            "worker uses its own credentials"
        )


def remote_host(url: str) -> tuple[str, int]:
    """The host and port of an address that `checked` has let pass."""
    if "://" not in url:
        return url.partition(":")[0].rpartition("@")[2], SSH_PORT
    parts = urlsplit(url)
    usual = 443 if parts.scheme == "https" else SSH_PORT
    return parts.hostname or "", parts.port or usual


def pinned_https(host: str, port: int, found: Sequence[str]) -> Connection:
    pinned = ",".join(f"[{a}]" if ":" in a else a for a in found)
    return ["-c", f"http.curloptResolve={host}:{port}:{pinned}"], {}


class Repository:
    """One repository's mirror on this worker's disk."""

    def __init__(
        self,
        source: GitSource,
        *,
        home: Path,
        programs: Subprocesses,
        waiting: LockWait,
        worker: Mapping[str, str],
    ) -> None:
        """Raises CodeError for a source that is not allowed, or without git."""
        self._source = checked(source)
        self._programs = programs
        self._waiting = waiting
        self._worker = worker
        self._environment = {
            **git_environment(worker, files_allowed=source.url.startswith("file://")),
            # The mirror's folder may be inside another repository.
            "GIT_CEILING_DIRECTORIES": str(home),
        }
        self._program = shutil.which("git", path=self._environment["PATH"])
        if self._program is None:
            raise CodeError(
                f"there is no git on this worker, which {source.url} needs; install "
                "it there, or upload the files instead"
            )
        name = hashlib.sha256(source.url.encode()).hexdigest()[:32]
        self._folder = home / "repositories" / f"{name}.git"
        self._lock = home / "repositories" / f"{name}.lock"
        self._use = in_use_lock(self._folder)

    def look_up(self) -> str:
        """The full id of the commit that the source's ref stands for now.

        Raises CodeError.
        """
        ref = self._source.ref or "HEAD"
        if COMMIT.fullmatch(ref):
            return ref
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        names = (ref, f"refs/heads/{ref}", f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}")
        answer = self._run_retried(
            *("ls-remote", "--", self._source.url),
            *((ref,) if ref == "HEAD" else (ref, f"{ref}^{{}}")),
            seconds=LOOK_SECONDS,
            inside=False,
        )
        rows = (line.partition("\t") for line in answer.lines())
        found = {name: commit for commit, _, name in rows if COMMIT.fullmatch(commit)}
        for name in names:
            if name in found:
                return found[name]
        raise CodeError(
            f"{self._source.url} has no branch or tag {ref!r}; a commit must have all "
            "of its 40 digits"
        )

    def check_out(self, commit: str, target: Path) -> None:
        """Write the commit's files into `target`. Raises CodeError."""
        with shared(self._use, self._waiting):
            with held(self._lock, self._waiting):
                self._fetch(commit)
                os.utime(self._folder)
            tree = f"{commit}:{self._source.path}" if self._source.path else commit
            self._check_amounts(tree)
            for words in (("read-tree", tree), ("checkout-index", "--all", "--force")):
                self._run_well(*words, target=target)

    def _fetch(self, commit: str) -> None:
        """Fetch the commit into the mirror, unless it is already there."""
        if not (self._folder / "HEAD").exists():
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            self._run_well("init", "--quiet", "--bare", "--template=")
        if self._has(commit):
            return
        self._unlock()
        fetch = (
            *("fetch", "--no-tags", "--no-recurse-submodules", "--progress"),
            "--no-write-fetch-head",
        )
        url = self._source.url
        alone = self._run(*fetch, "--depth=1", "--", url, commit, in_log=True)
        if not alone.went_well:
            # Some servers only send whole branches.
            everything = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
            self._run_retried(*fetch, "--", url, *everything, in_log=True)
        if not self._has(commit):
            raise CodeError(f"{url} has no commit {commit} any more")

    def _unlock(self) -> None:
        """Remove git's own locks that a killed fetch has left; this process holds
        ours."""
        for stale in self._folder.rglob("*.lock"):
            stale.unlink(missing_ok=True)
        for rest in self._folder.glob("objects/pack/tmp_*"):
            rest.unlink(missing_ok=True)

    def _has(self, commit: str) -> bool:
        return self._run("cat-file", "-e", f"{commit}^{{commit}}").went_well

    def _check_amounts(self, tree: str) -> None:
        listing = self._run("ls-tree", "-r", "-l", "--full-tree", tree)
        if not listing.went_well:
            raise CodeError(
                f"{self._source.url} has no folder {self._source.path!r} at that commit"
            )
        rows = [line.split(maxsplit=4) for line in listing.lines()]
        size = sum(int(row[3]) for row in rows if len(row) > 3 and row[3].isdigit())
        if listing.was_cut or len(rows) > MAX_FILES or size > MAX_UNPACKED:
            count = f"{len(rows):,}" if not listing.was_cut else f"over {MAX_FILES:,}"
            raise CodeError(
                f"{self._source.url} has {count} files of {size_in_words(size)}; "
                f"allowed are {MAX_FILES:,} files of "
                f"{size_in_words(MAX_UNPACKED)}. Name a smaller folder as path"
            )

    def _run_retried(
        self,
        *words: str,
        seconds: float = FETCH_SECONDS,
        in_log: bool = False,
        inside: bool = True,
    ) -> ProgramResult:
        """Run it, again after an outage. Raises CodeError with git's last lines."""
        for number in range(1, TRIES + 1):
            result = self._run(*words, seconds=seconds, in_log=in_log, inside=inside)
            if result.went_well:
                return result
            said = "\n".join(result.last).lower()
            if number == TRIES or not any(words in said for words in TEMPORARY):
                break
            self._pause(2.0**number)
        raise CodeError(f"git could not read {self._source.url}: {_reason(result)}")

    def _remote(self) -> Connection:
        """How git connects to an address that was checked. Raises CodeError."""
        url = self._source.url
        host, port = remote_host(url)
        is_https = url.startswith("https://")
        # For ssh such a name may only exist in the settings of the worker's user.
        named = not is_https and is_allowed_by_name(host, self._worker)
        if url.startswith("file://") or named:
            return [], {}
        for number in range(1, TRIES + 1):
            try:
                found = checked_addresses(host, port, self._worker)
            except HostRefused as problem:
                raise CodeError(str(problem)) from problem
            if found:
                return pinned_https(host, port, found) if is_https else self._ssh(found)
            if is_https and any(self._environment.get(name) for name in PROXIES):
                return [], {}  # The proxy knows the names.
            self._pause(2.0**number)
        raise CodeError(f"git could not read {url}: could not resolve host {host}")

    def _ssh(self, found: Sequence[str]) -> Connection:
        """The host's key is known by its name, and by a port that is not the usual."""
        host, port = remote_host(self._source.url)
        alias = host if port == SSH_PORT else f"[{host}]:{port}"
        options = f"-o HostName={found[0]} -o {shlex.quote(f'HostKeyAlias={alias}')}"
        command = self._environment["GIT_SSH_COMMAND"]
        return [], {"GIT_SSH_COMMAND": f"{command} {options}"}

    def _pause(self, seconds: float) -> None:
        for _ in range(int(seconds * 4)):
            self._programs.heartbeat.show()
            self._programs.heartbeat.wait()

    def _run_well(self, *words: str, target: Path | None = None) -> None:
        result = self._run(*words, target=target)
        if not result.went_well:
            raise CodeError(f"git {words[0]} failed: {_reason(result)}")

    def _run(
        self,
        *words: str,
        seconds: float = FETCH_SECONDS,
        in_log: bool = False,
        inside: bool = True,
        target: Path | None = None,
    ) -> ProgramResult:
        """Run git on the mirror, or outside of it. `target` is the working folder for a
        checkout, which gets an index of its own."""
        settings = [part for setting in SETTINGS for part in ("-c", setting)]
        environment = dict(self._environment)
        if words[0] in ("fetch", "ls-remote"):
            connection, variables = self._remote()
            settings += connection
            environment |= variables
        place = ["--git-dir", str(self._folder)] if inside else []
        if target is not None:
            place += ["--work-tree", str(target)]
            environment["GIT_INDEX_FILE"] = str(target.parent / "git-index")
        try:
            return self._programs.run(
                [self._program or "git", *settings, *place, *words],
                folder=target or self._folder.parent,
                environment=environment,
                seconds=seconds,
                log_prefix="git" if in_log else "",
                limits=LIMITS,
            )
        except ProgramError as problem:
            raise CodeError(str(problem)) from problem


def _reason(result: ProgramResult) -> str:
    """Git's error lines, else its last lines."""
    errors = [line for line in result.last if line.startswith(("fatal:", "error:"))]
    lines = errors or list(result.last[-3:])
    return "; ".join(lines) or f"it ended with status {result.status}"
