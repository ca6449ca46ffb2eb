"""Who may do something to a job that exists."""

from __future__ import annotations

from jobs.models import Job
from portal.people.models import User


def may_change(job: Job, actor: User) -> bool:
    """The owner and operators may; teammates may look."""
    return job.owner_id == actor.pk or actor.operates
