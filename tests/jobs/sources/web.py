"""A web server for sources to read from: it answers, cuts, redirects and refuses as its path says, and notes who asked."""

from __future__ import annotations

import gzip
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ETAG = '"one"'


@dataclass
class Page:
    """What an address answers. `cut_after`: so many bytes come of each answer, then the connection ends."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int = 0
    cuts: int = 10**6  # how many answers are cut; then they are whole
    ranges: bool = True
    length: bool = True
    slow_s: float = 0.0  # between pieces of 64 KiB
    packed: bool = False
    busy: int = 0  # so many times it answers 503 first


class Web:
    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, str]] = []  # path, Range
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                web.answer(self)

            def log_message(self, *args: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server.server_port}{path}"

    def put(self, path: str, body: bytes = b"", **more: Any) -> str:
        self.pages[path] = Page(body, **more)
        return self.url(path)

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        asked = request.headers.get("Range", "")
        path = request.path.partition("?")[0]
        self.asked.append((path, asked))
        page = self.pages.get(path, Page(status=404))
        if page.busy:
            page.busy -= 1
            page = Page(status=503)
        body, status, headers = page.body, page.status, dict(page.headers)
        if page.packed:
            body = gzip.compress(body)
            headers["Content-Encoding"] = "gzip"
        start = 0
        fresh = request.headers.get("If-Range", ETAG) == headers.get("ETag", ETAG)
        if asked and page.ranges and status == 200 and fresh:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), int(last) if last else len(body) - 1
            if start >= len(body):
                return self._send(request, 416, {}, b"", 0)
            headers["Content-Range"] = f"bytes {start}-{min(end, len(body) - 1)}/{len(body)}"
            body, status = body[start : end + 1], 206
        headers.setdefault("ETag", ETAG)
        if page.length:
            headers["Content-Length"] = str(len(body))
        else:
            headers["Transfer-Encoding"] = "chunked"
        cut = 0
        if page.cut_after and page.cuts and len(body) > page.cut_after:
            page.cuts -= 1
            cut = page.cut_after
        return self._send(request, status, headers, body, cut, page.slow_s, chunked=not page.length)

    def _send(
        self,
        request: BaseHTTPRequestHandler,
        status: int,
        headers: dict[str, str],
        body: bytes,
        cut: int,
        slow_s: float = 0.0,
        *,
        chunked: bool = False,
    ) -> None:
        headers.setdefault("Content-Length", str(len(body)))
        if chunked:
            headers.pop("Content-Length", None)
        try:
            request.send_response(status)
            for name, value in headers.items():
                request.send_header(name, value)
            request.end_headers()
            sent = body[:cut] if cut else body
            for at in range(0, len(sent), 2**16):
                piece = sent[at : at + 2**16]
                request.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
                request.wfile.flush()
                time.sleep(slow_s)
            if cut:
                request.close_connection = True
            elif chunked:
                request.wfile.write(b"0\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            request.close_connection = True
