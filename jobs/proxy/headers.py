"""What of a request reaches the app, and what of its answer reaches the browser.

The app is spoken to as if its person sat beside it: Host and Origin are `localhost:<port>`, which is what programs that
bind to the loopback let in by default. Where it is really shown is in X-Forwarded-*. What it says of its own address is
turned into its origin on the way back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from django.conf import settings

from jobs.origins import Origin

Headers = list[tuple[bytes, bytes]]
HEADERS_MAX = 200
HEADER_BYTES_MAX = 64 * 1024
HOP_BY_HOP = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    b"upgrade http2-settings".split()
)
# Said by us, or between the browser and us alone. What frames a body is said by whoever sends it.
NOT_TO_APP = HOP_BY_HOP | frozenset(b"host forwarded via x-real-ip expect origin referer cookie content-length".split())
# date and server are said by our own server. Clear-Site-Data clears the portal's cookies too where both have one
# registrable domain; Alt-Svc leads the browser round the portal.
NOT_TO_BROWSER = HOP_BY_HOP | {b"date", b"server", b"clear-site-data", b"alt-svc"}
LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "0.0.0.0", "::1", "::"})  # noqa: S104  names that apps give themselves
PASS_COOKIE = "slipway_pass"  # noqa: S105  its name


def pass_cookie() -> str:
    """The name of our cookie on an app's origin. Under https no other host can set one of that name."""
    if not settings.HTTPS:
        return PASS_COOKIE
    return f"{'__Secure' if settings.APPS_BY_PATH else '__Host'}-{PASS_COOKIE}"


def is_ours(name: str) -> bool:
    """Whether a cookie is the portal's, or the pass."""
    bare = name.strip().removeprefix("__Host-").removeprefix("__Secure-")
    ours = (PASS_COOKIE, settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME)
    return bare in {one.removeprefix("__Host-") for one in ours}


def too_much(headers: Sequence[tuple[bytes, bytes]]) -> bool:
    return len(headers) > HEADERS_MAX or sum(len(name) + len(value) for name, value in headers) > HEADER_BYTES_MAX


def one(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """A header's value; where it is there twice, and should not be, the last."""
    return next((value.decode("latin-1") for found, value in reversed(list(headers)) if found.lower() == name), "")


def cookies_of(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """(name, value) of all cookies, as they were sent."""
    pairs: list[tuple[str, str]] = []
    for name, value in headers:
        if name.lower() == b"cookie":
            for piece in value.decode("latin-1").split(";"):
                key, _, text = piece.strip().partition("=")
                pairs.append((key, text))
    return pairs


def named_by_connection(headers: Iterable[tuple[bytes, bytes]]) -> frozenset[bytes]:
    """Headers that the sender says are for the next hop alone."""
    names = {
        word.strip().lower() for name, value in headers if name.lower() == b"connection" for word in value.split(b",")
    }
    return frozenset(names)


def local_host(port: int) -> str:
    return "localhost" if port == 80 else f"localhost:{port}"


def to_app(headers: Sequence[tuple[bytes, bytes]], origin: Origin, port: int, client: str) -> Headers:
    """The headers of the request that the app gets, without those that frame a body."""
    away = NOT_TO_APP | named_by_connection(headers)
    here = f"http://{local_host(port)}"
    kept: Headers = [(b"host", local_host(port).encode())]
    for name, value in headers:
        lower = name.lower()
        if lower in away or lower.startswith(b"x-forwarded-"):
            continue
        if lower == b"authorization" and b"slw_" in value:  # a token of the portal's, sent to an app by mistake
            continue
        kept.append((lower, value))
    cookies = "; ".join(f"{name}={value}" for name, value in cookies_of(headers) if not is_ours(name))
    if cookies:
        kept.append((b"cookie", cookies.encode("latin-1")))
    if said := one(headers, b"origin"):
        kept.append((b"origin", (here if said == origin.url else said).encode("latin-1")))
    referer = one(headers, b"referer")
    if referer == origin.root or referer.startswith(f"{origin.root}/"):
        kept.append((b"referer", (here + referer.removeprefix(origin.root)).encode("latin-1")))
    forwarded_port = urlsplit(origin.url).port or {"http": 80, "https": 443}[origin.scheme]
    kept += [
        (b"x-forwarded-for", client.encode("ascii", "replace")),
        (b"x-forwarded-proto", origin.scheme.encode()),
        (b"x-forwarded-host", origin.host.encode()),
        (b"x-forwarded-port", str(forwarded_port).encode()),
    ]
    if origin.prefix:
        kept.append((b"x-forwarded-prefix", origin.prefix.encode("ascii")))
    return kept


def to_browser(headers: Sequence[tuple[bytes, bytes]], origin: Origin, port: int) -> Headers:
    """The headers of the app's answer as the browser gets them."""
    away = NOT_TO_BROWSER | named_by_connection(headers)
    kept: Headers = []
    for name, value in headers:
        lower = name.lower()
        if lower in away:
            continue
        if lower in (b"location", b"content-location"):
            value = at_origin(value.decode("latin-1"), origin, port).encode("latin-1")
        elif lower == b"refresh":
            value = _refresh(value.decode("latin-1"), origin, port).encode("latin-1")
        elif lower == b"set-cookie":
            cookie = host_only(value.decode("latin-1"), origin.prefix)
            if not cookie:
                continue
            value = cookie.encode("latin-1")
        kept.append((lower, value))
    if not any(name == b"origin-agent-cluster" for name, _ in kept):
        kept.append((b"origin-agent-cluster", b"?1"))  # no page may widen its document.domain to a neighbour's
    return kept


def at_origin(address: str, origin: Origin, port: int) -> str:
    """An address that the app gives: at its origin where it means the app itself; else as it is."""
    try:
        parts = urlsplit(address)
        itself = parts.hostname in LOCAL_HOSTS and parts.port in (port, None)
    except ValueError:
        return address
    if origin.prefix and address.startswith("/") and not address.startswith("//"):
        return f"{origin.prefix}{address}"
    if not itself or parts.scheme not in ("", "http", "https"):
        return address
    return f"{origin.root}{parts._replace(scheme='', netloc='').geturl() or '/'}"


def _refresh(value: str, origin: Origin, port: int) -> str:
    match = re.fullmatch(r"(\s*[0-9.]+\s*[;,]\s*url\s*=\s*)(['\"]?)(.*?)(['\"]?)\s*", value, re.IGNORECASE)
    return f"{match[1]}{match[2]}{at_origin(match[3], origin, port)}{match[4]}" if match else value


def host_only(cookie: str, prefix: str = "") -> str:
    """A Set-Cookie without its Domain, and below the prefix: for the app alone. "" for one that has a name of ours."""
    first, *attributes = cookie.split(";")
    if is_ours(first.partition("=")[0]):
        return ""
    kept = []
    for attribute in attributes:
        name, _, value = attribute.partition("=")
        match name.strip().lower():
            case "domain":
                continue
            case "path" if prefix and value.strip().startswith("/"):
                kept.append(f" Path={prefix}{value.strip()}")
            case _:
                kept.append(attribute)
    return ";".join([first, *kept])
