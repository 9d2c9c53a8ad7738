"""The form that changes a sweep's early termination while it has not ended."""

from __future__ import annotations

from typing import Any

from django import forms

from experiments import edits
from experiments.document_yaml import yaml_text
from experiments.models import Sweep, User
from experiments.pages.sweep.seen import SeenForm
from experiments.search.loading import load_document
from experiments.search.problems import DefinitionError, Problem

FIELD = "early_termination"
MOST_CHARACTERS = 10_000


class PolicyForm(SeenForm):
    """The policy as it stands below ``early_termination`` in a document."""

    sweep: Sweep
    policy = forms.CharField(
        required=False,
        max_length=MOST_CHARACTERS,
        label="Policy, as in a sweep document",
        help_text="Such as <code>type: median_stopping</code>. Intervals and delays"
        " count reports: report n is the n-th report of the primary metric. Empty:"
        " every trial runs to its end.",
        widget=forms.Textarea(
            {"rows": 7, "class": "input input-mono", "spellcheck": "false"}
        ),
    )

    @classmethod
    def of(cls, sweep: Sweep, data: Any = None) -> PolicyForm:
        settings = sweep.early_termination
        text = yaml_text(settings) if settings else ""
        form = cls(data, initial={"policy": text})
        form.sweep = sweep
        return form

    def told(self, name: str, old: Any, now: Any) -> str:
        before, after = (_in_words(self.sweep, str(text)) for text in (old, now))
        return f"was {before} and is now {after}"

    def save(self, sweep: Sweep, *, actor: User) -> bool:
        """Judge by the policy from now on. False: the form now says what is wrong."""
        try:
            text = self.cleaned_data["policy"].strip()
            settings = dict(load_document(text)) if text else None
            edits.change_sweep(sweep, {FIELD: settings}, actor=actor)
        except DefinitionError as error:
            for problem in error.problems:
                self.add_error("policy", _words(problem))
            return False
        return True


def _in_words(sweep: Sweep, text: str) -> str:
    try:
        settings = dict(load_document(text)) if text.strip() else None
    except DefinitionError:
        return "another one"
    return edits.policy_words(sweep, settings)


def _words(problem: Problem) -> str:
    """A problem with the name of its field, as the text has it."""
    path = problem.path.removeprefix(FIELD).removeprefix(".")
    if not path or path in problem.message:
        return problem.message
    return f"{path}: {problem.message}"
