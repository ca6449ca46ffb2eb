"""Bytes to and from a bucket, in streams: nothing large is ever whole in memory."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from jobs.vault_s3 import Found, ObjectsAway, ObjectsRefused, Place, client, key_of, plain_faults
from portal.errors import PortalError

PART_BYTES = 8 * 2**20
PARTS_A_SIZE = 1000  # then parts grow: 10,000 of them must be enough for anything
COPY_MAX_BYTES = 5 * 2**30  # the most that one copy request takes
READS = 3  # a stream that breaks off is taken up again where it was
REMOVED_A_REQUEST = 1000


class Reader(io.RawIOBase):
    """An object as an open file: asked for when it is read, from where it is read, and taken up again if it breaks off."""

    def __init__(self, place: Place, found: Found, *, patient: bool = False) -> None:
        self._place, self._found, self._patient = place, found, patient
        self._at = 0
        self._body: Any = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._found.size}[whence]
        if base + offset != self._at:
            self._drop()
            self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Raises ObjectsAway where the stream can't be taken up, also because the object has changed."""
        if self._at >= self._found.size or not len(buffer):
            return 0
        for left in reversed(range(READS)):
            try:
                with plain_faults(self._place, self._found.key):
                    data: bytes = self._open().read(len(buffer))
            except ObjectsAway:
                self._drop()
                if not left:
                    raise
                continue
            buffer[: len(data)] = data
            self._at += len(data)
            return len(data)
        return 0

    def _open(self) -> Any:
        if self._body is None:
            ours = client(self._place, patient=self._patient)
            asked: dict[str, Any] = {"IfMatch": f'"{self._found.etag}"'} if self._found.etag else {}
            if self._at:
                asked["Range"] = f"bytes={self._at}-"
            answer = ours.get_object(Bucket=self._place.bucket, Key=key_of(self._place, self._found.key), **asked)
            self._body = answer["Body"]
        return self._body

    def _drop(self) -> None:
        if self._body is not None:
            with suppress(Exception):
                self._body.close()
            self._body = None

    def close(self) -> None:
        self._drop()
        super().close()


class Writer:
    """An object on its way in, in parts: `send` all of it, then `finish`, or `abort`. Nothing is seen before the end.

    At most two parts are in memory. A small object goes in one request, at `finish`.
    """

    def __init__(self, place: Place, path: str, *, patient: bool = False) -> None:
        self._place, self._path = place, path
        self._client = client(place, patient=patient)
        self._where: dict[str, Any] = {"Bucket": place.bucket, "Key": key_of(place, path)}
        self._upload = ""
        self._parts: list[Any] = []
        self._rest = bytearray()
        self.size = 0

    def send(self, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            self.size += len(chunk)
            self._rest += chunk
            while len(self._rest) >= self._part_bytes():
                self._send_part(self._part_bytes())

    def _part_bytes(self) -> int:
        return PART_BYTES * (1 + len(self._parts) // PARTS_A_SIZE)

    def _send_part(self, length: int) -> None:
        body = bytes(self._rest[:length])
        del self._rest[:length]
        with plain_faults(self._place, self._path):
            if not self._upload:
                self._upload = self._client.create_multipart_upload(**self._where)["UploadId"]
            number = len(self._parts) + 1
            sent = self._client.upload_part(**self._where, UploadId=self._upload, PartNumber=number, Body=body)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})

    def finish(self) -> str:
        """The object is there, whole, in place of what was. Its ETag."""
        if not self._upload:
            with plain_faults(self._place, self._path):
                put = self._client.put_object(**self._where, Body=bytes(self._rest))
                return put["ETag"].strip('"')
        if self._rest:
            self._send_part(len(self._rest))
        with plain_faults(self._place, self._path):
            done = self._client.complete_multipart_upload(
                **self._where, UploadId=self._upload, MultipartUpload={"Parts": self._parts}
            )
        self._upload = ""
        return done["ETag"].strip('"')

    def abort(self) -> None:
        """Leave nothing of it. What a service keeps of a broken upload costs money until its own rules remove it."""
        if self._upload:
            with suppress(PortalError), plain_faults(self._place, self._path):
                self._client.abort_multipart_upload(**self._where, UploadId=self._upload)


def copy(place: Place, found: Found, to: str) -> None:
    """Copy an object within its bucket, whatever its size."""
    ours = client(place, patient=True)
    source: Any = {"Bucket": place.bucket, "Key": key_of(place, found.key)}
    with plain_faults(place, found.key):
        if found.size <= COPY_MAX_BYTES:
            ours.copy_object(Bucket=place.bucket, Key=key_of(place, to), CopySource=source)
        else:
            from boto3.s3.transfer import TransferConfig

            ours.copy(source, place.bucket, key_of(place, to), Config=TransferConfig(use_threads=False))


def remove(place: Place, keys: Iterable[str]) -> int:
    """Remove objects, a thousand a request. Raises ObjectsRefused where the service keeps some."""
    gone, ours = 0, client(place, patient=True)
    batch: list[str] = []

    def flush() -> int:
        named: Any = {"Objects": [{"Key": key_of(place, key)} for key in batch], "Quiet": True}
        with plain_faults(place):
            answer = ours.delete_objects(Bucket=place.bucket, Delete=named)
        if kept := answer.get("Errors"):
            said = f"The object storage of {place.called} kept {len(kept)} of the files"
            raise ObjectsRefused(
                f"{said} ({kept[0].get('Code', 'no reason given')}). Ask an operator to allow deleting."
            )
        return len(batch)

    for key in keys:
        batch.append(key)
        if len(batch) == REMOVED_A_REQUEST:
            gone += flush()
            batch.clear()
    return gone + (flush() if batch else 0)
