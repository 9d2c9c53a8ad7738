"""What an attempt's specification says of code, interpreter and packages."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from experiments.models import Attempt, Sweep


def code_fields(sweep: Sweep, attempt: Attempt) -> dict[str, Any]:
    """The fields `code`, `python` and `requirements` of the specification."""
    template = sweep.definition["trial"]
    return {
        "code": _code(sweep, attempt),
        "python": template.get("python") or _python_of_pool(template, attempt),
        "requirements": template.get("requirements"),
    }


def _code(sweep: Sweep, attempt: Attempt) -> dict[str, Any] | None:
    if sweep.code is not None:
        digest = sweep.code.digest
        path = f"/api/worker/v1/attempts/{attempt.pk}/code/{digest}.zip"
        return {"digest": digest, "url": settings.SITE_URL + path}
    code = sweep.definition["trial"].get("code")
    if not isinstance(code, dict):
        return None
    allowed = [str(folder) for folder in attempt.pool.folders]
    if "git" in code:
        commit = {"commit": sweep.code_commit} if sweep.code_commit else {}
        return {"git": {**code["git"], **commit}, "allowed": allowed}
    return {"folder": code["folder"], "allowed": allowed} if "folder" in code else None


def _python_of_pool(template: dict[str, Any], attempt: Attempt) -> str:
    """The pool's interpreter, unless the sweep chooses one by a PATH of its own."""
    has_path = "PATH" in (template.get("environment_variables") or {})
    return "" if has_path else attempt.pool.python
