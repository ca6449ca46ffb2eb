"""Data sources as ByteNite writes them, and as ours: {"dataSourceDescriptor", "params"} and {"kind", ...}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from apps_catalog.launch.spec import Json
from jobs.bytenite.calls import malformed, plain

DESCRIPTOR: Final = "dataSourceDescriptor"
TYPE: Final = "@type"
# Words that clients use for our kinds; what is not here is taken as it is, and judged with all else.
KINDS: Final[Mapping[str, str]] = {"http": "url", "https": "url", "local": "file", "localfile": "file", "amazon": "aws"}
TYPES: Final[Mapping[str, str]] = {
    "url": "type.googleapis.com/bytenite.data_source.HttpDataSource",
    "file": "type.googleapis.com/bytenite.data_source.LocalFileDataSource",
    **dict.fromkeys(("aws", "s3", "gcp", "storj"), "type.googleapis.com/bytenite.data_source.S3DataSource"),
}
STORES: Final = frozenset({"aws", "s3", "gcp", "storj"})
# Our field for each of theirs, in snake_case.
FIELDS: Final[Mapping[str, str]] = {
    "bucket_name": "bucket",
    "cloud_region": "region",
    "secret_id": "secret",
    "secret": "secret",
    "access_key": "access_key",
    "secret_key": "secret_key",
    "endpoint": "endpoint",
    "endpoint_url": "endpoint",
}
THEIRS: Final[Mapping[str, str]] = {
    "bucket": "bucketName",
    "region": "cloudRegion",
    "secret": "secretId",
    "endpoint": "endpoint",
}


def ours(given: Any, name: str, *, destination: bool = False) -> Json:
    """A source or destination of ours, of what a client sent under `name`. Nothing sent is nothing said: {}.

    What carries no descriptor but a `kind` is one of ours already. Raises PortalError (400) for what is no object.
    """
    fields = plain(given, name)
    if not fields:
        return {}
    descriptor = fields.get("data_source_descriptor", fields.get("descriptor"))
    if descriptor is None and "kind" in fields:
        return dict(given)
    if not isinstance(descriptor, str) or not descriptor:
        raise malformed(f"'{name}.{DESCRIPTOR}' must say the kind: bypass, url, file, s3, aws, gcp, storj or bucket.")
    word = descriptor.lower()
    kind = KINDS.get(word, word)
    params = plain(fields.get("params"), f"{name}.params")
    params.pop("@type", None)
    made: dict[str, Json] = {"kind": kind}
    if kind == "url":
        made |= _of_url(params)
    elif kind in STORES:
        made |= _of_store(params, destination)
    elif kind == "vault":
        made |= params
    return made


def theirs(given: Json, *, upload_address: str = "") -> dict[str, Any]:
    """A source or destination of ours (masked) as clients read one. `upload_address` is where its file is still to be sent."""
    fields = given if isinstance(given, Mapping) else {}
    kind = str(fields.get("kind", "bypass"))
    params: dict[str, Any] = {TYPE: TYPES[kind]} if kind in TYPES else {}
    if kind == "url":
        urls = fields.get("urls")
        params["url"] = urls[0] if isinstance(urls, list) and urls else ""
        if isinstance(urls, list) and len(urls) > 1:
            params["urls"] = urls
    elif kind == "file":
        params["tempUrl"] = upload_address
        params["uploads"] = fields.get("uploads", [])
    elif kind in STORES:
        params |= {theirs: fields[own] for own, theirs in THEIRS.items() if fields.get(own)}
        paths = fields.get("paths", fields.get("path", ""))
        params["name"] = paths[0] if isinstance(paths, list) and len(paths) == 1 else paths
    else:
        params |= {name: value for name, value in fields.items() if name != "kind"}
    return {DESCRIPTOR: kind, "params": params}


def _of_url(params: Mapping[str, Any]) -> dict[str, Json]:
    """A name or password beside the address has no place with us: a request is made as it is written."""
    urls = params.get("urls")
    if urls is None:
        urls = [params["url"]] if params.get("url") else []
    made: dict[str, Json] = {"urls": urls}
    for name in ("username", "password"):
        if params.get(name):
            made[name] = params[name]  # refused with its place, rather than left out silently
    return made


def _of_store(params: Mapping[str, Any], destination: bool) -> dict[str, Json]:
    made: dict[str, Json] = {}
    path = params.get("name", params.get("path", params.get("paths")))
    for name, value in params.items():
        if name in ("name", "path", "paths") or value in ("", None):
            continue
        made[FIELDS.get(name, name)] = value
    if destination:
        made["path"] = path[0] if isinstance(path, list) and path else path or ""
    else:
        made["paths"] = path if isinstance(path, list) else [path] if path else []
    return made
