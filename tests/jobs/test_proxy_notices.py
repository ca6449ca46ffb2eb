"""What is said where no app answers: pages that hold nothing but what we wrote."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest

from jobs import origins
from jobs.proxy import notices

pytestmark = pytest.mark.slow


def test_words_of_others_are_text_on_a_page(settings: Any) -> None:
    settings.APPS_DOMAIN, settings.PUBLIC_URL = "localhost", "http://127.0.0.1:8000"
    origin = origins.origin_of(f"7-{'a' * 16}")
    given, body = notices.answer(notices.silent(origin, "<script>alert(1)</script>"), as_page=True)
    assert b"<script" not in body
    assert b"&lt;script&gt;" in body
    assert (b"x-frame-options", b"DENY") in given


def test_the_only_style_a_notice_allows_is_its_own_sheet(settings: Any) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:8000"
    given, body = notices.answer(notices.away(), as_page=True)
    policy = dict(given)[b"content-security-policy"].decode()
    (sheet,) = re.findall(rb"<style>(.*?)</style>", body, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(sheet).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
