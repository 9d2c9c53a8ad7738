"""Forms for experiments."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import slugify

from experiments.models import Experiment, Team

MOST_TAGS = 20


class TagsField(forms.CharField):
    """Words parted by commas, as a list without doubles."""

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        words = [word.strip() for word in str(value or "").split(",")]
        tags = list(dict.fromkeys(word for word in words if word))
        long = next((tag for tag in tags if len(tag) > 40), None)
        if long:
            raise ValidationError(
                f"The tag {long!r} has {len(long)} letters; at most 40 are allowed."
            )
        if len(tags) > MOST_TAGS:
            raise ValidationError(
                f"There are {len(tags)} tags; at most {MOST_TAGS} are allowed."
            )
        return tags


class ExperimentForm(forms.ModelForm):  # type: ignore[type-arg]
    """Name, question and tags; a new experiment's slug comes from its name."""

    tags = TagsField(
        required=False, max_length=1000, help_text="Parted by commas: demo, numpy"
    )

    class Meta:
        model = Experiment
        fields = ("name", "question", "tags")
        help_texts = {
            "name": "Short, such as digits: its sweeps are called digits-1, digits-2.",
            "question": "What should its sweeps find out?",
        }

    def __init__(self, *args: Any, team: Team, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.team = team
        self.fields["name"].widget.attrs["autofocus"] = True

    def clean_name(self) -> str:
        """Sweeps keep their names when an experiment gets another one, so only a new
        experiment gets a slug."""
        name: str = self.cleaned_data["name"]
        if self.instance.pk is not None:
            return name
        slug = slugify(name)[:60] or "experiment"
        taken = Experiment.objects.filter(team=self.instance.team, slug=slug).first()
        if taken is not None:
            raise ValidationError(
                f"The team already has an experiment {taken.name!r}, whose sweeps are"
                f" called {slug}-1 and so on. Choose another name, such as"
                f" {slug[:56]}-2."
            )
        self.instance.slug = slug
        return name


class NotesForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = Experiment
        fields = ("notes",)
        widgets = {"notes": forms.Textarea(attrs={"rows": 12})}
        help_texts = {"notes": "Plain text; its lines are kept."}
