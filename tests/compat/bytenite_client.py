"""A ByteNite client of the tests' own: it calls as public scripts do, over the whole ASGI application."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.compat.jarvice_client import JarviceClient

ENDS = ("JOB_STATE_COMPLETE", "JOB_STATE_FAILED")


@dataclass
class ByteniteClient:
    """One person's client. `root`: customer, or computing as newer scripts have it. `bearer`: the word before the token."""

    token: str = ""
    root: str = "customer"
    bearer: str = ""

    def ask(self, method: str, address: str, body: Any = None, **headers: str) -> httpx.Response:
        """One request; a body that is not bytes is sent as JSON, under no particular content type."""
        if self.token:
            headers.setdefault("authorization", f"{self.bearer} {self.token}".strip())
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return JarviceClient().ask(method, address, data, headers=headers)

    def call(self, method: str, path: str, body: Any = None, *, part: str = "", status: int = 200) -> Any:
        answer = self.ask(method, f"/v1/{part or self.root}/{path}", body)
        assert answer.status_code == status, (answer.status_code, answer.text)
        assert answer.headers["content-type"] == "application/json"
        found = json.loads(answer.content)
        if status >= 400:
            assert found["ok"] is False
            assert type(found["message"]) is str
            assert found["message"]
            assert found["error"]["code"] == found["code"] == status
        return found

    def enter(self, key: str) -> ByteniteClient:
        found = self.call("POST", "access_token", {"apiKey": key}, part="auth")
        assert found["expiresIn"] == 3600
        self.token = found["token"]
        return self

    def push(self, kind: str, archive: bytes) -> Any:
        return self.call("POST", kind, {"data": base64.b64encode(archive).decode()}, part="dev")

    def send_file(self, address: str, data: bytes) -> httpx.Response:
        """To the one-time address, as scripts do: with no token."""
        path = urlsplit(address).path
        return JarviceClient().ask("PUT", path, data, headers={"content-disposition": "attachment"})

    def fetch(self, link: str) -> bytes:
        answer = JarviceClient().ask("GET", urlsplit(link).path)
        assert answer.status_code == 200, answer.text
        return answer.content

    def state(self, job: str) -> str:
        return str(self.call("GET", f"jobs/{job}")["job"]["state"])

    def until_ended(self, job: str, within_s: float = 90) -> str:
        before = time.monotonic() + within_s
        while (found := self.state(job)) not in ENDS:
            assert time.monotonic() < before, found
            time.sleep(0.2)
        return found
