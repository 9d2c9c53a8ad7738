"""Django's admin, for staff: every table, most of them read-only."""

from __future__ import annotations

from allauth.mfa.admin import Authenticator
from allauth.socialaccount.admin import SocialToken
from django.contrib import admin

from experiments.admin import people, space, sweeps, trials, workers

admin.site.site_header = "sweepsite administration"
admin.site.site_title = "sweepsite administration"
admin.site.index_title = "Tables"
# The secrets of second factors and of other sites are on no page.
admin.site.unregister((Authenticator, SocialToken))


__all__ = ["people", "space", "sweeps", "trials", "workers"]
