"""Uploads: files sent for a parameter, in the store until a job uses them or they expire."""

from __future__ import annotations

import binascii
import fcntl
import hashlib
import os
import unicodedata
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, cast

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.db.models import Value
from django.db.models.functions import Greatest, Now
from django.utils import timezone

from apps_catalog.launch.parameters.files import in_bytes
from jobs import identity, mounts, store
from jobs.models import Upload
from portal.errors import Conflict, Invalid, NotFound, TooLarge
from portal.people.models import User

UNSHOWN = frozenset({"Cc", "Cs", "Zl", "Zp"})
TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")  # they make exe.png of gnp.exe
BASE64_PIECE = 4 * 2**18  # a multiple of four, so that every piece but the last stands for whole bytes


def receive(*, owner: User, name: str, chunks: Iterable[bytes], limit_bytes: int) -> Upload:
    """Stream a file into the store. Raises TooLarge or Full, and then neither bytes nor a usable row are left."""
    mounts.mark()
    key = uuid.uuid4()
    stored = f"uploads/{key.hex[:2]}/{key.hex}"
    upload = Upload.objects.create(
        id=key,
        owner=owner,
        name=shown_name(name),
        stored=stored,
        expires_at=timezone.now() + timedelta(hours=settings.UPLOAD_KEEP_HOURS),
    )
    try:
        put = store.put(
            default_storage, stored, chunks, limit_bytes=min(limit_bytes, settings.UPLOAD_LIMIT_MIB * 2**20)
        )
        _share(path_of(upload))
    except BaseException:
        upload.delete()
        raise
    upload.size, upload.sha256, upload.complete = put.size, put.sha256, True
    upload.save(update_fields=["size", "sha256", "complete"])
    return upload


def begin(*, owner: User, name: str, size: int | None = None) -> Upload:
    """A file that is still to come, in pieces, to the address of jobs.upload_addresses. Raises TooLarge where it can't be kept."""
    mounts.mark()
    limit = settings.UPLOAD_LIMIT_MIB * 2**20
    if size is not None and size > limit:
        raise TooLarge(f"The file has {in_bytes(size)}; at most {in_bytes(limit)} are allowed here.")
    key = uuid.uuid4()
    return Upload.objects.create(
        id=key,
        owner=owner,
        name=shown_name(name),
        stored=f"uploads/{key.hex[:2]}/{key.hex}",
        awaited_bytes=size,
        expires_at=timezone.now() + timedelta(hours=settings.UPLOAD_KEEP_HOURS),
    )


def arrived(upload: Upload) -> int:
    """How many bytes of it are here."""
    try:
        return path_of(upload).stat().st_size
    except FileNotFoundError:
        return 0


def go_on(upload: Upload, chunks: Iterable[bytes], *, start: int, total: int | None) -> Upload:
    """Add bytes from `start` on; 0 begins anew. With `total` None the end of the stream is the end of the file.

    What has come stays, also where the stream breaks off: the next call goes on there. Once all is here the upload is
    complete. Raises Conflict where `start` is not where it stands or another request is at it, TooLarge, Full, NotFound.
    """
    limit = settings.UPLOAD_LIMIT_MIB * 2**20
    said = upload.awaited_bytes if upload.awaited_bytes is not None else total
    if total is not None and said != total:
        raise Invalid(f"This file was announced with {said:,} bytes, and now with {total:,}. Begin a new upload.")
    if said is not None and said > limit:
        raise TooLarge(f"The file has {in_bytes(said)}; at most {in_bytes(limit)} are allowed here.")
    place = path_of(upload)
    place.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    with store.disk_faults(), place.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy = "Another request is sending this file just now. Wait for it, or begin a new upload."
            raise Conflict(busy, code="busy") from None
        if start == 0:
            file.truncate(0)
        here = file.seek(0, os.SEEK_END)
        if start != here:
            raise Conflict(f"{here:,} bytes of this file are here. Go on from there.", code="offset")
        for chunk in chunks:
            here += len(chunk)
            if here > (limit if said is None else said):
                file.truncate(start)
                raise TooLarge(f"More than {said or limit:,} bytes came. Send the file as it was announced.")
            file.write(chunk)
        file.flush()
        if said is not None and here < said:
            return upload
        _share(place)
        with place.open("rb") as whole:
            digest = hashlib.file_digest(whole, "sha256").hexdigest()
        done = {"size": here, "sha256": digest, "complete": True}
        if not Upload.objects.filter(pk=upload.pk, complete=False).update(**done):
            raise NotFound("This upload is not there any more. Begin a new one.")
    upload.size, upload.sha256, upload.complete = here, digest, True
    return upload


def from_base64(*, owner: User, name: str, text: str, limit_bytes: int) -> Upload:
    """The same from strict base64 text (RFC 4648 section 4, no line breaks). Raises Invalid or TooLarge."""
    if len(text) > -(-limit_bytes // 3) * 4:
        raise TooLarge(f"The file has more than {in_bytes(limit_bytes)}, which is the most allowed here.")
    return receive(owner=owner, name=name, chunks=_decoded(text), limit_bytes=limit_bytes)


def once(upload: Upload) -> Upload:
    """The owner's earlier upload of the very same bytes, where there is one and it lasts; then this one is removed.

    So a file that is sent anew with each submission is one file, and equal submissions have equal plans.
    """
    same = Upload.objects.usable_by(upload.owner).filter(sha256=upload.sha256, size=upload.size)
    with transaction.atomic():
        kept = same.exclude(pk=upload.pk).order_by("created_at", "pk").distinct().first()
        # Retention takes rows that have expired: one whose time was put off in time is not among them.
        if kept is None or not Upload.objects.filter(pk=kept.pk).update(
            expires_at=Greatest("expires_at", Value(upload.expires_at))
        ):
            return upload
        upload.delete()
        transaction.on_commit(lambda: default_storage.delete(upload.stored))
    return kept


def _decoded(text: str) -> Iterator[bytes]:
    for start in range(0, len(text), BASE64_PIECE):
        piece = text[start : start + BASE64_PIECE]
        ends_early = "=" in piece and start + BASE64_PIECE < len(text)
        try:
            content = binascii.a2b_base64(piece, strict_mode=True)
        except ValueError:
            ends_early, content = True, b""
        if ends_early:
            raise Invalid("The file's content is not base64 text. Encode the file with base64, without line breaks.")
        yield content


def shown_name(name: str) -> str:
    """What a file is called on pages: the last part of what the browser said, as one line of at most 255 characters."""
    return plain_name(name)[:255] or "file"


def plain_name(name: str) -> str:
    """The last part of a name, without what can't be seen or turns what can; "" where nothing is left."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    return "".join(one for one in last if unicodedata.category(one) not in UNSHOWN and one not in TURNING).strip()


def check_extension(name: str, accept: Sequence[str]) -> None:
    """Raises Invalid unless `accept` is empty or the name ends, in any case, in one of its extensions (`.json`)."""
    if accept and not name.lower().endswith(tuple(one.lower() for one in accept)):
        raise Invalid(f"'{shown_name(name)}' does not end in {' or '.join(accept)}. Choose such a file.")


def open_upload(upload: Upload) -> BinaryIO:
    return cast("BinaryIO", default_storage.open(upload.stored))


def path_of(upload: Upload) -> Path:
    """Where the file lies, for a host that sees the store to mount it."""
    return Path(default_storage.path(upload.stored))


def _share(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        identity.share_file(fd)
    finally:
        os.close(fd)


def purge_expired(*, at_most: int = 500) -> int:
    """Remove uploads past their time that no job uses; gives how many. A row that a submit holds locked is left alone."""
    with transaction.atomic():
        expired = Upload.objects.filter(expires_at__lt=Now(), jobs=None).order_by("expires_at")
        rows = list(expired.select_for_update(skip_locked=True, of=("self",))[:at_most])
        Upload.objects.filter(pk__in=[row.pk for row in rows]).delete()
    for row in rows:
        if row.stored:
            default_storage.delete(row.stored)
    return len(rows)
