"""The form that ends a single run."""

from __future__ import annotations

from django import forms

from experiments.models.trials import TrialState


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
