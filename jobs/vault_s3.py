"""The S3 service behind a vault of type OBJECT: one client a vault, its answers in plain words, what it lists.

Nothing is taken from this process's own surroundings (keys, profiles, instance roles): a vault's row says all there is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ParamValidationError,
    SSLError,
)
from urllib3.exceptions import HTTPError

from jobs.models import Vault
from jobs.safe_paths import DEPTH_MAX, NAME_MAX_BYTES
from portal.errors import NotFound, PortalError
from portal.people.sealing import unseal

if TYPE_CHECKING:
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
    """Raised where the service refuses what the vault's row says: bucket, key, region or rights. An operator can help."""

    code = "object_store_refused"
    status = 409


@dataclass(frozen=True, slots=True)
class Found:
    """An object: its key below the vault's prefix."""

    key: str
    size: int
    changed: datetime
    etag: str


@dataclass(frozen=True)
class Way:
    """How to reach a bucket. Hashable: whoever asks the same way shares a client."""

    endpoint: str
    region: str
    access_key: str
    sealed_secret: str
    patient: bool


def client(vault: Vault, *, patient: bool = False) -> S3Client:
    """The vault's client, made once and safe to share among threads. `patient`: for a worker, whom nobody waits for."""
    return _client(Way(vault.endpoint, vault.region, vault.access_key, vault.sealed_secret, patient))


@lru_cache(maxsize=64)
def _client(way: Way) -> S3Client:
    more: dict[str, Any] = {} if way.access_key else {"signature_version": UNSIGNED}
    config = Config(
        connect_timeout=5 if way.patient else 3,
        read_timeout=60 if way.patient else 20,
        retries={"mode": "standard", "total_max_attempts": 3 if way.patient else 2},
        max_pool_connections=16,
        ignore_configured_endpoint_urls=True,
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if way.endpoint else "auto"},
        **more,
    )
    session = boto3.session.Session(
        aws_access_key_id=way.access_key or None,
        aws_secret_access_key=unseal(way.sealed_secret) or None,
        region_name=way.region or "us-east-1",
    )
    try:
        return session.client("s3", endpoint_url=way.endpoint or None, config=config)
    except (ValueError, BotoCoreError) as error:
        raise ObjectsRefused(
            f"The endpoint {way.endpoint} or the region {way.region} can't be meant: {error}"
        ) from error


@contextmanager
def plain_faults(vault: Vault, path: str = "") -> Iterator[None]:
    """Turn what the service or the way to it answers into our errors. `path` is the object that is spoken of."""
    place = vault.endpoint or "Amazon S3"
    try:
        yield
    except ClientError as error:
        raise _told(vault, place, path, error) from error
    except ParamValidationError as error:
        said = f"The bucket '{vault.bucket}' of the vault '{vault.name}' can't be a bucket's name."
        raise ObjectsRefused(f"{said} Ask an operator to set the right one.") from error
    except SSLError as error:
        said = (
            f"The object storage of the vault '{vault.name}' at {place} shows a certificate that is not trusted here."
        )
        raise ObjectsAway(f"{said} Ask an operator.") from error
    except (BotoCoreError, HTTPClientError, IncompleteReadError, HTTPError, ConnectionError, TimeoutError) as error:
        said = f"The object storage of the vault '{vault.name}' at {place} does not answer."
        raise ObjectsAway(f"{said} Try again later, or ask an operator.") from error


def _told(vault: Vault, place: str, path: str, error: ClientError) -> PortalError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    name = f"the vault '{vault.name}'"
    if code == "NoSuchBucket":
        return ObjectsRefused(f"There is no bucket '{vault.bucket}' at {place} for {name}. Ask an operator.")
    if code in GONE:
        return NotFound(f"There is no file '{path}' here. It may have been moved or deleted.")
    if code in WRONG_KEY:
        return ObjectsRefused(f"{place} does not know the access key of {name}. Ask an operator to set it anew.")
    if code in WRONG_REGION:
        return ObjectsRefused(f"The bucket '{vault.bucket}' of {name} is in another region. Ask an operator to set it.")
    if code in DENIED:
        said = f"{place} denies this to the key of {name}, in the bucket '{vault.bucket}'."
        return ObjectsRefused(f"{said} Ask an operator to allow it.")
    if code in BUSY or status >= 500:
        return ObjectsAway(f"The object storage of {name} at {place} is busy or at fault ({code}). Try again later.")
    if code in {"PreconditionFailed", "412"}:
        return ObjectsAway(f"'{path}' in {name} was changed while it was read. Try again.")
    return ObjectsRefused(f"{place} refuses this for {name} ({code or status}). Ask an operator.")


# Keys


def prefix_of(vault: Vault) -> str:
    """What the keys of all that belongs to the vault begin with: "" or "some/where/"."""
    bare = vault.prefix.strip("/")
    return f"{bare}/" if bare else ""


def key_of(vault: Vault, path: str) -> str:
    return prefix_of(vault) + path


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


def pages(vault: Vault, below: str = "", *, delimiter: str = "", patient: bool = False, most: int = 0) -> Iterator[Any]:
    """What the service lists below a key, a thousand at a time; `most` stops it earlier."""
    asked: dict[str, Any] = {"Bucket": vault.bucket, "Prefix": key_of(vault, below)}
    asked |= {"Delimiter": delimiter} if delimiter else {}
    asked |= {"PaginationConfig": {"MaxItems": most, "PageSize": most}} if most else {}
    found = iter(client(vault, patient=patient).get_paginator("list_objects_v2").paginate(**asked))
    while True:
        with plain_faults(vault, below):
            page = next(found, None)
        if page is None:
            return
        yield page


def found_in(page: Any, vault: Vault) -> Iterator[Found]:
    cut = len(prefix_of(vault))
    for one in page.get("Contents", ()):
        yield Found(one["Key"][cut:], one["Size"], one["LastModified"], one.get("ETag", "").strip('"'))


def objects(vault: Vault, below: str = "", *, patient: bool = False) -> Iterator[Found]:
    """Every object below a key, in the order of keys; the object that is only the prefix itself is left out."""
    for page in pages(vault, below, patient=patient):
        yield from (found for found in found_in(page, vault) if found.key)


def head(vault: Vault, path: str) -> Found | None:
    """The object of exactly this path, or None."""
    try:
        with plain_faults(vault, path):
            seen = client(vault).head_object(Bucket=vault.bucket, Key=key_of(vault, path))
    except NotFound:
        return None
    return Found(path, seen["ContentLength"], seen["LastModified"], seen.get("ETag", "").strip('"'))
