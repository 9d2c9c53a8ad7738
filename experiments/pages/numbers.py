"""Fields for numbers whose refusals name the value and what is allowed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from experiments.search.problems import shown


class _Told(forms.Field):
    """Says what was typed, and `allowed`, instead of Django's own words."""

    allowed = ""

    def clean(self, value: Any) -> Any:
        try:
            return super().clean(value)
        except ValidationError:
            text = str(value or "").strip()
            what = f"{shown(text, most=40)} is not allowed here. " if text else ""
            raise ValidationError(f"{what}Write {self.allowed}.") from None


class WholeNumberField(_Told, forms.IntegerField):
    """A whole number from ``least`` to ``most``."""

    def __init__(self, *, least: int, most: int, **options: Any) -> None:
        super().__init__(min_value=least, max_value=most, **options)
        self.allowed = f"a whole number from {least:,} to {most:,}"


class PriceField(_Told, forms.DecimalField):
    """An amount of money with as many digits as a pool's price may have."""

    allowed = "a number from 0 to 999,999 with up to 4 decimals, such as 1.25"
    widget = forms.TextInput(attrs={"inputmode": "decimal"})

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_digits=10, decimal_places=4, **options)
