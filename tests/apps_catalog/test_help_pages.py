"""The help of an image is shown without anything that could act."""

from __future__ import annotations

import pytest

from apps_catalog.help_pages import cleaned

ACTIVE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='data:text/html,x'>x</a>",
    "<iframe src='https://evil.example'></iframe>",
    "<form action='/curate/'><input name=x><button>Go</button></form>",
    "<style>body{display:none}</style>",
    "<p style='position:fixed' onclick='x()' id='main' class='btn'>x</p>",
    "<svg><animate onbegin=alert(1)></svg>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<base href='https://evil.example'>",
    "<math><mtext></p><style><img src=x onerror=alert(1)>",
]


@pytest.mark.parametrize("html", ACTIVE)
def test_nothing_active_is_left(html: str) -> None:
    shown = cleaned(html).lower()
    for word in (
        "script",
        "onerror",
        "onclick",
        "onbegin",
        "javascript:",
        "data:",
        "<img",
        "<iframe",
        "<form",
        "<input",
        "<style",
        "style=",
        "id=",
        "class=",
        "<svg",
        "<meta",
        "<base",
    ):
        assert word not in shown


def test_words_tables_and_links_stay() -> None:
    shown = cleaned(
        "<h1>How</h1><p>See <a href='https://example.org/x'>this</a></p><table><tr><td colspan=2>1</td></tr></table>"
    )
    assert "<h1>How</h1>" in shown
    assert 'href="https://example.org/x"' in shown
    assert 'rel="noopener noreferrer nofollow"' in shown
    assert '<td colspan="2">1</td>' in shown
