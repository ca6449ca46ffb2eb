"""Terminals, as every runtime must give them: bytes both ways, a size, an end; and shells beside a job's own program."""

from __future__ import annotations

import io
import platform
import struct
import tarfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from jobs.runtimes.base import Exited, Handle, Running, RuntimeFault, Terminal
from jobs.runtimes.docker import DockerRuntime
from jobs.runtimes.fake import FakeProgram, FakeRuntime
from tests.jobs.runtimes.bench import Bench, make_image, text

SHELL = FakeProgram(typed_to=True, duration_s=3600)
WITHIN_S = 20.0


class Screen:
    """What a terminal has shown so far; `until` waits for a text that comes after what was waited for before."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.shown = bytearray()
        self.ended = False
        self._seen = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while data := self.terminal.read():
            with self._changed:
                self.shown += data
                self._changed.notify_all()
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def until(self, wanted: bytes) -> None:
        with self._changed:
            found = self._changed.wait_for(lambda: wanted in self.shown[self._seen :], WITHIN_S)
            assert found, bytes(self.shown[-2000:])
            self._seen = self.shown.index(wanted, self._seen) + len(wanted)

    def type(self, line: bytes) -> None:
        """At the next prompt: before it, what is typed would stand in the middle of what is written."""
        self.until(b"$ ")
        self.terminal.write(line + b"\n")

    def until_end(self) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: self.ended, WITHIN_S)


@contextmanager
def shown(terminal: Terminal) -> Iterator[Screen]:
    screen = Screen(terminal)
    yield screen
    terminal.close()
    screen.until_end()


def start(bench: Bench, *, of: str = "") -> Handle:
    over = {"image": of} if of else {}
    return bench.runtime.start(bench.spec("sh", does=SHELL, terminal=True, env={"PS1": "$ "}, **over))


def test_a_shell_that_is_the_program_is_typed_to_and_sized(bench: Bench) -> None:
    handle = start(bench)
    with shown(bench.runtime.attach(handle)) as screen:
        screen.terminal.resize(132, 43)
        screen.type(b"stty size")
        screen.until(b"43 132\r\n")
        screen.type(b"echo h\xc3\xa9llo")
        screen.until("\r\nhéllo\r\n".encode())
        screen.type(b"exit 7")
        screen.until_end()
    assert bench.runtime.wait(handle) == Exited(7)


def test_its_output_is_its_log_too(bench: Bench) -> None:
    handle = start(bench)
    with shown(bench.runtime.attach(handle)) as screen:
        screen.type(b"echo one")
        screen.until(b"\r\none\r\n")
        first = next(bench.runtime.follow(handle))
        screen.type(b"seq 1 6000")
        screen.until(b"6000\r\n")
        screen.type(b"exit")
    bench.runtime.wait(handle)
    lines = list(bench.runtime.follow(handle))
    assert lines[0] == first
    assert {line.stream for line in lines} == {"stdout"}
    assert all(len(line.stamp) == len("2026-01-31T12:00:00.000000000Z") for line in lines)
    log = text(lines)
    assert b"\r\none\r\n" in log or log.startswith(b"$ echo one\r\none\r\n")
    assert b"".join(b"%d\r\n" % number for number in range(1, 6001)) in log
    middle = lines[len(lines) // 2]
    assert list(bench.runtime.follow(handle, middle.stamp))[-1] == lines[-1]
    assert bench.runtime.tail(handle, 25) == lines[-25:]
    assert bench.runtime.tail(Handle(f"{handle.name}-never"), 25) == []


def test_letting_go_leaves_the_program_and_another_may_attach(bench: Bench) -> None:
    handle = start(bench)
    with shown(bench.runtime.attach(handle)) as screen:
        screen.until(b"$ ")
    assert isinstance(bench.runtime.observe(handle), Running)
    with shown(bench.runtime.attach(Handle(handle.name))) as first, shown(bench.runtime.attach(handle)) as second:
        first.terminal.write(b"echo to both\n")
        first.until(b"\r\nto both\r\n")
        second.until(b"\r\nto both\r\n")
    assert isinstance(bench.runtime.observe(handle), Running)


def test_no_key_lets_go_of_a_program(bench: Bench) -> None:
    """Engines have keys that detach who types, and hold back the first of them."""
    handle = start(bench)
    with shown(bench.runtime.attach(handle)) as screen:
        screen.until(b"$ ")
        screen.terminal.write(b"\x10\x11")
        screen.terminal.write(b"\x15")  # forget the line
        screen.terminal.write(b"echo still here\n")
        screen.until(b"\r\nstill here\r\n")


def test_who_reads_hears_that_the_program_was_stopped(bench: Bench) -> None:
    handle = start(bench)
    with shown(bench.runtime.attach(handle)) as screen:
        screen.until(b"$ ")
        bench.runtime.stop(handle, 0)
        screen.until_end()
        screen.terminal.write(b"to nobody\n")
        screen.terminal.resize(80, 24)
    with pytest.raises(RuntimeFault) as caught:
        bench.runtime.attach(handle)
    assert caught.value.code == "no_terminal"


def test_a_program_without_a_terminal_says_so(bench: Bench) -> None:
    handle = bench.runtime.start(bench.spec("sleep", "30", does=FakeProgram(duration_s=30)))
    with pytest.raises(RuntimeFault, match="no terminal") as caught:
        bench.runtime.attach(handle)
    assert caught.value.code == "no_terminal"


def test_a_program_that_ends_at_once_has_shown_all(bench: Bench) -> None:
    does = FakeProgram(lines=(b"out\n",), lines_s=0)
    handle = bench.runtime.start(bench.spec("echo", "out", does=does, terminal=True))
    bench.runtime.wait(handle)
    with shown(bench.runtime.attach(handle)) as screen:
        screen.until(b"out\r\n")
    assert b"out" in text(list(bench.runtime.follow(handle)))


# -- shells beside a program ------------------------------------------------------------------------------------------


def sleeping(bench: Bench, **over: str) -> Handle:
    return bench.runtime.start(bench.spec("sleep", "300", does=FakeProgram(duration_s=300), **over))


def test_a_shell_is_opened_beside_a_program_as_its_user(bench: Bench) -> None:
    handle = sleeping(bench)
    with shown(bench.runtime.open_shell(handle)) as screen:
        screen.terminal.resize(101, 31)
        screen.type(b"stty size")
        screen.until(b"31 101\r\n")
        screen.type(b"id -u")
        screen.until(b"505\r\n")
        assert screen.terminal.exit_code() is None
        screen.type(b"exit 3")
        screen.until_end()
        assert screen.terminal.exit_code() == 3
    assert isinstance(bench.runtime.observe(handle), Running)
    bench.runtime.stop(handle, 0)
    assert list(bench.runtime.follow(handle)) == []  # what a shell shows is in nobody's log


def test_a_shell_is_hung_up_by_another_process_too(bench: Bench) -> None:
    handle = sleeping(bench)
    with shown(bench.runtime.open_shell(handle)) as screen:
        screen.until(b"$ ")
        bench.runtime.hang_up(Handle(handle.name), screen.terminal.mark)
        screen.until_end()
        assert screen.terminal.exit_code() not in (None, 0)
        bench.runtime.hang_up(handle, screen.terminal.mark)
    assert isinstance(bench.runtime.observe(handle), Running)
    bench.runtime.remove(handle)
    bench.runtime.hang_up(handle, screen.terminal.mark)


def test_a_shell_ends_with_the_job(bench: Bench) -> None:
    handle = sleeping(bench)
    with shown(bench.runtime.open_shell(handle)) as screen:
        screen.until(b"$ ")
        bench.runtime.stop(handle, 0)
        screen.until_end()
        bench.runtime.hang_up(handle, screen.terminal.mark)


def test_what_does_not_run_has_no_shell(bench: Bench) -> None:
    handle = bench.runtime.start(bench.spec("true"))
    bench.runtime.wait(handle)
    for gone in (handle, Handle(f"{handle.name}-never")):
        with pytest.raises(RuntimeFault, match="does not run") as caught:
            bench.runtime.open_shell(gone)
        assert caught.value.code == "no_terminal"


def test_an_image_without_a_shell_says_so(bench: Bench) -> None:
    if isinstance(bench.runtime, FakeRuntime):
        image, argv = "static:1", ("/wait",)
        bench.runtime._shell_less.add(image)
    else:
        image, argv = shell_less_image(bench), ("/wait",)
    handle = bench.runtime.start(bench.spec(*argv, image=image, does=FakeProgram(duration_s=60)))
    until = time.monotonic() + WITHIN_S
    while not isinstance(bench.runtime.observe(handle), Running) and time.monotonic() < until:
        time.sleep(0.02)
    with pytest.raises(RuntimeFault, match="no shell") as caught:
        bench.runtime.open_shell(handle)
    assert (caught.value.code, caught.value.retry) == ("no_shell", False)


def shell_less_image(bench: Bench) -> str:
    """One program, which waits for ever (the system call `pause`, again and again), and nothing else."""
    if platform.machine() != "x86_64":
        pytest.skip("the program is written for x86-64")
    code = bytes.fromhex("b822000000 0f05 ebf7")  # mov eax, 34; syscall; jmp back
    base, head = 0x400000, 64 + 56
    elf = struct.pack(
        "<4sBBBB8x HHIQQQIHHHHHH", b"\x7fELF", 2, 1, 1, 0, 2, 62, 1, base + head, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    elf += struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, head + len(code), head + len(code), 4096)
    program = tarfile.TarInfo("wait")
    program.size, program.mode = head + len(code), 0o755
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as layer:
        layer.addfile(program, io.BytesIO(elf + code))
    return make_image(bench, out.getvalue())


@pytest.mark.docker
def test_a_shell_has_the_limits_of_its_job() -> None:
    runtime = DockerRuntime()
    bench = Bench(runtime)
    handle = sleeping(bench)
    try:
        with shown(bench.runtime.open_shell(handle)) as screen:
            screen.type(b"grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; echo do''ne")
            screen.until(b"done\r\n")
            said = bytes(screen.shown).replace(b"\t", b" ")
            for line in (b"CapEff: 0000000000000000", b"CapBnd: 0000000000000000", b"NoNewPrivs: 1", b"Seccomp: 2"):
                assert line in said, said
            screen.type(b"touch /etc/x; ls /sys/class/net; echo do''ne")
            screen.until(b"Read-only file system")
            screen.until(b"done\r\n")
            assert b"eth0" not in screen.shown
    finally:
        runtime.remove(handle)
        runtime.close()
