"""The one writer of answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.renderers import JSONRenderer


class _Escaped(JSONRenderer):
    ensure_ascii = True


class AnyTextJSON(JSONRenderer):
    """JSON in UTF-8. Half of a surrogate pair, which a refusal repeats from the body, has no UTF-8: then all is escaped."""

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        try:
            return super().render(data, accepted_media_type, renderer_context)
        except UnicodeEncodeError:
            return _Escaped().render(data, accepted_media_type, renderer_context)
