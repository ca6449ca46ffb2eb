"""What is said on an app's origin where there is no app to answer: pages that need nothing but themselves."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, replace
from functools import cache

from django.conf import settings
from django.template import loader

from jobs.origins import Origin
from jobs.proxy.headers import Headers


@dataclass(frozen=True)
class Notice:
    """`refresh_s`: the page asks again by itself after so many seconds. `way`: a path of the portal, and what it is called."""

    status: int
    title: str
    words: str
    refresh_s: int = 0
    way: str = ""
    way_words: str = ""


def job_page(origin: Origin) -> str:
    return f"/jobs/{origin.job_number}/"


def connect_page(origin: Origin) -> str:
    return f"/jobs/{origin.job_number}/connect/"


def not_here() -> Notice:
    return Notice(
        404,
        "Nothing is here",
        "No app has this address. Open the app from the page of its job.",
        way="/jobs/",
        way_words="Go to your jobs",
    )


def sign_in(origin: Origin) -> Notice:
    words = (
        "This app opens from the page of its job, for those who may see the job. Open it from there; you may have to "
        "sign in first."
    )
    return Notice(401, "Open this app from its job", words, way=connect_page(origin), way_words="Open the app")


def ended(origin: Origin) -> Notice:
    words = "The job behind this app has ended, and the app with it. Its log and results are on the job's page."
    return _of_job(410, "This app has ended", words, origin)


def used_up(origin: Origin) -> Notice:
    words = "This link opens an app once, within a minute. It was used already, or is too old. Open the app anew."
    return Notice(403, "This link is used up", words, way=connect_page(origin), way_words="Open the app")


def elsewhere(origin: Origin) -> Notice:
    words = "Another site asked for this on your behalf, which an app's address does not answer."
    return Notice(403, "Asked from another site", words, way=connect_page(origin), way_words="Open the app")


def starting(origin: Origin, words: str) -> Notice:
    return _comes_again(503, "The app is starting", words, origin, after_s=3)


def between(origin: Origin, words: str) -> Notice:
    return _comes_again(503, "The app is out of reach for a moment", words, origin, after_s=2)


def silent(origin: Origin, words: str) -> Notice:
    return _comes_again(502, "The app does not answer", words, origin, after_s=5)


def _comes_again(status: int, title: str, words: str, origin: Origin, *, after_s: int) -> Notice:
    return replace(_of_job(status, title, f"{words} This page looks again by itself.", origin), refresh_s=after_s)


def _of_job(status: int, title: str, words: str, origin: Origin) -> Notice:
    return Notice(status, title, words, way=job_page(origin), way_words=f"Go to job {origin.job_number}")


def busy(origin: Origin, words: str) -> Notice:
    return _of_job(503, "Too much is open", words, origin)


def crowded(origin: Origin) -> Notice:
    return busy(origin, "All connections to this app are in use. Close some of its pages, then open this one again.")


def broken(origin: Origin) -> Notice:
    return silent(origin, "It ended the connection before it had answered, as a program does that has crashed.")


def late(origin: Origin) -> Notice:
    return silent(origin, "It took too long to answer.")


def away() -> Notice:
    return Notice(
        503,
        "The portal is not ready",
        "The portal's database does not answer. This page looks again by itself.",
        refresh_s=5,
    )


def too_large() -> Notice:
    return Notice(
        431, "The request's headers are too long", "Clear this site's cookies in your browser, then open it again."
    )


@cache
def _style_hash(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


def answer(notice: Notice, *, as_page: bool) -> tuple[Headers, bytes]:
    """Headers and body: a page for a browser that opens one, else a line of text."""
    headers = {
        "Cache-Control": "no-store",
        "Content-Type": "text/plain; charset=utf-8",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    }
    if notice.refresh_s:
        headers["Retry-After"] = str(notice.refresh_s)
    if as_page:
        style = loader.get_template("jobs/proxy_notice.css").render().strip()
        page = loader.get_template("jobs/proxy_notice.html")
        text = page.render({"notice": notice, "style": style, "portal": settings.PUBLIC_URL})
        headers["Content-Type"] = "text/html; charset=utf-8"
        headers["Content-Security-Policy"] += f"; style-src 'sha256-{_style_hash(style)}'"
    else:
        text = f"{notice.title}. {notice.words}\n"
    body = text.encode()
    headers["Content-Length"] = str(len(body))
    return [(name.lower().encode(), value.encode()) for name, value in headers.items()], body
