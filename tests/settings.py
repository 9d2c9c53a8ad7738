"""The site's own settings in a throw-away data folder, with a quick password hash."""

from __future__ import annotations

import os
import tempfile

os.environ.setdefault("SWEEPSITE_HOME", tempfile.mkdtemp(prefix="sweepsite-tests-"))
os.environ.setdefault("SWEEPSITE_SECRET_KEY", "only-for-tests-" + "x" * 32)
if os.environ.get("TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]

from sweepsite.settings import *  # noqa: F403

ALLOWED_HOSTS = ["*"]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = True
