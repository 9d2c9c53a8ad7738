"""The Django application."""

from __future__ import annotations

from django import forms
from django.apps import AppConfig

# Before any form is made: fields copy it.
forms.Field.default_error_messages["required"] = "Enter or choose a value."


class ExperimentsConfig(AppConfig):
    name = "experiments"
    verbose_name = "Sweeps"
