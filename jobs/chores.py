"""Short chores that any worker can do: looking images up, reading apps out of them, mail."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta

from django.conf import settings
from django.core.mail import send_mail
from django.db.models.functions import Now

from apps_catalog.models import Version
from apps_catalog.services import (
    begin_image_import,
    fail_image_import,
    finish_image_import,
    overdue_image_imports,
    put_back,
    record_image,
)
from jobs.models import Job
from jobs.registry_logins import login_of
from jobs.runtimes import image_layers
from jobs.runtimes.base import Runtime, RuntimeFault
from jobs.states import JOB_TERMINAL

LATE = timedelta(seconds=60)


def look_up_image(version_pk: int, runtime: Runtime) -> None:
    """Find (or pull) a version's image and pin it: by image id where it is local, else by digest."""
    version = Version.objects.select_related("registry_secret").filter(pk=version_pk).first()
    if version is None or not version.image:
        return
    try:
        info = runtime.image(version.image, pull=True, login=login_of(version))
    except RuntimeFault as fault:
        if fault.code == "engine_away":
            raise
        record_image(version_pk=version.pk, image=version.image, pinned="", state="missing", message=str(fault))
        return
    record_image(version_pk=version.pk, image=version.image, pinned=info.pinned, state="found", message="")


def read_image(pk: int, runtime: Runtime) -> None:
    """Fetch an image that a curator named, and make a draft of the app in it. One worker does it, whoever rings."""
    wish = begin_image_import(pk)
    if wish is None:
        return
    try:
        info = runtime.image(wish.image, pull=True)
        with closing(runtime.export(info.pinned)) as stream:
            found = image_layers.read_image(stream)
    except RuntimeFault as fault:
        if fault.code == "engine_away":
            put_back(wish)
            raise
        fail_image_import(wish, str(fault))
    except image_layers.ImageFault as fault:
        fail_image_import(wish, str(fault))
    else:
        finish_image_import(wish, files=found.files, notes=found.notes, pinned=info.pinned)


def mail_finished(job_number: int) -> None:
    """One mail for a finished job, to its owner, if they asked and have an address."""
    job = Job.objects.select_related("owner", "version__app").filter(pk=job_number, state__in=JOB_TERMINAL).first()
    if job is None or not job.owner.email or not settings.MAIL_ENABLED:
        return
    if not Job.objects.filter(pk=job.pk, notify=True).update(notify=False):
        return  # somebody else is at it
    name = job.label or job.version.app.name
    try:
        send_mail(
            f"Job {job.number} {job.state}: {' '.join(name.split())}",
            f"{job.version.app.name}, job {job.number}: {job.state}.\n{job.reason}\n\n"
            f"{settings.PUBLIC_URL}{job.get_absolute_url()}\n",
            None,
            [job.owner.email],
        )
    except OSError:
        Job.objects.filter(pk=job.pk).update(notify=True)
        raise


def catch_up(runtime: Runtime) -> None:
    """Do the chores whose doorbell got lost: images of published versions not looked up or read, mails not sent."""
    versions = Version.objects.filter(
        state=Version.State.PUBLISHED, image_state=Version.ImageState.UNKNOWN, published_at__lt=Now() - LATE
    ).exclude(image="")
    for pk in versions.values_list("pk", flat=True)[:20]:
        look_up_image(pk, runtime)
    for pk in overdue_image_imports():
        read_image(pk, runtime)
    waiting = Job.objects.filter(notify=True, finished_at__lt=Now() - LATE, finished_at__gt=Now() - timedelta(days=1))
    for number in waiting.values_list("number", flat=True)[:50]:
        mail_finished(number)
