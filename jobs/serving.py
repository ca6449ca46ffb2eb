"""Which slots this process serves, so that a doorbell's actor finds them."""

from __future__ import annotations

from jobs.slots import Slots

_serving: list[Slots] = []


def serve(slots: Slots) -> None:
    _serving[:] = [slots]


def serving() -> Slots | None:
    """None in a process that is no worker."""
    return _serving[0] if _serving else None
