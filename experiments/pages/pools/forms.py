"""A pool's settings as a form of the site."""

from __future__ import annotations

from django import forms
from django.core.exceptions import ValidationError

from experiments.folders import FoldersField
from experiments.models import Pool
from experiments.pages.numbers import PriceField

# Words that follow /pools/ in other addresses.
RESERVED_NAMES = frozenset({"new"})


class PoolForm(forms.ModelForm):  # type: ignore[type-arg]
    price_per_hour = PriceField(
        required=False,
        label="Price of one slot for an hour",
        help_text="In your currency, such as 1.2. Empty: time is not counted as money.",
    )
    folders = FoldersField(
        required=False,
        label="Allowed code folders",
        help_text="One a line, such as /srv/code. Sweeps may run code where it lies in"
        " these folders of the pool's hosts, and nowhere else: whoever may submit"
        " one can read what lies there.",
    )

    class Meta:
        model = Pool
        fields = ("teams", "price_per_hour", "python", "folders")
        widgets = {
            "teams": forms.CheckboxSelectMultiple,
            "python": forms.TextInput(attrs={"spellcheck": "false", "class": "mono"}),
        }
        labels = {
            "teams": "Teams that may use it",
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
