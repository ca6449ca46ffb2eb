"""Every setting, read once from the environment (docs/reference/settings.md lists them)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.core.management.utils import get_random_secret_key
from psycopg.conninfo import conninfo_to_dict

from portal import env
from portal.local import postgres

LOOPBACK = ("localhost", "127.0.0.1", "::1")
BASE_DIR = Path(__file__).resolve().parent.parent
STATE_DIR = Path(env.text("SLIPWAY_STATE", str(BASE_DIR / "var"))).absolute()

DEBUG = env.boolean("DEBUG", False)
SECRET_KEY = env.secret("SECRET_KEY")
if not SECRET_KEY:
    if not DEBUG:
        raise ImproperlyConfigured("SECRET_KEY is not set. Set it to a random text of at least 32 characters.")
    SECRET_KEY = get_random_secret_key()
SECRETS_KEY = env.secret("SECRETS_KEY") or SECRET_KEY
SECRETS_KEY_OLD = env.words("SECRETS_KEY_OLD")
PUBLIC_URL = env.text("PUBLIC_URL", "http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS = list(env.words("ALLOWED_HOSTS", ("127.0.0.1", "localhost", "[::1]")))
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django.forms",
    "allauth",
    "allauth.account",
    "rest_framework",
    "drf_spectacular",
    "csp",
    "django_jsonform",
    "portal",
    "apps_catalog",
    "jobs",
]
MIDDLEWARE = [
    "portal.middleware.RequestId",
    "portal.api.problems.ApiProblems",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "portal.middleware.SignInRequired",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "portal.middleware.ErrorPages",
]
ROOT_URLCONF = "portal.urls"
ASGI_APPLICATION = "portal.asgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "portal.context.shell",
            ],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# Database: DATABASE_URL, else the embedded PostgreSQL under STATE_DIR.
DATABASE_URL = env.text("DATABASE_URL") or postgres.url(STATE_DIR)


def _database(url: str) -> dict[str, Any]:
    if not url.startswith(("postgresql://", "postgres://")):
        raise ImproperlyConfigured("DATABASE_URL must start with postgresql:// : PostgreSQL is the only database.")
    parts = conninfo_to_dict(url)
    known = {"dbname", "user", "password", "host", "port"}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.get("dbname", "slipway"),
        "USER": parts.get("user", ""),
        "PASSWORD": parts.get("password", ""),
        "HOST": parts.get("host", ""),
        "PORT": str(parts.get("port", "")),
        "CONN_MAX_AGE": 0,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "pool": {"min_size": 1, "max_size": env.integer("DATABASE_POOL", 6, minimum=2, maximum=200), "timeout": 10},
            **{key: value for key, value in parts.items() if key not in known},
        },
    }


DATABASES = {"default": _database(DATABASE_URL)}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Broker: messages are only doorbells. "postgres" keeps them in the same database; redis://, amqp:// also serve; "none" rings nobody.
BROKER_URL = env.text("BROKER_URL", "postgres")
known = BROKER_URL in ("postgres", "none") or BROKER_URL.startswith(("redis://", "rediss://", "amqp://", "amqps://"))
if not known:
    raise ImproperlyConfigured(
        "BROKER_URL must be postgres or none, or begin with redis://, rediss://, amqp:// or amqps://."
    )

# People
AUTH_USER_MODEL = "portal.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_ADAPTER = "portal.people.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
LOGIN_ATTEMPTS = env.integer("LOGIN_ATTEMPTS", 5, minimum=1)
ACCOUNT_RATE_LIMITS = {"login_failed": f"{LOGIN_ATTEMPTS}/5m/key,{LOGIN_ATTEMPTS * 20}/m/ip"}
SESSION_COOKIE_AGE = env.integer("SESSION_HOURS", 14 * 24, minimum=1) * 3600
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "portal_cache"}}
SESSION_ENGINE = "django.contrib.sessions.backends.db"

# Behind TLS or not
HTTPS = PUBLIC_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_SSL_REDIRECT = False  # TLS ends at the proxy in front, which redirects
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.boolean("BEHIND_PROXY", False) else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SESSION_COOKIE_HTTPONLY = True
# Names that no app behind the proxy has for its own; under https no other host of the domain can set them for us.
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = (f"{'__Host-' if HTTPS else ''}slipway_{name}" for name in ("session", "csrf"))
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    },
}

# Mail: without SMTP_HOST no option to be mailed is shown.
EMAIL_HOST = env.text("SMTP_HOST")
EMAIL_PORT = env.integer("SMTP_PORT", 25, minimum=1, maximum=65535)
EMAIL_HOST_USER = env.text("SMTP_USER")
EMAIL_HOST_PASSWORD = env.text("SMTP_PASSWORD")
EMAIL_USE_TLS = env.boolean("SMTP_STARTTLS", False)
EMAIL_TIMEOUT = 20
MAIL_ENABLED = bool(EMAIL_HOST)
if not MAIL_ENABLED:
    EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend" if DEBUG else "portal.people.adapter.NoMail"
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("MAIL_FROM", "slipway@localhost")

# Static files and the store (uploads, results, finished logs)
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORE_ROOT = Path(env.text("STORE_ROOT", str(STATE_DIR / "store"))).absolute()
STORAGES: dict[str, dict[str, Any]] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(STORE_ROOT)}},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "portal.static_files.StaticFiles"
    },
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG
FILE_UPLOAD_PERMISSIONS = 0o640
FILE_UPLOAD_DIRECTORY_PERMISSIONS = 0o750
DATA_UPLOAD_MAX_MEMORY_SIZE = env.integer("BODY_LIMIT_MIB", 8, minimum=1) * 2**20
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5000
DATA_UPLOAD_MAX_NUMBER_FILES = 1000  # definitions that are imported together
UPLOAD_LIMIT_MIB = env.integer("UPLOAD_LIMIT_MIB", 10_240, minimum=1)
UPLOAD_KEEP_HOURS = env.integer("UPLOAD_KEEP_HOURS", 48, minimum=1)
BUCKET_KEEP_HOURS = env.integer("BUCKET_KEEP_HOURS", 48, minimum=1)
RESULT_LINK_HOURS = env.integer("RESULT_LINK_HOURS", 24, minimum=1)
OUTWARD_ALLOWED = env.hosts("OUTWARD_ALLOWED")

# Vaults
VAULT_ROOT = Path(env.text("VAULT_ROOT", str(STATE_DIR / "vaults"))).absolute()
VAULT_QUOTA_MIB = env.integer("VAULT_QUOTA_MIB", 102_400)
STAGE_LIMIT_MIB = env.integer("STAGE_LIMIT_MIB", 10_240, minimum=1)

# Jobs
WORK_ROOT = Path(env.text("WORK_ROOT", str(STATE_DIR / "work"))).absolute()
RUN_UID = env.integer("RUN_UID", 0)
RUN_GID = env.integer("RUN_GID", 0)
DOCKER_URL = env.text("DOCKER_HOST", "unix:///var/run/docker.sock")
IDENTITY_IDS = env.integers("IDENTITY_IDS")
REGISTRIES = env.words("REGISTRIES", ("docker.io",))
JOB_NETWORKS = env.subnet("JOB_NETWORKS", "172.30.0.0/15")
JOBS_RUNNING_MAX = env.integer("JOBS_RUNNING_MAX", 20, minimum=1)
JOBS_QUEUED_MAX = env.integer("JOBS_QUEUED_MAX", 500, minimum=1)
WALLTIME_DEFAULT_HOURS = env.integer("WALLTIME_DEFAULT_HOURS", 24, minimum=1)
WALLTIME_MAX_HOURS = env.integer("WALLTIME_MAX_HOURS", 168, minimum=1)
STOP_GRACE_S = env.integer("STOP_GRACE_S", 10, minimum=1)
LOST_AFTER_S = env.integer("LOST_AFTER_S", 300, minimum=60)
HEARTBEAT_S = env.integer("HEARTBEAT_S", 5, minimum=1)
LOG_LIMIT_MIB = env.integer("LOG_LIMIT_MIB", 50, minimum=1)
RESULTS_FILES_MAX = env.integer("RESULTS_FILES_MAX", 10_000, minimum=1)
RESULTS_LIMIT_MIB = env.integer("RESULTS_LIMIT_MIB", 10_240, minimum=1)
WARM_CONTAINERS = env.boolean("WARM_CONTAINERS", True)
CHUNKS_MAX = env.integer("CHUNKS_MAX", 100_000, minimum=1)
CHUNKS_LIMIT_MIB = env.integer("CHUNKS_LIMIT_MIB", 102_400, minimum=1)
CACHE_ROOT = Path(env.text("CACHE_ROOT", str(STATE_DIR / "cache"))).absolute()
USER_CACHE_LIMIT_MIB = env.integer("USER_CACHE_LIMIT_MIB", 10_240, minimum=1)
KEEP_DAYS = env.integer("KEEP_DAYS", 90, minimum=1)
PRICE_UNIT = env.text("PRICE_UNIT")
JOB_SHELLS = env.boolean("JOB_SHELLS", False)
APPDEF_LIMIT_MIB = env.integer("APPDEF_LIMIT_MIB", 4, minimum=1)
BUNDLE_LIMIT_MIB = env.integer("BUNDLE_LIMIT_MIB", 64, minimum=1)
BUNDLE_IMAGE = env.text("BUNDLE_IMAGE", "docker.io/library/python:3.12-slim")

# Connecting to what jobs serve
PUBLIC_ADDRESS = env.text("PUBLIC_ADDRESS")
IDLE_STOP_HOURS = env.integer("IDLE_STOP_HOURS", 0, minimum=0)
RELAY = env.text("RELAY", "127.0.0.1:0")
APPS_BY_PATH = env.boolean("APPS_BY_PATH", False)
RELAY_NAMED = env.text("RELAY_NAMED")
APPS_DOMAIN = env.domain("APPS_DOMAIN", "localhost" if urlsplit(PUBLIC_URL).hostname in LOOPBACK else "")

# Doors
JARVICE_API = env.boolean("JARVICE_API", False)

# REST
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "portal.api.authentication.TokenAuthentication",
        "portal.api.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["portal.api.permissions.SignedInWithScope"],
    "DEFAULT_RENDERER_CLASSES": ["portal.api.renderers.AnyTextJSON"],
    "DEFAULT_PARSER_CLASSES": ["portal.api.parsers.StrictJSONParser"],
    "DEFAULT_SCHEMA_CLASS": "portal.api.schema.PortalSchema",
    "EXCEPTION_HANDLER": "portal.api.problems.handle",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS: dict[str, Any] = {
    "TITLE": "Slipway",
    "DESCRIPTION": "Launch containerised programs and read what came out. Errors are RFC 9457 problem+json.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": [],  # choices stay where they are used, instead of in components with made-up names
}

LANGUAGE_CODE = "en"
TIME_ZONE = env.text("TIME_ZONE", "UTC")
USE_TZ = True
USE_I18N = False

LOG_LEVEL = env.text("LOG_LEVEL", "INFO", allowed=("DEBUG", "INFO", "WARNING", "ERROR"))
LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"without_query": {"()": "portal.logs.WithoutQuery"}},
    "formatters": {"line": {"()": "portal.logs.formatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    "loggers": {
        "django.server": {
            "handlers": ["stderr"],
            "level": "WARNING",
            "propagate": False,
            "filters": ["without_query"],
        },
        "dramatiq": {"level": "WARNING"},
        "urllib3": {"level": "WARNING"},
    },
}
