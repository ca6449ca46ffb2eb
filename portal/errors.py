"""The one root of our errors: raised where one knows what to say, turned into a page or problem+json in one place each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class FaultLike(Protocol):
    """What an `errors` entry needs: an RFC 6901 pointer, a code and a message in plain words."""

    @property
    def pointer(self) -> str: ...
    @property
    def code(self) -> str: ...
    @property
    def message(self) -> str: ...


class PortalError(Exception):
    """str = what happened and what to do. `code` is stable for programs; `status` is the HTTP status of every door."""

    code = "refused"
    status = 400

    def __init__(
        self, message: str, *, code: str | None = None, status: int | None = None, faults: Sequence[FaultLike] = ()
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or type(self).code
        self.status = status or type(self).status
        self.faults = tuple(faults)


class NotFound(PortalError):
    """Raised for what does not exist and for what is not yours: both look the same from outside."""

    code = "not_found"
    status = 404


class Forbidden(PortalError):
    """Raised where you may see the thing but not do this to it."""

    code = "forbidden"
    status = 403


class Conflict(PortalError):
    """Raised when the thing is not in a state that allows this."""

    code = "conflict"
    status = 409


class Invalid(PortalError):
    """Raised with the faults of a submission or a form."""

    code = "invalid"
    status = 422

    @classmethod
    def of(cls, faults: Sequence[FaultLike], before: str = "") -> Invalid:
        """One that says how many there are: "3 things to fix before launching."."""
        return cls(f"{things_to_fix(len(faults), before)}.", faults=faults)


def things_to_fix(count: int, before: str = "") -> str:
    """ "3 things to fix before launching"; "" for none."""
    if not count:
        return ""
    return f"{count:,} thing{'' if count == 1 else 's'} to fix{f' before {before}' if before else ''}"


class TooLarge(PortalError):
    code = "too_large"
    status = 413


class Full(PortalError):
    """Raised when a quota, a limit or a disk leaves no room."""

    code = "full"
    status = 409
