"""Where a trial's code comes from: `trial.code` of a document."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TypeAlias

from experiments.search.fields import Fields
from experiments.search.problems import Findings, join, shown
from experiments.search.records import JSONValue

# A folder's path, {"files": {path: text}} or {"upload": id}.
Code: TypeAlias = "str | dict[str, JSONValue]"

UPLOAD = re.compile(r"[A-Za-z0-9_.:-]{1,200}")
LONGEST_PATH = 500
MOST_FILES = 1000
ALLOWED = (
    "code must be a folder's path such as ./src, {files: {train.py: TEXT}} or "
    "{upload: ID}"
)


def read_code(trial: Fields) -> Code | None:
    """`code` of a trial; None when left out or wrong, which has been noted."""
    value = trial.raw("code")
    path = join(trial.path, "code")
    if isinstance(value, str):
        return _read_folder(value, path, trial.findings)
    if value is not None and not isinstance(value, Mapping):
        trial.findings.error(path, f"{ALLOWED}, not {shown(value)}.")
    if not isinstance(value, Mapping):
        return None
    document = Fields(value, path, trial.findings)
    files, upload = document.inner("files"), document.text("upload", None, most=200)
    if document.raw("git") is not None:
        document.error("git", "Code from git is not supported yet; upload the folder.")
    elif (value.get("files") is None) == (value.get("upload") is None):
        trial.findings.error(path, f"{ALLOWED}; exactly one of them.")
    document.close()
    if files is not None:
        return {"files": _read_files(files)}
    if upload is not None and not UPLOAD.fullmatch(upload):
        document.error("upload", f"upload must be an upload's id, not {shown(upload)}.")
    return None if upload is None else {"upload": upload}


def _read_folder(text: str, path: str, findings: Findings) -> str | None:
    if not text.strip() or len(text) > LONGEST_PATH or "\0" in text or "\n" in text:
        findings.error(path, f"{ALLOWED}, not {shown(text)}.")
        return None
    if "://" in text or text.startswith(("git+", "azureml:")):
        findings.error(path, f"{ALLOWED}; an address is not supported yet: {text}.")
        return None
    return text


def _read_files(document: Fields) -> dict[str, JSONValue]:
    files: dict[str, JSONValue] = {}
    entries = document.entries()
    if not 1 <= len(entries) <= MOST_FILES:
        document.findings.error(
            document.path,
            f"files must hold 1 to {MOST_FILES:,} files, not {len(entries):,}.",
        )
    for name, text in entries:
        if not _stays_inside(name):
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


def _stays_inside(name: str) -> bool:
    """Whether a name is a plain relative path with nothing to resolve in it."""
    if not 0 < len(name) <= LONGEST_PATH or "\\" in name or not name.isprintable():
        return False
    parts = name.split("/")
    if PurePosixPath(name).is_absolute() or re.match("[A-Za-z]:", name):
        return False
    return not any(part.strip() in ("", ".", "..") for part in parts)
