"""An S3 service on this machine, by HTTP, for the tests of object vaults; and buckets in it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from moto.server import ThreadedMotoServer

from jobs import vaults
from jobs.models import Vault
from portal.people.models import Team, User

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

KEY, SECRET = "an-access-key", "a-very-secret-key"


class ObjectStore:
    """The service: `vault` makes a bucket and a vault of it; `put`, `get` and `keys` look past the portal."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer(port=0, verbose=False)
        self._server.start()
        _host, self.port = self._server.get_host_and_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.client = self._client()

    def _client(self) -> S3Client:
        config = Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 2})
        session = boto3.session.Session(aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1")
        return session.client("s3", endpoint_url=self.endpoint, config=config)

    def stop(self) -> None:
        self._server.stop()
        self.client.close()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Not there for a while; what it holds is there again afterwards."""
        self._server.stop()
        try:
            yield
        finally:
            self._server = ThreadedMotoServer(ip_address="127.0.0.1", port=self.port, verbose=False)
            self._server.start()

    def bucket(self) -> str:
        name = f"bucket-{uuid.uuid4().hex[:12]}"
        self.client.create_bucket(Bucket=name)
        return name

    def vault(self, owner: User | Team, name: str = "cloud", *, prefix: str = "", **over: Any) -> Vault:
        whose: dict[str, Any] = {"owner": owner} if isinstance(owner, User) else {"team": owner}
        fields: dict[str, Any] = {
            "bucket": over.pop("bucket", None) or self.bucket(),
            "endpoint": self.endpoint,
            "access_key": KEY,
        }
        fields |= {"secret": SECRET, "prefix": prefix}
        return vaults.create_vault(name=name, type=Vault.Type.OBJECT, **whose, **fields | over)

    def put(self, vault: Vault, key: str, content: bytes = b"x") -> None:
        self.client.put_object(Bucket=vault.bucket, Key=key, Body=content)

    def get(self, vault: Vault, key: str) -> bytes:
        return self.client.get_object(Bucket=vault.bucket, Key=key)["Body"].read()

    def keys(self, vault: Vault) -> list[str]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=vault.bucket)
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def demand_known_keys(self, demanded: bool) -> None:
        """Whether the service looks who asks. No key of ours is one that it knows."""
        from urllib.request import Request, urlopen

        url, kind = f"{self.endpoint}/moto-api/reset-auth", {"Content-Type": "application/octet-stream"}
        urlopen(Request(url, data=b"0" if demanded else b"inf", headers=kind)).close()

    def empty(self, vault: Vault) -> None:
        """Remove the bucket with all that is in it."""
        for key in self.keys(vault):
            self.client.delete_object(Bucket=vault.bucket, Key=key)
        self.client.delete_bucket(Bucket=vault.bucket)
