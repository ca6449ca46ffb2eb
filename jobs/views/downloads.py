"""Files of jobs and vaults that leave the portal, by names that every computer takes."""

from __future__ import annotations

from typing import IO

from jobs.uploads import shown_name
from portal import downloads


class Attachment(downloads.Attachment):
    """As the portal's, with a name that may be anything."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        super().__init__(file, shown_name(name))
