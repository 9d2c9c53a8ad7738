"""All configuration, read from the environment. docs/settings.md lists all."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from sweepsite.data_folder import home_folder, secret_keys
from sweepsite.environment import (
    database,
    env_bool,
    env_int,
    env_level,
    metrics_token,
    redis_url,
    site_url,
    smtp_url,
    syslog_url,
)
from sweepsite.single_sign_on import single_sign_on

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"


HOME = home_folder()
# They have neither a secret key nor the database.
RUNS_TRIALS = sys.argv[1:2] in (["slot"], ["worker"]) and "--site" not in sys.argv
SECRET_KEY, *SECRET_KEY_FALLBACKS = [""] if RUNS_TRIALS else secret_keys(HOME)
DEBUG = env_bool("SWEEPSITE_DEBUG", default=False)
SITE_URL = site_url(HOME)
ALLOWED_HOSTS = [
    host.strip()
    for host in os.environ.get(
        "SWEEPSITE_ALLOWED_HOSTS",
        f"localhost,127.0.0.1,[::1],{urlsplit(SITE_URL).hostname}",
    ).split(",")
    if host.strip()
]
CSRF_TRUSTED_ORIGINS = [SITE_URL]

# Settings of sweepsite itself.
REDIS_URL = redis_url(HOME)
WORKER_TOKEN = os.environ.get("SWEEPSITE_WORKER_TOKEN", "")
METRICS_TOKEN = metrics_token()
HEARTBEAT_SECONDS = env_int("SWEEPSITE_HEARTBEAT_SECONDS", 5, low=1, high=600)
LEASE_SECONDS = env_int("SWEEPSITE_LEASE_SECONDS", 60, low=2, high=86_400)
ASK_TIMEOUT_SECONDS = env_int(
    "SWEEPSITE_ASK_TIMEOUT_SECONDS", 86_400, low=10, high=31_536_000
)
GRACE_SECONDS = env_int("SWEEPSITE_GRACE_SECONDS", 10, low=0, high=3_600)
KEEP_PLANS = env_bool("SWEEPSITE_KEEP_PLANS", default=True)
UPLOAD_LIMIT_BYTES = env_int("SWEEPSITE_UPLOAD_MB", 100, low=1, high=10_000) << 20
OUTPUTS_LIMIT_BYTES = (
    env_int("SWEEPSITE_OUTPUTS_MB", 1_000, low=0, high=1_000_000) << 20
)
USER_REQUESTS_PER_SECOND = env_int("SWEEPSITE_USER_REQUESTS", 50, low=1, high=100_000)
WORKER_REQUESTS_PER_SECOND = env_int(
    "SWEEPSITE_WORKER_REQUESTS", 500, low=10, high=100_000
)
# With a wrong token, from one address.
API_FAILURES_PER_SECOND = 5
TEAM_UPLOADS_LIMIT_BYTES = (
    env_int("SWEEPSITE_TEAM_UPLOADS_MB", 10_000, low=1, high=100_000_000) << 20
)
TEAM_OUTPUTS_LIMIT_BYTES = (
    env_int("SWEEPSITE_TEAM_OUTPUTS_MB", 0, low=0, high=100_000_000) << 20
)
# The longest life of an API token.
TOKEN_DAYS = env_int("SWEEPSITE_TOKEN_DAYS", 365, low=1, high=3_650)
# Whether people without a login may read /help/.
PUBLIC_HELP = env_bool("SWEEPSITE_PUBLIC_HELP", default=False)
# 0: no links to reports.
REPORT_LINK_DAYS = env_int("SWEEPSITE_REPORT_LINK_DAYS", 90, low=0, high=3_650)
# The hour at which rules of cleanup run.
CLEANUP_HOUR = env_int("SWEEPSITE_CLEANUP_HOUR", 3, low=0, high=23)
TRASH_DAYS = env_int("SWEEPSITE_TRASH_DAYS", 14, low=1, high=3_650)
EVENT_DAYS = env_int("SWEEPSITE_EVENT_DAYS", 400, low=1, high=36_500)
# Administrators are notified if no backup was made for so long; 0: never.
BACKUP_DAYS = env_int("SWEEPSITE_BACKUP_DAYS", 0, low=0, high=365)
SYSLOG_URL = syslog_url()
LOG_LIMIT_BYTES = env_int("SWEEPSITE_LOG_MB", 4, low=1, high=1_000) << 20

# The API's framework takes 9 MB, which only processes with pages need.
HAS_PAGES = sys.argv[1:2] not in (["scheduler"], ["worker"])
INSTALLED_APPS = [
    "experiments",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_rq",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    *(["ninja"] if HAS_PAGES else []),
    "csp",
]
MIDDLEWARE = [
    # These are first, so that static files and errors get their headers as well.
    "experiments.pages.middleware.PolicyMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "experiments.pages.middleware.AnswerMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "experiments.pages.middleware.TimeZoneMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "experiments.pages.accounts.gate.GateMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "sweepsite.urls"
WSGI_APPLICATION = "sweepsite.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "experiments.pages.frame.teams",
                "experiments.health.checks.installation_issues",
            ],
            "builtins": ["experiments.templatetags.words"],
        },
    },
]

DATABASES = {"default": database(HOME)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "experiments.User"
AUTH_PASSWORD_VALIDATORS = [
    *(
        {"NAME": f"django.contrib.auth.password_validation.{name}", **options}
        for name, options in (
            ("UserAttributeSimilarityValidator", {}),
            ("MinimumLengthValidator", {"OPTIONS": {"min_length": 12}}),
            ("CommonPasswordValidator", {}),
            ("NumericPasswordValidator", {}),
        )
    ),
    {"NAME": "experiments.pages.passwords.PlaceWordsValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "account_login"
# Of a link that came by e-mail.
PASSWORD_RESET_TIMEOUT = 3600

# django-allauth. experiments/pages/login_limits is the brake.
ACCOUNT_ADAPTER = "experiments.pages.accounts.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_RATE_LIMITS = False
ACCOUNT_SIGNUP_ENABLED = False
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = "sweepsite: "
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 1
# Changes of the account ask for the password again, this long after a login.
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
# Login by an OpenID Connect provider.
SSO = single_sign_on()
PASSWORD_LOGIN = env_bool("SWEEPSITE_PASSWORD_LOGIN", default=True)
if not PASSWORD_LOGIN and not SSO.url:
    raise ImproperlyConfigured(
        "SWEEPSITE_PASSWORD_LOGIN is off, so nobody could log in. Set"
        " SWEEPSITE_OIDC_URL, or remove it."
    )
SOCIALACCOUNT_ADAPTER = "experiments.pages.accounts.single_sign_on.ProviderAdapter"
SOCIALACCOUNT_PROVIDERS = SSO.providers
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_LOGIN_ON_GET = True
SOCIALACCOUNT_STORE_TOKENS = False
MFA_ADAPTER = "experiments.pages.accounts.adapter.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_FORMS = {
    "authenticate": "experiments.pages.accounts.two_factor.CodeForm",
    "reauthenticate": "experiments.pages.accounts.two_factor.CodeAgainForm",
    "add_webauthn": "experiments.pages.accounts.two_factor.PasskeyForm",
    "edit_webauthn": "experiments.pages.accounts.two_factor.PasskeyNameForm",
}
MFA_RATE_LIMITS = False
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_ISSUER = "sweepsite"
# Clocks of phones differ a little.
MFA_TOTP_TOLERANCE = 1
# Whether everybody needs a second factor; a team may require it of its people as well.
REQUIRE_SECOND_FACTOR = env_bool("SWEEPSITE_REQUIRE_SECOND_FACTOR", default=False)
SECOND_FACTOR_GRACE = timedelta(
    days=env_int("SWEEPSITE_SECOND_FACTOR_GRACE_DAYS", 7, low=0, high=365)
)

SMTP_URL = smtp_url()
DEFAULT_FROM_EMAIL = os.environ.get(
    "SWEEPSITE_MAIL_FROM", f"sweepsite@{urlsplit(SITE_URL).hostname}"
)

# Only for django-rq's pages, which show the default pool's queue and the site's jobs:
# experiments/queues opens its own connections, with retries. Jobs are JSON, so that
# nothing in a queue is ever unpickled.
RQ_QUEUES = {
    name: {
        "URL": REDIS_URL,
        "DEFAULT_TIMEOUT": -1,
        "SERIALIZER": "rq.serializers.JSONSerializer",
    }
    for name in ("default", "@site")
}
RQ = {"JOB_CLASS": "experiments.queues.GuardedJob"}
RQ_SHOW_ADMIN_LINK = True

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

STATIC_URL = "static/"
STATIC_ROOT = HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "experiments.pages.frame.ModuleManifestStorage"},
}
# Half the files, and no compression of files that no browser requests.
WHITENOISE_KEEP_ONLY_HASHED_FILES = True
WHITENOISE_SKIP_COMPRESS_EXTENSIONS = ("map", "png", "gz", "woff2")
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 << 20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000
DATA_UPLOAD_MAX_NUMBER_FILES = 1_000

HTTPS = SITE_URL.startswith("https://")
SECURE_SSL_REDIRECT = HTTPS and env_bool("SWEEPSITE_SSL_REDIRECT", default=True)
# Programs are refused instead, in AnswerMiddleware.
SECURE_REDIRECT_EXEMPT = [r"^(ajax-)?api/"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
CSRF_COOKIE_HTTPONLY = True
if HTTPS:
    # Browsers take such names only from this very host, over https.
    SESSION_COOKIE_NAME = "__Host-sessionid"
    CSRF_COOKIE_NAME = "__Host-csrftoken"
# Not in a cookie of their own.
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
CSRF_FAILURE_VIEW = "experiments.pages.errors.csrf_failure"
SESSION_ENGINE = "experiments.pages.sessions"
SESSION_COOKIE_AGE = env_int("SWEEPSITE_SESSION_HOURS", 12, low=1, high=720) * 3600
SESSION_IDLE = timedelta(
    minutes=env_int("SWEEPSITE_SESSION_IDLE_MINUTES", 240, low=5, high=43_200)
)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if env_bool("SWEEPSITE_BEHIND_PROXY", default=False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "sweepsite.logs.LineFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        }
    },
    "filters": {
        "flood": {"()": "sweepsite.logs.FloodFilter"},
        "no_traceback": {"()": "sweepsite.logs.NoTraceback"},
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["flood"],
        }
    },
    "root": {
        "handlers": ["console"],
        "level": env_level("SWEEPSITE_LOG_LEVEL", "INFO"),
    },
    "loggers": {
        "rq": {"level": "WARNING"},
        "django.security.DisallowedHost": {"filters": ["no_traceback"]},
    },
}
