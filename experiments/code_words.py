"""Where a sweep's code comes from, as pages and the API say it."""

from __future__ import annotations

from typing import Any

from experiments.models import Sweep

SHORT_COMMIT = 12


def code_of(sweep: Sweep) -> dict[str, Any] | None:
    """`kind` is files, git or folder; None where the command runs what the workers
    have. Costs no query."""
    code = sweep.definition.get("trial", {}).get("code")
    if not isinstance(code, dict):
        return None
    if "git" in code:
        return {
            "kind": "git",
            **{part: code["git"].get(part, "") for part in ("url", "ref", "path")},
            "commit": sweep.code_commit,
        }
    if "folder" in code:
        return {"kind": "folder", "folder": code["folder"]}
    return {"kind": "files", "upload": code.get("upload", "")}


def code_words(sweep: Sweep) -> str:
    """One line, such as `commit 3f2a… (main) of https://…/project.git, folder src`; of
    files nothing, for their list says more."""
    code = code_of(sweep)
    if code is None or code["kind"] == "files":
        return ""
    if code["kind"] == "folder":
        return f"{code['folder']} on the workers, copied for every trial"
    ref = code["ref"] or "its default branch"
    inner = f", folder {code['path']}" if code["path"] else ""
    if not code["commit"]:
        found = "looked up by the first trial"
        return f"commit of {ref} in {code['url']}{inner}, {found}"
    shown = "" if code["commit"] == ref else f" ({ref})"
    return f"commit {code['commit'][:SHORT_COMMIT]}{shown} of {code['url']}{inner}"


def packages_words(sweep: Sweep) -> str:
    """Its own interpreter and packages, where the document names any."""
    trial = sweep.definition.get("trial", {})
    words = [f"Python {trial['python']}"] if trial.get("python") else []
    wanted = trial.get("requirements")
    if isinstance(wanted, str):
        words.append(f"packages of {wanted}")
    elif wanted is not None:
        words.append(f"packages {', '.join(wanted) or 'none'}")
    return ", ".join(words)
