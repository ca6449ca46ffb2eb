"""Apps that come out of images: a curator names one, a worker reads it, and a draft comes of what it holds."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta

from django.db import transaction
from django.db.models.functions import Now
from django.utils import timezone

from apps_catalog import icons
from apps_catalog.launch.connecting import IMAGE_URL, check_url
from apps_catalog.launch.overlay import digest_of
from apps_catalog.launch.reading import Notes
from apps_catalog.launch.spec import Finding, LaunchSpec
from apps_catalog.models import ImageImport, Version
from apps_catalog.services.importing import import_definition
from apps_catalog.services.publishing import IMAGE_RULE, image_fits, require_curator
from apps_catalog.services.reading import authored_spec
from portal.doorbell import chore
from portal.errors import Invalid, PortalError
from portal.people.audit import audit
from portal.people.models import User

WAITING_MAX = 20
READING_MAX = timedelta(minutes=45)


def request_image_import(*, actor: User, image: str, slug: str = "") -> ImageImport:
    """Ask a worker to read an app out of an image. Raises Invalid for a name that is none, and where too many wait."""
    require_curator(actor)
    image = image.strip()
    if not image_fits(image):
        raise Invalid(IMAGE_RULE, code="bad_image")
    waiting = ImageImport.objects.filter(actor=actor, state__in=ImageImport.OPEN)
    if waiting.count() >= WAITING_MAX:
        raise Invalid(f"{WAITING_MAX} images of yours wait to be read already. Wait for one of them.", code="bad_image")
    with transaction.atomic():
        wish = ImageImport.objects.create(actor=actor, image=image, slug=slug.strip()[:80])
        audit("image.import", actor=actor, target=image)
        chore("read_image", wish.pk)
    return wish


def begin_image_import(pk: int) -> ImageImport | None:
    """Take a wish that waits, for one worker alone; None where another has it, or it is done."""
    mine = ImageImport.objects.filter(pk=pk, state=ImageImport.State.WAITING)
    if not mine.update(state=ImageImport.State.READING, started_at=Now()):
        return None
    return ImageImport.objects.select_related("actor").get(pk=pk)


def put_back(wish: ImageImport) -> None:
    """The engine is away: another try, or another worker, may do it."""
    ImageImport.objects.filter(pk=wish.pk, state=ImageImport.State.READING).update(state=ImageImport.State.WAITING)


def fail_image_import(wish: ImageImport, message: str, findings: Sequence[Finding] = ()) -> None:
    """Nothing came of it, and this is why. What is stored of the app stays as it is."""
    _end(wish, ImageImport.State.FAILED, message, findings)


def overdue_image_imports() -> list[int]:
    """Those whose doorbell got lost. What a worker began and left is ended."""
    ImageImport.objects.filter(state=ImageImport.State.READING, started_at__lt=Now() - READING_MAX).update(
        state=ImageImport.State.FAILED,
        message="The worker that read it went away. Ask again.",
        finished_at=Now(),
    )
    rows = ImageImport.objects.filter(state=ImageImport.State.WAITING, created_at__lt=Now() - timedelta(minutes=1))
    return list(rows.order_by("pk").values_list("pk", flat=True)[:3])


def finish_image_import(wish: ImageImport, *, files: Mapping[str, bytes], notes: Sequence[str], pinned: str) -> None:
    """Make a draft of what an image holds: the definition to the letter, the icon, the licence, the help, the address."""
    remarks = [Finding("info", "image", note) for note in notes] + _remarks_on_url(files.get("url.txt", b""))
    actor = wish.actor
    if actor is None or not actor.curates:
        fail_image_import(wish, "Whoever asked for it is no curator any more.")
        return
    if "AppDef.json" not in files:
        said = f"The image {wish.image} has no /etc/NAE/AppDef.json. Start from a definition for any image instead."
        fail_image_import(wish, said, remarks)
        return
    try:
        with transaction.atomic():
            done = import_definition(text=files["AppDef.json"], actor=actor, slug=wish.slug)
            found = [*remarks, *done.reading.findings]
            version = done.version
            if version is not None and (done.created or version.state == Version.State.DRAFT):
                _fill(version, files, wish.image, pinned)
    except PortalError as refusal:
        fail_image_import(wish, refusal.message, remarks)
        return
    if version is None:
        said = f"The AppDef in {wish.image} has errors, so nothing was imported. What was there of the app is kept."
        fail_image_import(wish, said, found)
        return
    name = f"version {version.label} of {version.app.name}"
    said = f"Imported as {name}, a draft."
    if not done.created:
        said = f"The definition in it is there already: {name}."
    wish.version = version
    _end(wish, ImageImport.State.DONE, said, found)


def _end(wish: ImageImport, state: str, message: str, findings: Sequence[Finding]) -> None:
    wish.state, wish.message = state, message
    wish.findings = [asdict(finding) for finding in findings]
    wish.finished_at = timezone.now()
    wish.save(update_fields=["state", "message", "findings", "version", "finished_at"])


def _fill(version: Version, files: Mapping[str, bytes], image: str, pinned: str) -> None:
    """What the image brings beside the definition. The author's icon goes before the picture in the image."""
    version.image, version.image_pinned = image, pinned
    version.image_state, version.image_message = Version.ImageState.FOUND, ""
    version.eula = _text(files.get("license.txt", b""))
    version.help_html = _text(files.get("help.html", b""))
    version.url_template = _text(files.get("url.txt", b""))
    picture = _picture(authored_spec(version), files.get("screenshot.png", b""))
    if picture and "icon" not in version.overlay:
        version.overlay = {**version.overlay, "icon": picture}
        version.overlay_digest = digest_of(version.overlay)
    version.save()


def record_texts(*, version_pk: int, image: str, files: Mapping[str, bytes]) -> None:
    """Keep help.html and url.txt of the image of a version that came without them; what it has already stays."""
    rows = Version.objects.filter(pk=version_pk, image=image)
    rows.filter(help_html="").update(help_html=_text(files.get("help.html", b"")))
    rows.filter(url_template="").update(url_template=_text(files.get("url.txt", b"")))


def _remarks_on_url(raw: bytes) -> list[Finding]:
    """A link of the image's that leads out of the job: commands that hang on it can't be launched."""
    notes = Notes()
    if text := _text(raw):
        check_url(text, "", notes, whose=f"The {IMAGE_URL} of the image")
    return [replace(finding, level="warning") for finding in notes.findings]


def _text(raw: bytes) -> str:
    """A file as text that a row can hold."""
    return raw.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\0", "").strip()


def _picture(spec: LaunchSpec, raw: bytes) -> str:
    if not raw or icons.draw(spec.icon_base64, spec.icon_type).png is not None:
        return ""
    drawn = icons.draw(base64.b64encode(raw).decode(), "image/png").png
    return base64.b64encode(drawn).decode() if drawn else ""
