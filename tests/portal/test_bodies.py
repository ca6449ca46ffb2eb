"""A body that is too long is refused while it arrives, in the form that the asker reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any

import pytest

from portal.bodies import BodyLimit, limit_of

MIB = 2**20
Message = MutableMapping[str, Any]


@pytest.fixture(autouse=True)
def small(settings: Any) -> None:
    settings.UPLOAD_LIMIT_MIB = 4
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = MIB // 16


def ask(path: str, pieces: list[bytes], **headers: str) -> tuple[list[Message], int]:
    """What was sent, and how many bytes the application behind got to see (-1: it was not asked)."""
    sent: list[Message] = []
    seen = -1
    waiting = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    waiting.append({"type": "http.request", "body": b"", "more_body": False})

    async def behind(scope: Message, receive: Any, send: Any) -> None:
        nonlocal seen
        seen = 0
        while (message := await receive())["type"] == "http.request":
            seen += len(message["body"])
            if not message["more_body"]:
                break
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"taken"})

    async def receive() -> Message:
        return waiting.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    asyncio.run(BodyLimit(behind)({"type": "http", "path": path, "headers": given}, receive, send))
    return sent, seen


def test_files_may_be_long_where_files_arrive_and_nowhere_else() -> None:
    for path in (
        "/files/home/upload/",
        "/uploads/",
        "/apps/pi/launch/",
        "/api/v1/uploads",
        "/api/v1/vaults/home/files/a/b",
    ):
        assert limit_of(path) == 5 * MIB
    for path in ("/", "/accounts/login/", "/files/home/delete/", "/api/v1/jobs", "/x/files/home/upload/"):
        assert limit_of(path) == MIB


def test_a_body_within_the_limit_passes_untouched() -> None:
    sent, seen = ask("/uploads/", [b"x" * MIB] * 4, content_length=str(4 * MIB))
    assert (sent[0]["status"], seen) == (200, 4 * MIB)


def test_a_body_announced_too_long_is_refused_unread() -> None:
    sent, seen = ask("/", [], content_length=str(MIB + 1))
    assert (sent[0]["status"], seen) == (413, -1)
    assert "longer than 1 MiB" in json.loads(sent[1]["body"])["message"]


def test_a_body_that_turns_out_too_long_is_cut_off_and_answered_once() -> None:
    sent, seen = ask("/uploads/", [b"x" * MIB] * 100)
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert (sent[0]["status"], seen) == (413, 5 * MIB)


def test_each_asker_gets_what_it_reads() -> None:
    api, _ = ask("/api/v1/jobs", [], content_length="9999999")
    assert dict(api[0]["headers"])[b"content-type"] == b"application/problem+json"
    assert json.loads(api[1]["body"])["code"] == "too_large"
    page, _ = ask("/", [], content_length="9999999", accept="text/html,*/*")
    assert b"That is too large" in page[1]["body"]


@pytest.mark.parametrize("announced", ["-1", "x", "", "9" * 5000])
def test_an_odd_length_neither_breaks_nor_deceives(announced: str) -> None:
    sent, _ = ask("/", [b"x" * MIB, b"x"], content_length=announced)
    assert sent[0]["status"] == 413
