"""Results as files: opened from the store, one at a time, never all in memory."""

from __future__ import annotations

from typing import BinaryIO, cast

from django.core.files.storage import default_storage

from jobs.models import Result
from portal.errors import NotFound


def open_result(result: Result) -> BinaryIO:
    """The bytes of a result. Raises NotFound where it was skipped when collected, or removed since."""
    if not result.stored:
        why = (
            f"it was left out when the results were collected: {result.skipped}"
            if result.skipped
            else "nothing was stored"
        )
        raise NotFound(f"{result.path} can't be opened, because {why}.")
    try:
        return cast("BinaryIO", default_storage.open(result.stored, "rb"))
    except FileNotFoundError:
        raise NotFound(f"{result.path} is not in the store any more.") from None
