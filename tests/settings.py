"""The site's own settings in a throw-away data folder, with a quick password hash."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile

# Before numpy is loaded: its threads would wait for one another, which costs ten times
# the processor time where the machine is busy, and the suite keeps it busy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
if "SWEEPSITE_HOME" not in os.environ:
    home = tempfile.mkdtemp(prefix="sweepsite-tests-")
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    os.environ["SWEEPSITE_HOME"] = home
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
