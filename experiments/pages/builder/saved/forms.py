"""The form as it is saved while a person types: one row per person and form.

A save names the version that it follows. If another tab has saved meanwhile, it is
refused, and the person chooses between both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.http import HttpRequest, QueryDict

from experiments.models import SavedForm, Sweep, Team, User
from experiments.pages.builder.context import FormContext
from experiments.pages.sent_forms import SECRET
from experiments.search.wording import counted

MAX_BYTES = 400_000
MAX_FORMS, MAX_DISCARDED = 50, 10
VERSION = "saved_version"
# Begins the keys of forms of name, tags and note.
WORDS = "about:"
# What belongs to one opening of the page.
NOT_SAVED = (
    *(SECRET, VERSION, "do", "form_token", "person", "files", "paths"),
    *("sent_to", "sent_files", "template_name", "checked_changes"),
)


class NotSaved(Exception):
    """The entries cannot be saved; the message says why."""


class ChangedElsewhere(Exception):
    """Another tab has saved this form, or has sent or discarded it (`other` is
    None)."""

    def __init__(self, other: SavedForm | None) -> None:
        super().__init__("This form was changed in another tab.")
        self.other = other

    @property
    def version(self) -> str:
        """The version that the next save follows."""
        return self.other.mark if self.other else ""


@dataclass(frozen=True)
class FormKey:
    """A form of a person in a team."""

    user: User
    team: Team
    key: str

    @property
    def rows(self) -> QuerySet[SavedForm]:
        mine = SavedForm.objects.filter(user=self.user, team=self.team, key=self.key)
        return mine.filter(discarded_at=None)

    def current(self) -> SavedForm | None:
        return self.rows.first()

    def save(self, data: QueryDict, *, after: str) -> SavedForm:
        """Save the entries. Raises ChangedElsewhere and NotSaved.

        The same entries can be saved again: the first answer may have been lost.
        """
        text = _text(data)
        following = self._following(after)
        if following is not None:
            following.update(data=text, version=F("version") + 1, updated_at=Now())
        # Another tab may have ended the form since.
        row = self.current()
        if row is None and not after:
            row = self._create(text)
        if row is None or row.data != text:
            raise ChangedElsewhere(row)
        return row

    def end(self, data: QueryDict) -> None:
        """The form is sent. Raises ChangedElsewhere."""
        after = data.get(VERSION, "")
        following = self._following(after)
        if following is not None and following.delete()[0]:
            return
        row = self.current()
        # A save may have been under way when the form was sent.
        if row is not None and row.data == _plain_text(data):
            row.delete()
        elif row is not None or after:
            raise ChangedElsewhere(row)

    def discard(self) -> None:
        """Set the saved entries aside. They can be restored for a day."""
        with transaction.atomic():
            self._discarded().delete()
            self.rows.update(discarded_at=Now())
            mine = SavedForm.objects.filter(user=self.user, discarded_at__isnull=False)
            kept = mine.order_by("-discarded_at", "-pk").values("pk")[:MAX_DISCARDED]
            mine.exclude(pk__in=list(kept.values_list("pk", flat=True))).delete()

    def restore(self) -> None:
        """Swap the entries with those that were discarded last. Raises
        ChangedElsewhere."""
        back = self.discarded()
        if back is None:
            return
        changes = {"version": F("version") + 1, "updated_at": Now()}
        try:
            with transaction.atomic():
                self.rows.update(discarded_at=Now())
                mine = SavedForm.objects.filter(pk=back.pk)
                if not mine.update(discarded_at=None, **changes):
                    raise ChangedElsewhere(None)
        except IntegrityError as error:
            raise ChangedElsewhere(self.current()) from error

    def discarded(self) -> SavedForm | None:
        """The entries that can be restored."""
        return self._discarded().order_by("-discarded_at").first()

    def _discarded(self) -> QuerySet[SavedForm]:
        mine = SavedForm.objects.filter(user=self.user, team=self.team, key=self.key)
        return mine.filter(discarded_at__isnull=False)

    def _following(self, version: str) -> QuerySet[SavedForm] | None:
        """The row, if it still has this version."""
        pk, _, number = version.partition(".")
        if not all(t.isascii() and t.isdigit() and len(t) < 16 for t in (pk, number)):
            return None
        return self.rows.filter(pk=int(pk), version=int(number))

    def _create(self, text: str) -> SavedForm | None:
        mine = SavedForm.objects.filter(user=self.user, discarded_at=None)
        words = {"key__startswith": WORDS}
        is_words = self.key.startswith(WORDS)
        alike = mine.filter(**words) if is_words else mine.exclude(**words)
        if alike.count() >= MAX_FORMS:
            raise NotSaved(
                f"You have {counted(MAX_FORMS, 'unfinished form')}."
                f" {'Save' if is_words else 'Start'} or discard one of them first."
            )
        try:
            with transaction.atomic():
                return SavedForm.objects.create(
                    user=self.user, team=self.team, key=self.key, data=text
                )
        except IntegrityError:
            return self.current()


def _plain_text(data: QueryDict) -> str:
    """The entries as text, without what belongs to one opening of the page."""
    plain = data.copy()
    for name in NOT_SAVED:
        plain.pop(name, None)
    # A form that is sent has other ends of lines than what its scripts read.
    return plain.urlencode().replace("%0D%0A", "%0A")


def _text(data: QueryDict) -> str:
    """The same, if it may be saved. Raises NotSaved."""
    text = _plain_text(data)
    if len(text) > MAX_BYTES:
        raise NotSaved(
            f"The entries take {len(text) / 1000:.0f} kB; at most"
            f" {MAX_BYTES // 1000} kB are saved as you type."
        )
    return text


def form_key(context: FormContext) -> FormKey:
    """Which form it is: each experiment, copied sweep and draft has its own."""
    key = "new"
    if context.draft is not None:
        key = f"draft:{context.draft.pk}"
    elif context.started is not None:
        key = f"started:{context.started.pk}"
    elif context.source is not None:
        key = f"clone:{context.source.pk}"
        if context.experiment is not None:
            key += f":experiment:{context.experiment.pk}"
        if context.early_termination is not None:
            asked = json.dumps(context.early_termination, sort_keys=True)
            key += f":{hashlib.sha256(asked.encode()).hexdigest()[:8]}"
    elif context.experiment is not None or context.template is not None:
        for name in ("template", "experiment"):
            row = getattr(context, name)
            key += f":{name}:{row.pk}" if row else ""
    return FormKey(context.user, context.team, key)


@dataclass(frozen=True)
class OpenedForm:
    """The saved form beside the page: its row, and another tab's version that the
    person has not seen yet."""

    key: FormKey
    row: SavedForm | None = None
    conflict: ChangedElsewhere | None = None
    problem: str = ""
    is_recovered: bool = False

    @property
    def version(self) -> str:
        if self.conflict is not None:
            return self.conflict.version
        return self.row.mark if self.row else ""

    @property
    def data(self) -> QueryDict | None:
        """What was entered before, if anything."""
        return QueryDict(self.row.data) if self.row else None

    @property
    def discarded(self) -> SavedForm | None:
        return self.key.discarded()


def opened_form(request: HttpRequest, context: FormContext) -> OpenedForm:
    """Recover what was saved; if the form was posted, save it."""
    key = form_key(context)
    if request.method != "POST":
        row = key.current()
        return OpenedForm(key, row, is_recovered=row is not None)
    try:
        row = key.save(request.POST, after=request.POST.get(VERSION, ""))
        return OpenedForm(key, row)
    except ChangedElsewhere as error:
        return OpenedForm(key, conflict=error)
    except NotSaved as error:
        return OpenedForm(key, key.current(), problem=str(error))


def entries_of_draft(draft: Sweep, user: User) -> FormKey:
    return FormKey(user, draft.experiment.team, f"draft:{draft.pk}")


def keep_for_copy(data: QueryDict, draft: Sweep, user: User) -> None:
    """Keep what was entered for a draft that was started meanwhile as the entries of a
    copy; earlier entries of a copy are set aside. Raises ChangedElsewhere, NotSaved."""
    key = FormKey(user, draft.experiment.team, f"clone:{draft.pk}")
    with transaction.atomic():
        entries_of_draft(draft, user).rows.delete()
        try:
            key.save(data, after="")
        except ChangedElsewhere:
            key.discard()
            key.save(data, after="")


# --- two versions -----------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """A field with both of its values as text; empty: not set."""

    path: str
    this: str
    that: str
    label: str = ""


def differences(this: Any, that: Any, path: str = "") -> list[Difference]:
    """The fields in which two documents differ."""
    if isinstance(this, Mapping) and isinstance(that, Mapping):
        names = [*this, *(name for name in that if name not in this)]
        return [
            difference
            for name in names
            for difference in differences(
                this.get(name), that.get(name), f"{path}.{name}" if path else str(name)
            )
        ]
    return [] if this == that else [Difference(path, _shown(this), _shown(that))]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:300]}…"
