"""How long a slot stays with the stage that it keeps a container for, while others wait for their turn. Decision 36."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from jobs.models import Attempt, Task
from jobs.warm import Warm

STINT_S = 5.0  # a change costs the better part of a second: one container ends, another starts


@dataclass
class Stint:
    """One slot's. It begins with a task that was first in line, and ends STINT_S later with whatever is first in line then."""

    clock: Callable[[], float] = time.monotonic  # in seconds
    _last: Attempt | None = None
    _until: float = 0.0
    _goes_on: bool = False

    def after(self, warm: Warm) -> Task | None:
        """The task whose followers in its stage go before what is first in line; None: nothing does."""
        last = self._last
        self._goes_on = last is not None and self.clock() < self._until and warm.serves(last)
        return last.task if last is not None and self._goes_on else None

    def took(self, attempt: Attempt | None) -> None:
        """What the slot has to do now; None: nothing."""
        if not (self._goes_on and self._last and attempt and _stage(self._last) == _stage(attempt)):
            self._until = self.clock() + STINT_S
        self._last, self._goes_on = attempt, False


def _stage(attempt: Attempt) -> tuple[int, str]:
    return attempt.task.job_id, attempt.task.stage
