"""Pages as their readers get them, for the tests of jobs: somebody signed in, a page's words, a download's bytes."""

from __future__ import annotations

from typing import Any

from django.test import Client

from portal.people.models import User


def client_of(person: User) -> Client:
    client = Client()
    client.force_login(person)
    return client


def page(client: Client, path: str, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, path
    return str(answer.content.decode())


def body_of(answer: Any) -> bytes:
    return b"".join(answer.streaming_content) if answer.streaming else answer.content
