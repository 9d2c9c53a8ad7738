"""Where a trial's code comes from: `trial.code` of a document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TypeAlias

from experiments.search.fields import Fields
from experiments.search.git_address import is_address, read_git, split_address
from experiments.search.problems import Findings, join, shown
from experiments.search.records import JSONValue

# The path of a folder beside the document, {"files": {path: text}}, {"upload": id},
# {"git": {"url", "ref", "path"}} or {"folder": whole path on the workers}.
Code: TypeAlias = "str | dict[str, JSONValue]"

UPLOAD = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
LONGEST_PATH = 500
MOST_FILES = 1000
WAYS = ("files", "upload", "git", "folder")
ALLOWED = (
    "code must be a folder's path such as ./src, {files: {train.py: TEXT}}, "
    "{upload: ID}, {git: {url: ADDRESS, ref: main}} or {folder: /srv/code}"
)


def read_code(trial: Fields) -> Code | None:
    """`code` of a trial; None when left out or wrong, which has been noted."""
    value = trial.raw("code")
    path = join(trial.path, "code")
    if isinstance(value, str):
        return _read_text(value, path, trial.findings)
    if value is not None and not isinstance(value, Mapping):
        trial.findings.error(path, f"{ALLOWED}, not {shown(value)}.")
    if not isinstance(value, Mapping):
        return None
    document = Fields(value, path, trial.findings)
    if sum(value.get(way) is not None for way in WAYS) != 1:
        trial.findings.error(path, f"{ALLOWED}; exactly one of them.")
    code = _read_mapping(document)
    document.close()
    return code


def _read_mapping(document: Fields) -> Code | None:
    files, git = document.inner("files"), _git_fields(document)
    upload = document.text("upload", None, most=200)
    folder = document.text("folder", None, most=LONGEST_PATH)
    if files is not None:
        return {"files": _read_files(files)}
    if git is not None:
        return {"git": read_git(git)}
    if folder is not None:
        return _read_shared(folder, document)
    if upload is not None and not UPLOAD.fullmatch(upload):
        document.error("upload", f"upload must be an upload's id, not {shown(upload)}.")
    return None if upload is None else {"upload": upload}


def _git_fields(document: Fields) -> Fields | None:
    """The fields of a repository, which may also be one text."""
    value, path = document.raw("git"), join(document.path, "git")
    if isinstance(value, str) and value.strip():
        return Fields(split_address(value).document(), path, document.findings)
    return document.inner("git")


def _read_text(text: str, path: str, findings: Findings) -> Code | None:
    if not text.strip() or len(text) > LONGEST_PATH or "\0" in text or "\n" in text:
        findings.error(path, f"{ALLOWED}, not {shown(text)}.")
        return None
    if is_address(text) and not text.startswith("azureml:"):
        inner = Fields(split_address(text).document(), join(path, "git"), findings)
        return {"git": read_git(inner)}
    if "://" in text or text.startswith("azureml:"):
        findings.error(path, f"{ALLOWED}; this address is not supported: {text}.")
        return None
    return text


def _read_shared(folder: str, document: Fields) -> Code:
    """A folder that lies on the workers; its pool has to allow it."""
    parts = folder.strip().split("/")
    if not folder.isprintable() or parts[0] or ".." in parts or not any(parts):
        document.error(
            "folder",
            "folder must be a whole path on the workers without .., such as "
            f"/srv/code/digits, not {shown(folder)}.",
        )
    return {"folder": "/" + "/".join(part for part in parts if part not in ("", "."))}


def _read_files(document: Fields) -> dict[str, JSONValue]:
    files: dict[str, JSONValue] = {}
    entries = document.entries()
    if not 1 <= len(entries) <= MOST_FILES:
        document.findings.error(
            document.path,
            f"files must hold 1 to {MOST_FILES:,} files, not {len(entries):,}.",
        )
    for name, text in entries:
        if not stays_inside(name):
            document.error(
                name,
                "A file's name must be a path inside the folder, such as train.py or "
                f"data/load.py, not {shown(name)}.",
            )
        elif not isinstance(text, str):
            document.error(name, f"A file's content must be text, not {shown(text)}.")
        else:
            files[name] = text
    return files


def stays_inside(name: str) -> bool:
    """Whether a name is a plain relative path with nothing to resolve in it."""
    if not 0 < len(name) <= LONGEST_PATH or "\\" in name or not name.isprintable():
        return False
    parts = name.split("/")
    if PurePosixPath(name).is_absolute() or re.match("[A-Za-z]:", name):
        return False
    return not any(part.strip() in ("", ".", "..") for part in parts)
