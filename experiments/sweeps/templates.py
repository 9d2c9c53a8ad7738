"""A team's templates: named sweep documents to start from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from experiments.models import CodeSnapshot, Event, SweepTemplate, Team, User
from experiments.search.wording import unseen_problem
from experiments.sweeps.control import NotPossible

MAX_TEMPLATES, MAX_NAME, MAX_BYTES = 200, 100, 400_000
MIN_DIGEST = 8


class NameTaken(NotPossible):
    """The team has a template of that name."""

    def __init__(self, template: SweepTemplate) -> None:
        by = template.created_by
        who = f", saved by {by.display_name}" if by else ""
        super().__init__(
            f"Team {template.team.name} has a template {template.name}{who}. Choose"
            " another name, or replace it."
        )
        self.template = template


def save_template(
    team: Team,
    name: str,
    document: Mapping[str, Any],
    *,
    user: User,
    replace: bool = False,
) -> SweepTemplate:
    """Store a document under a name. Raises NameTaken without `replace`, NotPossible
    for a name or document that cannot be stored."""
    name, document = _checked_name(name), _checked_document(document)
    with transaction.atomic():
        # Two requests with one name take their turns.
        Team.objects.select_for_update().get(pk=team.pk)
        mine = SweepTemplate.objects.filter(team=team).select_related("created_by")
        old = mine.filter(name=name).first()
        if old is not None and not replace:
            raise NameTaken(old)
        if old is None and mine.count() >= MAX_TEMPLATES:
            raise NotPossible(
                f"Team {team.name} has {MAX_TEMPLATES} templates. Delete one first."
            )
        values = {
            "document": document,
            "code": _code_of(team, document),
            "created_by": user,
            "updated_at": Now(),
        }
        template, is_new = SweepTemplate.objects.update_or_create(
            team=team, name=name, defaults=values
        )
        verb = "template saved" if is_new else "template replaced"
        Event.log(verb, name, actor=user, team=team)
    return SweepTemplate.objects.select_related("team", "created_by").get(
        pk=template.pk
    )


def rename_template(template: SweepTemplate, name: str, *, user: User) -> None:
    """Raises NameTaken, NotPossible."""
    name = _checked_name(name)
    if name == template.name:
        return
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=template.team_id)
        taken = SweepTemplate.objects.filter(team=template.team_id, name=name).first()
        if taken is not None:
            raise NameTaken(taken)
        SweepTemplate.objects.filter(pk=template.pk).update(name=name)
        words = f"{template.name} to {name}"
        Event.log("template renamed", words, actor=user, team=template.team)


def delete_template(template: SweepTemplate, *, user: User) -> None:
    """Sweeps that were made from it stay."""
    with transaction.atomic():
        SweepTemplate.objects.filter(pk=template.pk).delete()
        Event.log("template deleted", template.name, actor=user, team=template.team)


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 0 < len(name) <= MAX_NAME:
        raise NotPossible(f"Enter a name of at most {MAX_NAME} characters.")
    if problem := unseen_problem(name, in_line=True):
        raise NotPossible(f"The name is not valid: {problem}")
    return name


def _checked_document(document: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        text = json.dumps(document, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())
    except ValueError as error:
        raise NotPossible(
            "The document has a number or a character that cannot be stored."
        ) from error
    if "\\u0000" in text:
        raise NotPossible("The document has a NUL character, which cannot be stored.")
    if size > MAX_BYTES:
        raise NotPossible(
            f"The document takes {size / 1000:.0f} kB; a template has at most"
            f" {MAX_BYTES // 1000} kB. Upload its files instead of writing them in."
        )
    return document


def _code_of(team: Team, document: Mapping[str, Any]) -> CodeSnapshot | None:
    """The stored files that the document names."""
    trial = document.get("trial")
    code = trial.get("code") if isinstance(trial, Mapping) else None
    digest = code.get("upload") if isinstance(code, Mapping) else None
    if not isinstance(digest, str) or len(digest) < MIN_DIGEST:
        return None
    found = CodeSnapshot.objects.filter(team=team, digest__startswith=digest)[:2]
    return found[0] if len(found) == 1 else None
