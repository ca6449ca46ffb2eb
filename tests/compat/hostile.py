"""What no client should send, whatever the door."""

from __future__ import annotations

import json

# JSON texts, so that what Python can't write is among them.
VALUES = (
    "null",
    "true",
    "-1",
    "1e400",
    "9" * 40,
    '""',
    r'"\u0000"',
    r'"\ud800"',
    '"2027-13-45T12:00:00Z"',
    json.dumps("x" * 70_000),
    "[]",
    '[1, null, "\\u0000", "\\ud800"]',
    "{}",
    r'{"\u0000": "\u0000"}',
    r'{"\ud800": "\ud800"}',
    r'{"app": {"key": "\u0000", "\u0000": ["\ud800"]}}',
    r'{"dataSourceDescriptor": "\ud800", "params": {"name": "\u0000"}}',
    r'{"dataSourceDescriptor": "url", "params": {"url": "http://\ud800\u0000"}}',
    r'{"dataSourceDescriptor": "file", "params": {"name": "\u0000\ud800"}}',
    r'{"dataSourceDescriptor": "s3", "params": {"bucketName": ["\u0000"], "name": {"a": 1}, "accessKey": "\ud800"}}',
    r'{"kind": "vault", "vault": "\u0000", "paths": "\ud800"}',
    r'{"id": "s", "accessKey": "\ud800", "expiresAt": "2027-13-45T12:00:00Z"}',
    '{"id": "s", "expiresAt": "2027-13-45T12:00:00Z"}',
    '{"limit": "9999999999999999999", "offset": true}',
    "[" * 31 + "]" * 31,
    '{"a": ' * 31 + "1" + "}" * 31,
)
