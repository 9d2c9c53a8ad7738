"""Django's admin, for staff: every table, most of them read-only."""

from __future__ import annotations

from allauth.mfa.admin import Authenticator
from allauth.socialaccount.admin import SocialAccount, SocialApp, SocialToken
from django.contrib import admin

from experiments.admin import people, space, sweeps, trials, workers

admin.site.site_header = "sweepsite administration"
admin.site.site_title = "sweepsite administration"
admin.site.index_title = "Tables"
# The secrets of second factors and of other sites are on no page. Providers are in the
# settings alone, and who logs in as whom is not changed by hand.
admin.site.unregister((Authenticator, SocialAccount, SocialApp, SocialToken))


__all__ = ["people", "space", "sweeps", "trials", "workers"]
