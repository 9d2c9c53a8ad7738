"""A pool's settings as a form of the site."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from experiments.models import Pool

# Words that follow /pools/ in other addresses.
RESERVED_NAMES = frozenset({"new"})
MOST_FOLDERS = 50


class FoldersField(forms.CharField):
    """Absolute folders, one a line; a list of them inside."""

    widget = forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "mono"})

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        lines = [line.strip() for line in str(value or "").splitlines()]
        return list(dict.fromkeys(line for line in lines if line))

    def validate(self, value: Any) -> None:
        if len(value) > MOST_FOLDERS:
            raise ValidationError(
                f"At most {MOST_FOLDERS} folders; these are {len(value)}."
            )
        for folder in value:
            if not folder.startswith("/") or ".." in folder.split("/"):
                raise ValidationError(
                    f"{folder!r} is no whole path. Write one from the root on, without"
                    " “..”, such as /srv/code."
                )

    def run_validators(self, value: Any) -> None:
        """None of a text's: the value is a list by now."""


class PoolForm(forms.ModelForm):  # type: ignore[type-arg]
    folders = FoldersField(
        required=False,
        label="Allowed code folders",
        help_text="One a line, such as /srv/code. Sweeps may run code where it lies in"
        " these folders of the pool's hosts, and nowhere else.",
    )

    class Meta:
        model = Pool
        fields = ("teams", "price_per_hour", "python", "folders")
        widgets = {
            "teams": forms.CheckboxSelectMultiple,
            "price_per_hour": forms.TextInput(attrs={"inputmode": "decimal"}),
            "python": forms.TextInput(attrs={"spellcheck": "false", "class": "mono"}),
        }
        labels = {
            "teams": "Teams that may use it",
            "price_per_hour": "Price of one slot for an hour",
            "python": "Python of its trials",
        }


class NewPoolForm(PoolForm):
    class Meta(PoolForm.Meta):
        fields = ("name", *PoolForm.Meta.fields)  # type: ignore[assignment]
        help_texts = {
            "name": "Letters, digits, - and _, such as gpu-a. It is fixed from then on:"
            " its workers listen to a queue of that name."
        }

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if name in RESERVED_NAMES:
            raise ValidationError(f"{name!r} is taken by a page. Choose another name.")
        return name
