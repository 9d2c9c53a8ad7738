"""The Django application: sweeps, their trials, and what runs and shows them."""

from __future__ import annotations

from django.apps import AppConfig


class ExperimentsConfig(AppConfig):
    name = "experiments"
    verbose_name = "Sweeps"
