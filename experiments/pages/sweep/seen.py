"""Forms that two people may have open at once: the second one is told, not obeyed.

A form carries a copy of what it showed. Where something else is stored by now, nothing
is saved, and the form says what was changed; sent again, it counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

FIELD = "seen"
MOST_CHARACTERS = 200_000
# Old and new values longer than this are not told.
MOST_TOLD = 60


class SeenForm(forms.Form):
    """A form of a sweep's settings; ``initial`` is how they are now."""

    seen = forms.CharField(
        required=False,
        max_length=MOST_CHARACTERS,
        # Several such forms may stand on one page.
        widget=forms.HiddenInput({"id": False}),
    )
    # Whether somebody else has changed what the form showed.
    overtaken = False

    def __init__(self, data: Any = None, *, initial: Mapping[str, Any]) -> None:
        now = json.dumps(dict(initial))
        super().__init__(data, initial={**initial, FIELD: now})

    def changed(self) -> list[str]:
        """The fields that shall be other than they are."""
        return [name for name in self.changed_data if name != FIELD]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        changes = list(self._changes_of_others())
        if changes:
            self.overtaken = True
            data: Any = self.data
            self.data = data = data.copy()
            data[FIELD] = self.initial[FIELD]
            raise ValidationError(
                f"Somebody else has changed this meanwhile: {'; '.join(changes)}."
                " Nothing of yours was stored. Send it again if it shall count."
            )
        return cleaned

    def _changes_of_others(self) -> Iterator[str]:
        for name, old in _mapping(self.data.get(FIELD, "")).items():
            if name in self.fields and name in self.initial:
                now = self.initial[name]
                if now != old:
                    yield f"{self.fields[name].label} {self.told(name, old, now)}"

    def told(self, name: str, old: Any, now: Any) -> str:
        """What became of a field, after its label."""
        before, after = ("empty" if v in (None, "") else str(v) for v in (old, now))
        if max(len(before), len(after)) > MOST_TOLD or "\n" in before + after:
            return "is another one now"
        return f"was {before} and is now {after}"


def _mapping(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
