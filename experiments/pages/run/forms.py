"""The forms of a single run: its name, tags and note, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from experiments.models import Trial
from experiments.models.fields import VisibleTextForm
from experiments.models.runs import MAX_RUN_NAME
from experiments.models.trials import TrialState
from experiments.tracking import run_log
from experiments.tracking.run_log import RunLogError


class TagLinesField(forms.CharField):
    """Tags as lines of ``name = value``; a name alone is a tag without a value."""

    widget = forms.Textarea(attrs={"rows": 4, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        return "\n".join(f"{k} = {v}" if v else k for k, v in value.items())

    def to_python(self, value: Any) -> Any:
        lines = [line.strip() for line in str(value or "").splitlines()]
        pairs = (line.partition("=") for line in lines if line)
        tags = {name.strip(): text.strip() for name, _, text in pairs}
        try:
            run_log.check_tags(tags)
        except RunLogError as error:
            raise ValidationError(str(error)) from error
        return tags


class RunForm(VisibleTextForm, forms.Form):
    name = forms.CharField(max_length=MAX_RUN_NAME)
    tags = TagLinesField(
        required=False, help_text="One per line: a name, or name = value."
    )
    note = forms.CharField(
        required=False,
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text="Plain text; its lines are kept.",
    )


class EndForm(forms.Form):
    """How the run ended, as a person says."""

    state = forms.ChoiceField(
        label="How did it end?",
        widget=forms.RadioSelect,
        initial=TrialState.CANCELLED,
        choices=[
            (TrialState.COMPLETED, "It completed"),
            (TrialState.FAILED, "It failed"),
            (TrialState.CANCELLED, "It was cancelled, or nobody knows"),
        ],
    )


def own_tags(run: Trial, shown: Mapping[str, str]) -> dict[str, str]:
    """The tags that the form does not show, which stay."""
    return {key: value for key, value in run.run.tags.items() if key not in shown}
