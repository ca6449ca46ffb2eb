"""The S3 service behind a vault of type OBJECT, or a source or destination in a bucket: its client, answers, listings.

Nothing is taken from this process's own surroundings (keys, profiles, instance roles): the place says all there is.
The client's library weighs a worker down, so s3_client is imported where a bucket is first spoken to, and not before.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from urllib3.exceptions import HTTPError

from jobs.object_words import ObjectWords
from jobs.safe_paths import DEPTH_MAX, NAME_MAX_BYTES
from portal.errors import NotFound, PortalError
from portal.outward import NotPublic

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from types_boto3_s3.client import S3Client

KEY_MAX = 1024

GONE = frozenset({"NoSuchKey", "404", "NotFound"})
WRONG_KEY = frozenset({"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "AuthFailure"})
DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", "403", "Forbidden"})
WRONG_REGION = frozenset(
    {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
BUSY = frozenset(
    {"SlowDown", "ServiceUnavailable", "InternalError", "RequestTimeout", "OperationAborted", "RequestTimeTooSkewed"}
)


class ObjectsAway(PortalError):
    """Raised where the service can't be reached or does not do its work just now: trying again can help."""

    code = "object_store_away"
    status = 503


class ObjectsRefused(PortalError):
    """Raised where the service refuses what the place says: bucket, key, region or rights."""

    code = "object_store_refused"
    status = 409


@dataclass(frozen=True, slots=True)
class Found:
    """An object: its key below the vault's prefix."""

    key: str
    size: int
    changed: datetime
    etag: str


class Place(Protocol):
    """A bucket, how to reach it, and how it is spoken of. `guarded`: a person named the endpoint, so only public ones will do."""

    @property
    def bucket(self) -> str: ...
    @property
    def prefix(self) -> str: ...
    @property
    def endpoint(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def access_key(self) -> str: ...
    @property
    def sealed_secret(self) -> str: ...
    @property
    def guarded(self) -> bool: ...
    @property
    def called(self) -> str: ...
    @property
    def words(self) -> ObjectWords: ...


def client(place: Place, *, patient: bool = False) -> S3Client:
    """The place's client, made once and safe to share among threads. `patient`: for a worker, whom nobody waits for."""
    from botocore.exceptions import BotoCoreError

    from jobs import s3_client

    way = s3_client.Way(place.endpoint, place.region, place.access_key, place.sealed_secret, place.guarded, patient)
    try:
        return s3_client.of(way)
    except (ValueError, BotoCoreError) as error:
        raise ObjectsRefused(_said(place, "no_endpoint", region=place.region, reason=str(error))) from error


@contextmanager
def plain_faults(place: Place, path: str = "") -> Iterator[None]:
    """Turn what the service or the way to it answers into our errors. `path` is the object that is spoken of."""
    from botocore import exceptions

    try:
        yield
    except exceptions.ClientError as error:
        raise _told(place, path, error) from error
    except exceptions.ParamValidationError as error:
        raise ObjectsRefused(_said(place, "bad_bucket")) from error
    except exceptions.SSLError as error:
        raise ObjectsAway(_said(place, "certificate")) from error
    except (exceptions.BotoCoreError, HTTPError, ConnectionError, TimeoutError) as error:
        refused = getattr(error, "kwargs", {}).get("error")
        if isinstance(refused, NotPublic):
            raise refused from error
        raise ObjectsAway(_said(place, "silent")) from error


def _said(place: Place, which: str, **more: str) -> str:
    where = place.endpoint or "Amazon S3"
    sentence: str = getattr(place.words, which)
    return sentence.format(where=where, name=place.called, bucket=place.bucket, **more)


def _told(place: Place, path: str, error: ClientError) -> PortalError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "NoSuchBucket":
        return ObjectsRefused(_said(place, "no_bucket"))
    if code in GONE:
        return NotFound(_said(place, "gone", path=path))
    if code in WRONG_KEY:
        return ObjectsRefused(_said(place, "wrong_key"))
    if code in WRONG_REGION:
        return ObjectsRefused(_said(place, "wrong_region", region=place.region or "us-east-1"))
    if code in DENIED:
        return ObjectsRefused(_said(place, "denied"))
    if code in BUSY or status >= 500:
        return ObjectsAway(_said(place, "busy", code=code))
    if code in {"PreconditionFailed", "412"}:
        return ObjectsAway(_said(place, "changed", path=path))
    return ObjectsRefused(_said(place, "refused", code=code or str(status)))


# Keys


def prefix_of(place: Place) -> str:
    """What the keys of all that belongs to the place begin with: "" or "some/where/"."""
    bare = place.prefix.strip("/")
    return f"{bare}/" if bare else ""


def key_of(place: Place, path: str) -> str:
    return prefix_of(place) + path


def key_fault(key: str) -> str:
    """Why the key below the prefix can't be a path on a disk, or "". A "/" at its end stands for a folder."""
    names = key.removesuffix("/").split("/")
    if "\0" in key:
        return "name with a NUL character"
    if len(key) > KEY_MAX or len(names) > DEPTH_MAX:
        return f"name of more than {KEY_MAX} characters or {DEPTH_MAX} folders"
    if "" in names:
        return "name that starts with '/' or holds '//'"
    if "." in names or ".." in names:
        return "name with '.' or '..' as a folder"
    if any(len(name.encode("utf-8", "surrogatepass")) > NAME_MAX_BYTES for name in names):
        return f"part of the name of more than {NAME_MAX_BYTES} bytes"
    return ""


# Reading


def pages(place: Place, below: str = "", *, delimiter: str = "", patient: bool = False, most: int = 0) -> Iterator[Any]:
    """What the service lists below a key, a thousand at a time; `most` stops it earlier."""
    asked: dict[str, Any] = {"Bucket": place.bucket, "Prefix": key_of(place, below)}
    asked |= {"Delimiter": delimiter} if delimiter else {}
    asked |= {"PaginationConfig": {"MaxItems": most, "PageSize": most}} if most else {}
    found = iter(client(place, patient=patient).get_paginator("list_objects_v2").paginate(**asked))
    while True:
        with plain_faults(place, below):
            page = next(found, None)
        if page is None:
            return
        yield page


def found_in(page: Any, place: Place) -> Iterator[Found]:
    cut = len(prefix_of(place))
    for one in page.get("Contents", ()):
        yield Found(one["Key"][cut:], one["Size"], one["LastModified"], one.get("ETag", "").strip('"'))


def objects(place: Place, below: str = "", *, patient: bool = False) -> Iterator[Found]:
    """Every object below a key, in the order of keys; the object that is only the prefix itself is left out."""
    for page in pages(place, below, patient=patient):
        yield from (found for found in found_in(page, place) if found.key)


def head(place: Place, path: str, *, patient: bool = False) -> Found | None:
    """The object of exactly this path, or None."""
    try:
        with plain_faults(place, path):
            seen = client(place, patient=patient).head_object(Bucket=place.bucket, Key=key_of(place, path))
    except NotFound:
        return None
    return Found(path, seen["ContentLength"], seen["LastModified"], seen.get("ETag", "").strip('"'))
