"""python -m portal.web: the portal's web server, with the settings that its safety and its figures stand on."""

from __future__ import annotations

import argparse
import logging
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from portal import env

HEAD_MAX = 128 * 1024  # of a request: its line and its headers
MESSAGE_MAX = 16 * 2**20  # of a WebSocket
GRACE_S = 5
OPTIONS: dict[str, Any] = {
    "http": "portal.web:Protocol",  # by name: with --reload another process finds it
    "ws": "websockets-sansio",  # stops reading from a browser while its messages wait
    "ws_max_size": MESSAGE_MAX,
    "ws_per_message_deflate": False,  # a few kilobytes would become many messages of the largest size
    "access_log": False,
    "server_header": False,
    "timeout_graceful_shutdown": GRACE_S,
    "lifespan": "on",
}
logger = logging.getLogger("uvicorn.error")


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which alone would take headers of any length into memory before anybody is asked."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._in_head = True

    def data_received(self, data: bytes) -> None:
        if self._in_head:
            self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_MAX and not self.transport.is_closing():
            logger.warning("A request's headers were longer than %d KiB.", HEAD_MAX // 1024)
            self.send_431_response()

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_complete()

    def send_431_response(self) -> None:
        words = b"The request's headers are too long. Clear this site's cookies in your browser, then open it again.\n"
        head = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
        self.transport.write(head + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(words) + words)
        self.transport.close()


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m portal.web", description="Serve the portal.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--reload", action="store_true", help="for development: start again where code has changed")
    parser.add_argument("--log-level", default="warning", choices=["debug", "info", "warning", "error"])
    given = parser.parse_args(arguments)
    uvicorn.run(
        "portal.asgi:application",
        host=given.host,
        port=given.port,
        log_level=given.log_level,
        proxy_headers=env.boolean("BEHIND_PROXY", False),
        reload=given.reload,
        reload_dirs=["portal", "apps_catalog", "jobs"] if given.reload else None,
        **OPTIONS,
    )


if __name__ == "__main__":
    main()
