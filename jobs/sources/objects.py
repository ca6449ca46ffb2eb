"""Buckets of object stores, which all speak S3: files from them, and results to them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from jobs import listing, safe_paths, vault_levels, vault_s3
from jobs.care import several
from jobs.listing import Listing
from jobs.models.storage import ENDPOINT
from jobs.object_words import OF_A_BUCKET, ObjectWords
from jobs.sources import keys
from jobs.sources.base import Destination, Fields, Files, Kind, Refused, Seen, Source, seen_of
from jobs.sources.names import Names
from jobs.sources.passage import PIECE_BYTES, Passage
from jobs.sources.paths import Chosen, choose, each_once, folder_path, for_job
from jobs.vault_s3 import Found
from jobs.vault_transfer import Reader, Writer
from portal import outward
from portal.errors import NotFound
from portal.people.models import User


@dataclass(frozen=True)
class Service:
    """A kind of object store: where it is and in which region, unless a job says otherwise. No endpoint: Amazon's own."""

    kind: str
    label: str
    endpoint: str
    region: str


SERVICES = (
    Service("s3", "S3 service", "", "us-east-1"),
    Service("aws", "Amazon S3", "", "us-east-1"),
    Service("gcp", "Google Cloud Storage", "https://storage.googleapis.com", "auto"),
    Service("storj", "Storj", "https://gateway.storjshare.io", "us1"),
)
PLACE = ("bucket", "region", "endpoint", "secret", *keys.INLINE)


@dataclass(frozen=True)
class Bucket:
    """A vault_s3.Place that a person named: its endpoint is connected to only where that is public."""

    bucket: str
    endpoint: str
    region: str
    access_key: str
    sealed_secret: str = field(repr=False)
    prefix: str = ""
    guarded: ClassVar[bool] = True
    words: ClassVar[ObjectWords] = OF_A_BUCKET

    @property
    def called(self) -> str:
        return f"the bucket '{self.bucket}'"

    def folder(self, path: str, *, search: str, offset: int, limit: int) -> Listing:
        """A page of a folder. Raises NotFound where no key begins with it."""
        names = safe_paths.parts(path)
        folder = "".join(f"{name}/" for name in names)
        level = vault_levels.read(self, folder)
        if not level.exists:
            raise NotFound(f"There is no folder '{path}' in {self.called}.")
        return listing.select(level.entries, "/".join(names), search=search, offset=offset, limit=limit, cut=level.cut)


@dataclass(frozen=True)
class FromBucket:
    place: Bucket
    chosen: tuple[Chosen, ...]

    def fetch(self, into: Path, passage: Passage) -> list[str]:
        found = passage.steady(lambda: passage.gather(self._meant(patient=True)))
        passage.expect(len(found), sum(one.size for one in found))
        names = Names()
        named = [(names.take(one.key), one) for one in found]

        def bring(one: tuple[str, Found]) -> None:
            name, there = one
            with Reader(self.place, there, patient=True) as reader:

                def pieces() -> Iterator[bytes]:
                    while piece := passage.steady(lambda: reader.read(PIECE_BYTES)):
                        yield piece

                passage.save(into / name, pieces())
            if (size := (into / name).stat().st_size) != there.size:
                raise Refused(f"'{there.key}' has {there.size:,} bytes, and only {size:,} came. Try again.")
            passage.arrived()

        for _ in several(bring, iter(named), passage):
            continue
        return [name for name, _ in named]

    def look(self) -> Seen:
        return seen_of(self._meant(patient=False), self.place.called)

    def folder(self, path: str, *, search: str, offset: int, limit: int) -> Listing:
        return self.place.folder(path, search=search, offset=offset, limit=limit)

    def _meant(self, *, patient: bool) -> Iterator[Found]:
        """What is meant, each object once. Raises NotFound for a path that is nothing."""

        def nothing(one: Chosen) -> NotFound:
            _demand_bucket(self.place, patient=patient)
            where = self.place.called
            said = f"There is no '{one.path}' in {where}" if one.path else f"There is nothing in {where}"
            hint = f" A folder needs a / at its end: '{one.path}/'." if one.name and not one.wild else ""
            return NotFound(f"{said}. Check the path.{hint}")

        return each_once(self.chosen, lambda one: _objects(self.place, one, patient=patient), nothing)


def _objects(place: Bucket, one: Chosen, *, patient: bool) -> Iterator[Found]:
    if one.name and not one.wild:
        if found := vault_s3.head(place, one.path, patient=patient):
            yield found
        return
    if not one.name:
        files = vault_s3.objects(place, one.folder, patient=patient)
        yield from (found for found in files if not found.key.endswith("/"))
        return
    for page in vault_s3.pages(place, one.folder, delimiter="/", patient=patient):
        for found in vault_s3.found_in(page, place):
            if listing.matches(found.key[len(one.folder) :], [one.name]):
                yield found


def _demand_bucket(place: Bucket, *, patient: bool) -> None:
    """A HEAD says only 404: whether the bucket itself is missing is told by a listing."""
    next(vault_s3.pages(place, most=1, patient=patient), None)


@dataclass(frozen=True)
class ToBucket:
    place: Bucket
    path: str
    trivial: ClassVar[bool] = False

    def deliver(self, files: Files, passage: Passage) -> None:
        below = for_job(self.path, passage.job_number)

        def bring(one: tuple[str, Path]) -> None:
            name, there = one
            passage.steady(lambda: self._send(below + name, there, passage))
            passage.arrived()

        for _ in several(bring, iter(files), passage):
            continue

    def _send(self, key: str, there: Path, passage: Passage) -> None:
        writer = Writer(self.place, key, patient=True)
        try:
            writer.send(passage.pieces(there))
            writer.finish()
        except BaseException:
            writer.abort()
            passage.uncount(writer.size)
            raise

    def look(self) -> str:
        """A large file is begun and given up: that needs the right to write, and leaves nothing."""
        key = f"{for_job(self.path, 0)}slipway-test"
        ours = vault_s3.client(self.place)
        with vault_s3.plain_faults(self.place, key):
            begun = ours.create_multipart_upload(Bucket=self.place.bucket, Key=key)
            ours.abort_multipart_upload(Bucket=self.place.bucket, Key=key, UploadId=begun["UploadId"])
        return f"The bucket '{self.place.bucket}' can be written to."

    def folder(self, path: str, *, search: str, offset: int, limit: int) -> Listing:
        return self.place.folder(path, search=search, offset=offset, limit=limit)


def _place(service: Service, fields: Fields, owner: User) -> Bucket:
    bucket = fields.text("bucket", required="must name the bucket", most=100)
    if bucket and ("/" in bucket or ":" in bucket):
        fields.wrong("bucket", "bucket", "is the name alone, without s3:// and without a path")
    region = fields.text("region", most=60) or service.region
    required = "must be the address of the service, such as https://s3.example.org" if service.kind == "s3" else ""
    endpoint = fields.text("endpoint", required=required, most=300) or service.endpoint
    if endpoint and (fault := outward.address_fault(endpoint)):
        fields.wrong("endpoint", "address", fault)
    elif endpoint and not re.match(ENDPOINT.regex, endpoint):
        fields.wrong("endpoint", "address", "is no endpoint. Write it like https://s3.example.org")
    held = keys.read(fields, owner)
    return Bucket(bucket, endpoint, region, held.access_key, held.sealed_secret)


def _source_kind(service: Service) -> Kind[Source]:
    def read(fields: Fields, owner: User) -> FromBucket:
        return FromBucket(_place(service, fields, owner), tuple(choose(fields)))

    return Kind(service.kind, service.label, (*PLACE, "paths"), read)


def _destination_kind(service: Service) -> Kind[Destination]:
    def read(fields: Fields, owner: User) -> ToBucket:
        path = folder_path(fields)
        if path and (fault := vault_s3.key_fault(path)):
            fields.wrong("path", "path", f"can't be a folder here: {fault}")
        return ToBucket(_place(service, fields, owner), path)

    return Kind(service.kind, service.label, (*PLACE, "path"), read)


SOURCES = tuple(map(_source_kind, SERVICES))
DESTINATIONS = tuple(map(_destination_kind, SERVICES))
