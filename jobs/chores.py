"""Short chores that any worker can do: looking images up, reading apps out of them, mail."""

from __future__ import annotations

import logging
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
    record_texts,
)
from jobs.models import Endpoint, Job
from jobs.readiness import READY
from jobs.runtimes import image_layers
from jobs.runtimes.base import Runtime, RuntimeFault
from jobs.states import JOB_TERMINAL

logger = logging.getLogger(__name__)
LATE = timedelta(seconds=60)
IMAGE_TEXTS = {name: image_layers.LIMITS[name] for name in ("help.html", "url.txt")}  # at most so many bytes


def look_up_image(version_pk: int, runtime: Runtime) -> None:
    """Find (or pull) a version's image and pin it: by image id where it is local, else by digest."""
    version = Version.objects.filter(pk=version_pk).first()
    if version is None or not version.image:
        return
    try:
        info = runtime.image(version.image, pull=True)
    except RuntimeFault as fault:
        if fault.code == "engine_away":
            raise
        record_image(version_pk=version.pk, image=version.image, pinned="", state="missing", message=str(fault))
        return
    found = record_image(version_pk=version.pk, image=version.image, pinned=info.pinned, state="found", message="")
    if found and not (version.help_html and version.url_template):
        _read_texts(version, info.pinned, runtime)


def _read_texts(version: Version, pinned: str, runtime: Runtime) -> None:
    """What the image says of itself to people, for a version whose definition did not come out of it."""
    try:
        texts = {name: runtime.read_file(pinned, f"/etc/NAE/{name}", limit) for name, limit in IMAGE_TEXTS.items()}
    except RuntimeFault as fault:
        logger.info("What %s says of itself was not read: %s", version.image, fault)
        return
    record_texts(version_pk=version.pk, image=version.image, files={name: raw or b"" for name, raw in texts.items()})


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


def mail_about_app(endpoint_pk: int) -> None:
    """One mail to the owner of a job: that its app can be connected to, or that it is stopped soon, as nobody uses it."""
    rows = Endpoint.objects.exclude(mail_due="").filter(pk=endpoint_pk)
    endpoint = rows.select_related("job__owner", "job__version__app").first()
    if endpoint is None or not endpoint.job.owner.email or not settings.MAIL_ENABLED:
        return
    job, due = endpoint.job, endpoint.mail_due
    if not rows.filter(mail_due=due).update(mail_due=""):
        return  # somebody else is at it
    name = " ".join((job.label or job.version.app.name).split())
    page = f"{settings.PUBLIC_URL}{job.get_absolute_url()}"
    if due == READY:
        title = f"Job {job.number} is ready: {name}"
        said = f"{job.version.app.name}, job {job.number}, answers. Connect to it from its page:"
    else:
        title = f"Job {job.number} is stopped soon: {name}"
        said = (
            f"Nobody has used {job.version.app.name}, job {job.number}, for a while. It is stopped soon, unless "
            "somebody does. To keep it running, open its page:"
        )
    try:
        send_mail(title, f"{said}\n\n{page}\n", None, [job.owner.email])
    except OSError:
        Endpoint.objects.filter(pk=endpoint.pk, mail_due="").update(mail_due=due)
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
    for pk in Endpoint.objects.live().exclude(mail_due="").values_list("pk", flat=True)[:50]:
        mail_about_app(pk)
