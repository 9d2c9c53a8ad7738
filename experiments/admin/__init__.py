"""Django's admin, for staff: every table, most of them read-only."""

from __future__ import annotations

from django.contrib import admin

from experiments.admin import people, sweeps, trials, workers

admin.site.site_header = "sweepsite administration"
admin.site.site_title = "sweepsite administration"
admin.site.index_title = "Tables"


__all__ = ["people", "sweeps", "trials", "workers"]
