"""The ASGI application: apps have origins of their own and are served first; streams are answered by a bare function ahead of Django, all else by Django."""

from __future__ import annotations

import os
from typing import cast

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django = get_asgi_application()

from jobs.events import CHANNEL  # noqa: E402  models load once Django is set up
from jobs.proxy.application import Apps  # noqa: E402
from jobs.streams import ROUTES  # noqa: E402
from portal.bodies import BodyLimit  # noqa: E402
from portal.logs import scrub_servers  # noqa: E402
from portal.streams import Application, Streams  # noqa: E402

application = Apps(Streams(ROUTES, BodyLimit(cast("Application", django)), channel=CHANNEL))
scrub_servers()
