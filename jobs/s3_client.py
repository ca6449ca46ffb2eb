"""Clients of S3 services, each made once. To be imported where a bucket is spoken to, and not before: boto3 weighs 15 MiB."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import boto3
from botocore import UNSIGNED
from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
)
from botocore.config import Config

from portal.outward import Vetted
from portal.people.sealing import unseal

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


@dataclass(frozen=True)
class Way:
    """How to reach a bucket. Hashable: whoever asks the same way shares a client."""

    endpoint: str
    region: str
    access_key: str
    sealed_secret: str
    guarded: bool
    patient: bool


class _VettedHTTP(Vetted, AWSHTTPConnection):  # type: ignore[misc]
    """Connects to public addresses only."""


class _VettedHTTPS(Vetted, AWSHTTPSConnection):  # type: ignore[misc]
    """The same over TLS."""


class _VettedPool(AWSHTTPConnectionPool):
    ConnectionCls = _VettedHTTP


class _VettedTLSPool(AWSHTTPSConnectionPool):
    ConnectionCls = _VettedHTTPS


def of(way: Way) -> S3Client:
    """Safe to share among threads. Raises ValueError and BotoCoreError where the way can't be right."""
    return _guarded(way) if way.guarded else _client(way)


def _made(way: Way) -> S3Client:
    more: dict[str, Any] = {"ignore_configured_endpoint_urls": True}
    more |= {} if way.access_key else {"signature_version": UNSIGNED}
    more |= {"proxies": {}} if way.guarded else {}
    config = Config(
        connect_timeout=5 if way.patient else 3,
        read_timeout=60 if way.patient else 20,
        retries={"mode": "standard", "total_max_attempts": 3 if way.patient else 2},
        max_pool_connections=16,
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
    made: S3Client = session.client("s3", endpoint_url=way.endpoint or None, config=config)
    if way.guarded:  # botocore has no other place for it; a test holds this to what it does
        manager = made._endpoint.http_session._manager  # type: ignore[attr-defined]
        manager.pool_classes_by_scheme = {"http": _VettedPool, "https": _VettedTLSPool}
    return made


_client = lru_cache(maxsize=64)(_made)
_guarded = lru_cache(maxsize=4)(_made)  # apart, for they come and go with each job and each test of a connection
