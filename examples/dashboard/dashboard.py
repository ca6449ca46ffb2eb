#!/usr/bin/python3
"""A dashboard on port 8080, with the standard library alone: a room with a heater, live, and a form that steers it.

The page gets its values as server-sent events. Stopping it (a button, or the job's end) writes temperature.csv to the job's
results.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import threading
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import FrameType
from urllib.parse import parse_qs

PAGES = Path(__file__).resolve().with_name("pages")
FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/dashboard.css": ("dashboard.css", "text/css; charset=utf-8"),
    "/dashboard.js": ("dashboard.js", "text/javascript; charset=utf-8"),
}
POLICY = "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
COLDEST, WARMEST = 5.0, 35.0  # degrees Celsius that may be asked for
KEPT = 600  # values, the last of which the page draws
BODY_BYTES_MAX = 1_000


@dataclass
class Room:
    """A heater that is on below the target, a window that lets the warmth out. Times are seconds since the start."""

    target: float
    window: bool = False
    outside: float = 4.0
    temperature: float = 14.0
    heating: bool = False
    elapsed_s: float = 0.0
    history: list[tuple[float, float, float, bool]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def step(self, seconds: float) -> None:
        with self.changed:
            self.heating = self.temperature < self.target + (0.3 if self.heating else -0.3)
            loss = (self.temperature - self.outside) * (0.06 if self.window else 0.012)
            self.temperature += seconds * ((0.9 if self.heating else 0.0) - loss)
            self.elapsed_s += seconds
            self.history.append((round(self.elapsed_s, 2), round(self.temperature, 2), self.target, self.heating))
            self.changed.notify_all()

    def steer(self, target: float, *, window: bool) -> None:
        with self.changed:
            self.target, self.window = target, window

    def state(self) -> dict[str, object]:
        with self.changed:
            return {
                "temperature": round(self.temperature, 2),
                "target": self.target,
                "window": self.window,
                "heating": self.heating,
                "elapsed_s": round(self.elapsed_s, 1),
            }

    def write(self, path: Path) -> None:
        with self.changed, path.open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            rows.writerow(("elapsed_s", "temperature_c", "target_c", "heating"))
            rows.writerows((at, now, target, int(heating)) for at, now, target, heating in self.history)


def target_of(text: str) -> float:
    """A temperature that was typed. Raises ValueError with a sentence for the page."""
    said = f"Write a temperature from {COLDEST:.0f} to {WARMEST:.0f} degrees."
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        raise ValueError(said) from None
    if not COLDEST <= value <= WARMEST:
        raise ValueError(said)
    return round(value, 1)


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, room: Room, step_s: float) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.room, self.step_s = room, step_s
        self.stopping = threading.Event()

    def live(self) -> None:
        """Let the time pass, until the end is asked for."""
        while not self.stopping.wait(self.step_s):
            self.room.step(self.step_s)
        with self.room.changed:
            self.room.changed.notify_all()
        self.shutdown()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/events":
            self.events()
        elif path in FILES:
            name, kind = FILES[path]
            self.answer(HTTPStatus.OK, (PAGES / name).read_bytes(), kind)
        else:
            self.answer(HTTPStatus.NOT_FOUND, b"There is no such page.\n", "text/plain; charset=utf-8")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length") or ""
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            self.close_connection = True
            self.answer(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"That is more than a form.\n", "text/plain; charset=utf-8"
            )
            return
        form = parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace"), keep_blank_values=True)
        match self.path:
            case "/settings":
                self.steer(form)
            case "/stop":
                self.say(HTTPStatus.OK, "Stopped. The job ends now; its page shows temperature.csv.")
                self.server.stopping.set()
            case _:
                self.say(HTTPStatus.NOT_FOUND, "There is no such form.")

    def steer(self, form: dict[str, list[str]]) -> None:
        try:
            target = target_of(form.get("target", [""])[0])
        except ValueError as fault:
            self.say(HTTPStatus.UNPROCESSABLE_ENTITY, str(fault))
            return
        window = "window" in form
        self.server.room.steer(target, window=window)
        print(f"Target {target:.1f} degrees, window {'open' if window else 'closed'}.", flush=True)
        self.say(HTTPStatus.OK, f"The heater now aims at {target:.1f} degrees.")

    def say(self, status: HTTPStatus, message: str) -> None:
        self.answer(status, json.dumps({"message": message}).encode(), "application/json")

    def answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Security-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def events(self) -> None:
        """What there is so far, then each change, until the reader goes or the end comes."""
        self.close_connection = True
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        room, stopping = self.server.room, self.server.stopping
        with room.changed:
            past = room.history[-KEPT:]
        try:
            self.send("past", [[at, now, target] for at, now, target, _ in past])
            while not stopping.is_set():
                self.send("now", room.state())
                with room.changed:
                    room.changed.wait(5)
            self.send("end", {})
        except OSError:
            return  # the reader has gone

    def send(self, name: str, data: object) -> None:
        self.wfile.write(f"event: {name}\ndata: {json.dumps(data)}\n\n".encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has above
        """Requests are not worth a line in the job's log."""


def main() -> None:
    parser = argparse.ArgumentParser(description="A room with a heater, live in the browser.")
    parser.add_argument("-target", type=target_of, default=21.0, help="degrees Celsius to begin with")
    parser.add_argument("-step", type=float, default=0.5, help="seconds between two values")
    parser.add_argument("-port", type=int, default=8080)
    given = parser.parse_args()
    room = Room(given.target)
    with Server(given.port, room, given.step) as server:

        def stop(number: int, frame: FrameType | None) -> None:
            server.stopping.set()

        signal.signal(signal.SIGTERM, stop)
        print(f"The dashboard is on port {given.port}.", flush=True)
        threading.Thread(target=server.live, daemon=True).start()
        server.serve_forever(poll_interval=0.1)
        time.sleep(0.2)  # whoever is connected hears of the end
    results = Path(os.environ.get("RESULTS_DIR") or ".")
    room.write(results / "temperature.csv")
    print(f"Wrote temperature.csv: {len(room.history)} values, {room.elapsed_s:.0f} s.", flush=True)


if __name__ == "__main__":
    main()
