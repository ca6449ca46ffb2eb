"""Jobs and templates of a caller, as calls name them."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Prefetch, QuerySet

from jobs.models import Job, JobStage
from jobs.states import Stage
from portal.errors import NotFound
from portal.people.models import User

HEAVY = ("plan", "version__definition", "version__findings", "version__app__icon", "version__app__search")
STAGES = JobStage.objects.select_related("version__app", "machine_type").defer("plan", *HEAVY[1:])


def jobs_of(user: User) -> QuerySet[Job]:
    """The jobs in stages that the person may see, with all that an answer needs."""
    rows = Job.objects.visible_to(user).filter(in_stages=True)
    return (
        rows.select_related("version__app", "owner", "template__owner")
        .defer(*HEAVY)
        .prefetch_related(Prefetch("stages", STAGES))
    )


def find_job(user: User, text: str) -> Job:
    """The job with this id. Raises NotFound."""
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else 0
    job = jobs_of(user).filter(number=number).first()
    if job is None:
        raise NotFound(f"There is no job '{text[:40]}', or it is not yours to see.")
    return job


def stages_of(job: Job) -> Sequence[JobStage]:
    """Its three rows, in order."""
    order = list(Stage)
    return sorted(job.stages.all(), key=lambda row: order.index(Stage(row.stage)))
