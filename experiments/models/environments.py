"""What is needed to run a trial again, as a worker or a program sends it.

The fields of such a document, all optional:

===============  =====================================================================
command          list of texts: the arguments of the command
variables        environment variables, a text by name; null is a secret
python           version of Python, such as "3.12.7"; ``interpreter``: its path
packages         list of texts such as "numpy==2.2.1"
script           the file or notebook that ran; ``folder``: the one in which it ran
host, os, cpu    texts; ``cpus``: processors that it may use, ``memory``: in bytes
gpus             list of texts such as "NVIDIA L4, 24 GB"; ``driver``: their driver
repository       address of the code's git repository; ``branch``, ``commit``
diff             text of ``git diff HEAD``, if the working copy has changes
seed             whole number; of a trial the sweep's, which the site adds, as it does
                 ``code`` and ``document``: digests of the uploaded code and of the
                 sweep's document
===============  =====================================================================

``Run.environment`` holds the document. Trials of a sweep have its large fields in
common, so of those it holds the digest of an EnvironmentPart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from django.db import models
from django.db.models.functions import Now
from django.utils import timezone

from experiments.models.runs import Run
from experiments.models.trials import Trial
from experiments.runner.reproduce import (
    masked_command,
    masked_text,
    masked_variables,
)

MAX_TEXT, MAX_ITEMS = 1_000, 2_000
MAX_DIFF = 200_000
MAX_NUMBER = 2**63 - 1
LARGE = ("variables", "packages", "diff")
LEFT_OUT = "left_out"
MIN_UNUSED = timedelta(days=1)


class EnvironmentPart(models.Model):
    """A large field of environments, stored once per content."""

    digest = models.CharField(max_length=64, primary_key=True)
    value = models.JSONField()
    used_at = models.DateTimeField(db_default=Now())

    def __str__(self) -> str:
        return self.digest[:12]


def note_environment(trial: Trial, sent: Mapping[str, object]) -> None:
    """Store what was sent last about a trial."""
    document, now = {**cleaned(sent), **_facts_of_site(trial)}, timezone.now()
    parts = {
        name: EnvironmentPart(
            digest=_digest(document[name]), value=document[name], used_at=now
        )
        for name in LARGE
        if document.get(name)
    }
    kept = {**document, **{name: part.digest for name, part in parts.items()}}
    EnvironmentPart.objects.bulk_create(
        # In one order, as others may store some of the same rows at this moment.
        sorted(parts.values(), key=lambda part: part.digest),
        update_conflicts=True,
        update_fields=["used_at"],
        unique_fields=["digest"],
    )
    Run.objects.bulk_create(
        [Run(trial=trial, environment=kept)],
        update_conflicts=True,
        update_fields=["environment"],
        unique_fields=["trial"],
    )


def whole_environments(*runs: Run | None) -> list[dict[str, Any]]:
    """The documents of these runs, with their large fields; one query."""
    kept = [dict(run.environment) if run else {} for run in runs]
    digests = {each[name] for each in kept for name in LARGE if each.get(name)}
    parts = EnvironmentPart.objects.in_bulk(digests) if digests else {}
    for document in kept:
        for name in LARGE:
            part = parts.get(document.get(name, ""))
            document[name] = part.value if part else None
    return kept


def delete_unused_parts() -> None:
    """Those of trials and runs that are gone. A part that was stored lately stays: its
    run's row may just be on its way."""
    old = EnvironmentPart.objects.filter(used_at__lt=timezone.now() - MIN_UNUSED)
    unused = set(old.values_list("digest", flat=True))
    for name in LARGE if unused else ():
        used = Run.objects.values_list(f"environment__{name}", flat=True)
        unused.difference_update(used.distinct())
    for digest in unused:
        old.filter(digest=digest).delete()


def _facts_of_site(trial: Trial) -> dict[str, object]:
    """What the site knows better than the worker."""
    sweep = trial.sweep
    if sweep is None:
        return {}
    sampling = sweep.definition.get("sampling_algorithm")
    facts = {
        "seed": sampling.get("seed") if isinstance(sampling, dict) else None,
        "code": sweep.code.digest if sweep.code else None,
        "commit": sweep.code_commit,
        "document": _digest(sweep.definition),
    }
    return {name: value for name, value in facts.items() if value not in (None, "")}


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


# --- the fields ------------------------------------------------------------------


def cleaned(sent: Mapping[str, object]) -> dict[str, Any]:
    """The known fields, without secrets. ``left_out`` has a sentence for each that is
    not of its kind or was cut, so that nothing in here makes a program's call fail."""
    document: dict[str, Any] = {}
    problems: list[str] = []
    for name, read in FIELDS.items():
        value = sent.get(name)
        if value is None:
            continue
        try:
            document[name] = read(value)
        except ValueError as problem:
            problems.append(f"{name} is left out: {problem}")
        else:
            if isinstance(value, str | list | dict) and _is_cut(name, value):
                problems.append(f"{name} is cut after {_limit(name):,}")
    return {**document, LEFT_OUT: problems} if problems else document


def _limit(name: str) -> int:
    if name == "diff":
        return MAX_DIFF
    return MAX_TEXT if FIELDS[name] is _text else MAX_ITEMS


def _is_cut(name: str, value: str | list[Any] | dict[str, Any]) -> bool:
    return len(value) > _limit(name)


def _storable(value: object, most: int = MAX_TEXT) -> str:
    """PostgreSQL has no NUL in texts, and no database halves of surrogate pairs."""
    if not isinstance(value, str):
        raise ValueError("allowed are texts")
    return value[:most].replace("\0", "").encode("utf-8", "replace").decode()


def _text(value: object) -> str:
    return masked_text(_storable(value))


def _diff(value: object) -> str:
    return masked_text(_storable(value, MAX_DIFF))


def _texts(value: object) -> list[str]:
    if not isinstance(value, list):
        raise ValueError("allowed are lists of texts")
    return [_storable(each) for each in value[:MAX_ITEMS]]


def _command(value: object) -> list[str]:
    return masked_command(_texts(value))


def _variables(value: object) -> dict[str, str | None]:
    if not isinstance(value, dict):
        raise ValueError("allowed are mappings of texts")
    pairs = list(value.items())[:MAX_ITEMS]
    texts = {_storable(n): v if v is None else _storable(v) for n, v in pairs}
    return dict(sorted(masked_variables(texts).items()))


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError("allowed are whole numbers")
    if abs(value) > MAX_NUMBER:
        raise ValueError("it is too large")
    return value


FIELDS: Mapping[str, Callable[[object], Any]] = {
    "command": _command,
    "variables": _variables,
    "packages": _texts,
    "gpus": _texts,
    "diff": _diff,
    **dict.fromkeys(("cpus", "memory", "seed"), _whole),
    **dict.fromkeys(("python", "interpreter", "script", "host", "os", "cpu"), _text),
    "folder": _text,
    **dict.fromkeys(("driver", "repository", "branch", "commit"), _text),
}
