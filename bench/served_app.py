#!/usr/bin/python3
"""A web app of the standard library alone, to be run in a container: what a proxy must carry, one address for each.

Usage: served_app.py [PORT [ADDRESS]]. It answers / (a page), /headers, /set, /redirect, /bytes, /upload, /events,
/early, /half, /old, /none, /first, /long, /sent, /exit, and the WebSockets /echo, /pieces, /flood, /bye, /refuse, /plain.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import struct
import sys
from collections.abc import AsyncIterator, Sequence
from urllib.parse import parse_qsl, urlsplit

BLOCK = bytes(range(256)) * 1024
SENT = {"flood": 0}  # messages of the last flood
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
PAGE = """<!doctype html><title>Served</title><h1>Served</h1><p id="said"></p><p id="echo"></p>
<script>
document.cookie = "of_page=1";
localStorage.setItem("of", location.host);
document.getElementById("said").textContent = document.cookie + " " + document.referrer;
function open_socket() {
  const socket = new WebSocket(location.origin.replace("http", "ws") + "/echo");
  socket.onopen = () => socket.send("hello");
  socket.onmessage = (event) => { document.getElementById("echo").textContent = event.data + " " + (++window.opened); };
  socket.onclose = (event) => { document.getElementById("echo").textContent = "closed " + event.code; setTimeout(open_socket, 300); };
  window.socket = socket;
}
window.opened = 0;
open_socket();
</script>"""


class Asked:
    def __init__(self, method: str, target: str, headers: list[tuple[str, str]]) -> None:
        parts = urlsplit(target)
        self.method, self.target, self.path = method, target, parts.path
        self.query = parse_qsl(parts.query, keep_blank_values=True)
        self.first = dict(self.query)
        self.headers = headers
        self.nth = 1  # request of its connection

    def header(self, name: str) -> str:
        return next((value for found, value in self.headers if found.lower() == name), "")


def head(status: int, headers: Sequence[tuple[str, object]], phrase: str = "Said") -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"HTTP/1.1 {status} {phrase}\r\n{lines}\r\n".encode("latin-1")


# What is said before the connection ends: too little, all of it as before HTTP/1.1, nothing.
CUT = {
    "/half": head(200, [("Content-Length", "1000")]) + b"only this",
    "/old": b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + b"until it closes" * 1000,
    "/none": b"",
}


async def answer(
    writer: asyncio.StreamWriter,
    asked: Asked,
    body: bytes,
    status: int = 200,
    kind: str = "text/plain",
    more: Sequence[tuple[str, str]] = (),
) -> None:
    writer.write(head(status, [("Content-Type", kind), ("Content-Length", len(body)), *more]))
    if asked.method != "HEAD":
        writer.write(body)
    await writer.drain()


async def body_of(reader: asyncio.StreamReader, asked: Asked) -> AsyncIterator[bytes]:
    if asked.header("transfer-encoding").lower() == "chunked":
        while size := int((await reader.readline()).split(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    left = int(asked.header("content-length") or 0)
    while left:
        piece = await reader.read(min(left, 262144))
        if not piece:
            return
        left -= len(piece)
        yield piece


async def bytes_(writer: asyncio.StreamWriter, asked: Asked) -> None:
    """`mib` of a pattern, `chunked` or with its length; `gzip` says that it is compressed, which it is not."""
    total = int(float(asked.first.get("mib", "1")) * 2**20)
    chunked = "chunked" in asked.first
    headers: list[tuple[str, object]] = [("Content-Type", "application/octet-stream")]
    headers.append(("Transfer-Encoding", "chunked") if chunked else ("Content-Length", total))
    if "gzip" in asked.first:
        headers.append(("Content-Encoding", "gzip"))
    writer.write(head(200, headers))
    sent = 0
    while sent < total and asked.method != "HEAD":
        piece = BLOCK[: min(len(BLOCK), total - sent)]
        writer.write(b"%x\r\n" % len(piece) + piece + b"\r\n" if chunked else piece)
        sent += len(piece)
        await writer.drain()
    if chunked:
        writer.write(b"0\r\nX-Trailer: dropped\r\n\r\n")
    await writer.drain()


async def events(writer: asyncio.StreamWriter, asked: Asked) -> None:
    writer.write(head(200, [("Content-Type", "text/event-stream"), ("Connection", "close")]))
    count = 0
    while True:
        writer.write(f"data: {count}\n\n".encode())
        await writer.drain()
        count += 1
        await asyncio.sleep(float(asked.first.get("every", "0.05")))


async def frame_of(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    first, second = await reader.readexactly(2)
    length = second & 127
    if length > 125:
        size = 2 if length == 126 else 8
        length = int.from_bytes(await reader.readexactly(size), "big")
    mask = await reader.readexactly(4)
    data = await reader.readexactly(length)
    key = mask * (length // 4 + 1)
    return first & 15, (int.from_bytes(data, "big") ^ int.from_bytes(key[:length], "big")).to_bytes(length, "big")


def frame(opcode: int, data: bytes, fin: bool = True) -> bytes:
    first = opcode | (128 if fin else 0)
    if len(data) < 126:
        return struct.pack("!BB", first, len(data)) + data
    if len(data) < 65536:
        return struct.pack("!BBH", first, 126, len(data)) + data
    return struct.pack("!BBQ", first, 127, len(data)) + data


async def socket(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Asked) -> None:
    if asked.path == "/refuse":
        await answer(writer, asked, b"Not by this way.", status=403)
        return
    if asked.path == "/plain":
        await answer(writer, asked, b"As if nothing were asked.")
        return
    accept = base64.b64encode(hashlib.sha1((asked.header("sec-websocket-key") + GUID).encode()).digest()).decode()  # noqa: S324
    more = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Accept", accept)]
    if offered := asked.header("sec-websocket-protocol"):
        more.append(("Sec-WebSocket-Protocol", offered.split(",")[-1].strip()))
    writer.write(head(101, [*more, ("Set-Cookie", "of_socket=1; Domain=localhost")]))
    if asked.path == "/flood":
        SENT["flood"] = 0
        for number in range(int(asked.first.get("count", "1000"))):
            writer.write(frame(1, f"{number}".encode().ljust(int(asked.first.get("size", "0")))))
            await writer.drain()
            SENT["flood"] += 1
    if asked.path == "/bye":
        code = int(asked.first.get("code", "4001"))
        writer.write(frame(8, struct.pack("!H", code) + b"as asked"))
    if asked.path == "/pieces":
        writer.write(
            frame(1, b"one ", fin=False) + frame(9, b"ping") + frame(0, b"two ", fin=False) + frame(0, b"three")
        )
    await writer.drain()
    while True:
        opcode, data = await frame_of(reader)
        if opcode == 8:
            writer.write(frame(8, data))
            await writer.drain()
            return
        if opcode in (1, 2):
            writer.write(frame(opcode, json.dumps(asked.headers).encode() if data == b"headers" else data))
            await writer.drain()


async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: Asked) -> None:
    match asked.path:
        case "/headers":
            await answer(writer, asked, json.dumps([asked.method, asked.target, asked.headers]).encode())
        case "/set":
            more = [("Set-Cookie", value) for name, value in asked.query if name == "cookie"]
            more += [(name, value) for name, value in asked.query if name != "cookie"]
            await answer(writer, asked, b"set", more=more)
        case "/redirect":
            await answer(writer, asked, b"", status=302, more=[("Location", asked.first.get("to", "/"))])
        case "/bytes":
            await bytes_(writer, asked)
        case "/upload":
            total, digest = 0, hashlib.sha256()
            async for piece in body_of(reader, asked):
                total += len(piece)
                digest.update(piece)
            await answer(writer, asked, f"{total} {digest.hexdigest()}".encode())
        case "/events":
            await events(writer, asked)
        case "/early":
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>; rel=preload\r\n\r\n")
            await answer(writer, asked, b"late")
        case "/half" | "/old" | "/none":
            writer.write(CUT[asked.path])
            await writer.drain()
            writer.close()
        case "/long":
            await answer(writer, asked, b"x", more=[("X-Long", "y" * int(asked.first.get("bytes", "1000000")))])
        case "/sent":
            await answer(writer, asked, str(SENT["flood"]).encode())
        case "/exit":
            os._exit(3)
        case _:
            await answer(writer, asked, PAGE.encode(), kind="text/html; charset=utf-8")


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        nth = 0
        while line := await reader.readline():
            method, target, _ = line.decode("latin-1").split()
            headers = []
            while (line := await reader.readline()).strip():
                name, _, value = line.decode("latin-1").partition(":")
                headers.append((name.strip(), value.strip()))
            asked = Asked(method, target, headers)
            nth = asked.nth = nth + 1
            if asked.path == "/first" and nth > 1:  # as an app that had just closed a connection nobody used
                break
            if asked.header("upgrade").lower() == "websocket":
                await socket(reader, writer, asked)
                break
            await respond(reader, writer, asked)
            if asked.path != "/upload":
                async for _ in body_of(reader, asked):
                    pass
    except (OSError, EOFError, ValueError):
        pass
    finally:
        writer.close()


async def main() -> None:
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8888
    address = sys.argv[2] if len(sys.argv) > 2 else "127.0.0.1"
    server = await asyncio.start_server(serve, address, port, limit=2**21)
    print(f"Serving on {server.sockets[0].getsockname()[1]}.", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
