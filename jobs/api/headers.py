"""Headers that calls which make something take and give."""

from __future__ import annotations

import re

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from portal.errors import Invalid

SHAPE = re.compile(r"[\x21-\x7e]{1,200}")
KEY = OpenApiParameter("Idempotency-Key", str, OpenApiParameter.HEADER, description="Up to 200 visible characters.")
LOCATION = OpenApiParameter("Location", OpenApiTypes.URI_REF, OpenApiParameter.HEADER, response=[201])


def key_of(request: Request) -> str:
    """The Idempotency-Key, "" where there is none. Raises Invalid."""
    key = request.headers.get("Idempotency-Key", "")
    if key and not SHAPE.fullmatch(key):
        raise Invalid("An Idempotency-Key has 1 to 200 visible ASCII characters, e.g. a UUID.", code="bad_key")
    return key
