"""Keeps a container for the tasks of one stage: starts each as a fresh process, and leaves nothing of it. Python 3.6 and up.

python3 keeper.py POST START. A folder in POST is a task: `task.json` (argv, env, workdir) is there when it is asked for,
`begun` (its process id) once it was started, which happens once, and `end.json` when it and all that it started is gone. `log` has its
output in the engine's frames, `usage.json` its latest figures, `stop` how many seconds of grace it has left. These files
are what counts; who connects to the socket `bell` rings with any byte, and is rung when a file has changed.
"""

import errno
import fcntl
import gc
import importlib.util
import json
import os
import select
import signal
import socket
import struct
import sys
import time
import typing

LOG_BYTES_MAX = 512 * 2**20
PIECE_BYTES = 16384
READ_AT_ONCE = 64  # pieces, before others have their turn
SAMPLE_S = 1.0
OOM_FIRST = "1000"  # who is to be killed for want of memory: the task, before this process
NOT_FOUND = 127
HEADER = struct.Struct(">BxxxL")


class Task:
    """One that runs. `streams` are its open pipes: 1 stdout, 2 stderr."""

    def __init__(self, folder: str, pid: int, streams: "dict[int, int]", log: int, oom_kills: int) -> None:
        self.folder, self.pid, self.streams, self.log = folder, pid, streams, log
        self.oom_kills = oom_kills
        self.status = None  # type: int | None
        self.cpu_s, self.peak = 0.0, 0
        self.written, self.stamp_ns, self.dropped = 0, 0, 0
        self.kill_at = None  # type: float | None
        self.told = False
        self.rests = {1: b"", 2: b""}  # lines whose end has not come yet
        self.sampled = time.monotonic()


class Keeper:
    def __init__(self, post: str, start: str) -> None:
        self.post, self.starter = post, load(start, "_slipway_start")
        self.remains = load(os.path.join(os.path.dirname(os.path.abspath(__file__)), "remains.py"), "_slipway_remains")
        self.start = start
        self.task = None  # type: Task | None
        self.clients = {}  # type: dict[int, socket.socket]
        self.poll = select.poll()
        path = os.path.join(post, "bell")
        if os.path.lexists(path):
            os.unlink(path)
        self.door = socket.socket(socket.AF_UNIX)
        here = os.getcwd()
        os.chdir(post)  # the path of a socket may have 108 bytes
        self.door.bind("bell")
        os.chdir(here)
        os.chmod(path, 0o660)
        self.door.listen(64)
        self.door.setblocking(False)
        self.woken, waker = os.pipe()
        for fd in (self.woken, waker):
            fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waker)
        self.poll.register(self.door, select.POLLIN)
        self.poll.register(self.woken, select.POLLIN)

    def serve(self) -> "tuple[list[str], str]":
        """Until this process is the one of a task: its argv, and its folder in POST."""
        for name in self.names():
            if self.has(name, "begun") and not self.has(name, "end.json"):
                self.end(name, {"code": 137, "oom": False, "reason": "The container that it ran in ended."})
        while True:
            became = self.look()
            if became is not None:
                return became
            timeout_s = SAMPLE_S
            if self.task and self.task.kill_at is not None:
                timeout_s = min(timeout_s, max(0.0, self.task.kill_at - time.monotonic()))
            for fd, _ in self.poll.poll(timeout_s * 1000 + 1 if self.task else None):
                self.turn(fd)
            if self.task:
                self.tend(self.task)

    # -- what is asked for

    def names(self) -> "list[str]":
        """What has been asked for. Who asks prepares it under a name with a dot first."""
        asked = [name for name in os.listdir(self.post) if not name.startswith(".")]
        return sorted(name for name in asked if self.has(name, "task.json"))

    def has(self, name: str, file: str) -> bool:
        return os.path.lexists(os.path.join(self.post, name, file))

    def look(self) -> "tuple[list[str], str] | None":
        """Begin what is asked for, or hear that it is to stop. In the new process: what it is to run."""
        if self.task is not None:
            self.hear_stop(self.task)
            return None
        for name in self.names():
            if not self.has(name, "begun"):
                return self.begin(name)
        return None

    def begin(self, name: str) -> "tuple[list[str], str] | None":
        folder = os.path.join(self.post, name)
        made = []  # type: list[int]
        try:
            with open(os.path.join(folder, "task.json"), "rb") as file:
                asked = json.loads(file.read().decode("utf-8"))
            for file_name, flag in (("begun", os.O_EXCL), ("log", os.O_APPEND)):
                made.append(os.open(os.path.join(folder, file_name), os.O_WRONLY | os.O_CREAT | flag, 0o640))
        except FileNotFoundError:  # it has just been forgotten
            for fd in made:
                os.close(fd)
            return None
        begun, log = made
        out, err = os.pipe(), os.pipe()
        oom_kills = self.remains.oom_count()
        pid = os.fork()
        if not pid:
            return self.become(asked, out[1], err[1]), folder
        os.write(begun, str(pid).encode())
        for fd in (begun, out[1], err[1]):
            os.close(fd)
        streams = {out[0]: 1, err[0]: 2}
        for fd in streams:
            fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK)
            self.poll.register(fd, select.POLLIN)
        self.task = Task(folder, pid, streams, log, oom_kills)
        self.ring()
        self.hear_stop(self.task)
        return None

    def become(self, asked: "dict[str, typing.Any]", out: int, err: int) -> "list[str]":
        """The new process: nothing of the keeper's is open in it, and it leads a group of its own."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write(OOM_FIRST)
        for opened in (self.door, *self.clients.values()):
            opened.detach()  # what it opens itself may get the same numbers
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        for fd in [int(name) for name in os.listdir("/proc/self/fd")]:
            if fd > 2:
                try:
                    os.close(fd)
                except OSError:  # that of the listing
                    pass
        if "random" in sys.modules:  # Python 3.6 would give each task the same numbers
            sys.modules["random"].seed()
        os.environ.update(asked["env"])
        os.chdir(asked["workdir"])
        return list(asked["argv"])

    def hear_stop(self, task: Task) -> None:
        """TERM at once, KILL after the grace; a later word can only shorten it."""
        try:
            with open(os.path.join(task.folder, "stop")) as file:
                grace_s = float(file.read() or 0)
        except (OSError, ValueError):
            return
        at = time.monotonic() + grace_s
        if task.kill_at is None or at < task.kill_at:
            task.kill_at = at
        if grace_s <= 0:
            os.kill(task.pid, signal.SIGKILL)
        elif not task.told:
            task.told = True
            os.kill(task.pid, signal.SIGTERM)  # it is ours until wait4 has said that it ended

    # -- what happens

    def turn(self, fd: int) -> None:
        if fd == self.door.fileno():
            self.accept()
        elif fd == self.woken:
            self.drained(fd)
        elif self.task and fd in self.task.streams:
            self.read(self.task, fd, READ_AT_ONCE)
        elif fd in self.clients:
            try:
                heard = self.clients[fd].recv(4096)
            except OSError as fault:
                heard = b"" if fault.errno != errno.EAGAIN else b"."
            if not heard:
                self.drop(fd)

    def accept(self) -> None:
        try:
            client, _ = self.door.accept()
        except OSError:
            return
        client.setblocking(False)
        try:
            client.send(b".")  # what it looked at while it stood in line may have changed since
        except OSError:
            client.close()
            return
        self.clients[client.fileno()] = client
        self.poll.register(client, select.POLLIN)

    def drop(self, fd: int) -> None:
        self.poll.unregister(fd)
        self.clients.pop(fd).close()

    def drained(self, fd: int) -> None:
        try:
            while os.read(fd, 4096):
                pass
        except OSError:
            pass

    def read(self, task: Task, fd: int, most: int) -> None:
        """What a pipe holds, into the log, at most so many pieces; at its end it is closed."""
        for _ in range(most):
            try:
                data = os.read(fd, PIECE_BYTES)
            except OSError as fault:
                if fault.errno == errno.EAGAIN:
                    break
                data = b""
            if not data:
                self.close(task, fd)
                break
            self.take(task, task.streams[fd], data)
        self.ring()

    def close(self, task: Task, fd: int) -> None:
        self.poll.unregister(fd)
        os.close(fd)
        del task.streams[fd]

    def take(self, task: Task, stream: int, data: bytes) -> None:
        """Line by line, as an engine does: the begin of a line waits for its end, or until it is a piece."""
        *lines, rest = (task.rests[stream] + data).split(b"\n")
        for line in [one + b"\n" for one in lines]:
            for at in range(0, len(line), PIECE_BYTES):
                self.keep(task, stream, line[at : at + PIECE_BYTES])
        while len(rest) >= PIECE_BYTES:
            self.keep(task, stream, rest[:PIECE_BYTES])
            rest = rest[PIECE_BYTES:]
        task.rests[stream] = rest

    def keep(self, task: Task, stream: int, data: bytes) -> None:
        if task.written > LOG_BYTES_MAX:
            task.dropped += len(data)
            return
        task.stamp_ns = max(task.stamp_ns + 1, int(time.time() * 1e9))
        seconds, rest = divmod(task.stamp_ns, 1000000000)
        stamp = "%s.%09dZ " % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)), rest)
        frame = HEADER.pack(stream, len(stamp) + len(data)) + stamp.encode() + data
        try:
            while frame:
                frame = frame[os.write(task.log, frame) :]
        except OSError:  # the disk is full: the task goes on
            task.dropped += len(data)
        task.written += len(data)

    def tend(self, task: Task) -> None:
        """The task's end, its time, its figures."""
        now = time.monotonic()
        pid, status, used = os.wait4(task.pid, os.WNOHANG)
        if pid:
            task.status = status
            task.cpu_s = used.ru_utime + used.ru_stime
            task.peak = max(task.peak, used.ru_maxrss * 1024)
            self.finish(task, status)
        elif task.kill_at is not None and now >= task.kill_at:
            os.kill(task.pid, signal.SIGKILL)
        elif now - task.sampled >= SAMPLE_S:
            task.sampled = now
            self.sample(task)

    def finish(self, task: Task, status: int) -> None:
        """As where a container ends with its program: all that it started goes too, and what it left in memory."""
        self.remains.kill_others()
        for fd in list(task.streams):
            self.read(task, fd, sys.maxsize)
        for fd in list(task.streams):
            self.close(task, fd)
        for stream, rest in task.rests.items():
            if rest:
                self.keep(task, stream, rest)
        if task.dropped:
            task.written = 0
            self.keep(task, 2, b"\n[%d bytes of output were not kept]\n" % task.dropped)
        os.close(task.log)
        clean = self.remains.sweep()
        self.task = None
        code = 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        said = {"code": code, "oom": self.remains.oom_count() > task.oom_kills, "cpu_s": task.cpu_s, "peak": task.peak}
        self.end(os.path.basename(task.folder), dict(said, reason=reason_of(task.folder) if code == NOT_FOUND else ""))
        if not clean:
            self.remains.give_up("What a task left can't be removed")

    def sample(self, task: Task) -> None:
        pids, cpu_s, memory = self.remains.figures()
        task.peak = max(task.peak, memory)
        said = {"cpu_s": cpu_s, "memory": memory, "peak": task.peak, "pids": pids}
        try:
            write(task.folder, "usage.json", said)
        except OSError:
            return
        self.ring()

    def end(self, name: str, said: "typing.Mapping[str, object]") -> None:
        try:
            write(os.path.join(self.post, name), "end.json", said)
        except OSError:  # it is being forgotten
            pass
        self.ring()

    def ring(self) -> None:
        """Tell all who listen to look again. Who has not heard the last one yet needs no other."""
        for fd, client in list(self.clients.items()):
            try:
                client.send(b".")
            except BlockingIOError:
                pass
            except OSError:
                self.drop(fd)


def load(path: str, name: str) -> "typing.Any":
    """A script of ours, under a name that is no program's own."""
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)  # type: ignore[arg-type]
    spec.loader.exec_module(module)  # type: ignore[union-attr]
    return module


def write(folder: str, name: str, said: "typing.Mapping[str, object]") -> None:
    """Whole or not at all."""
    fresh = os.path.join(folder, "." + name)
    with open(fresh, "w") as file:
        json.dump(said, file)
    os.replace(fresh, os.path.join(folder, name))


def reason_of(folder: str) -> str:
    """What the new process said of a program that it could not become."""
    try:
        with open(os.path.join(folder, "reason")) as file:
            return file.read(1000)
    except OSError:
        return ""


def run(argv: "list[str]", folder: str, keeper: Keeper) -> None:
    """What a container's first words would do: our own harness as it is loaded already, another program by exec."""
    if argv[:2] == ["python3", keeper.start]:
        sys.argv = argv[1:]
        keeper.starter.main()
        return
    try:
        os.execvp(argv[0], argv)
    except OSError as fault:
        said = argv[0] + " failed: " + str(fault.strerror)
        with open(os.path.join(folder, "reason"), "w") as file:
            file.write("The program could not be started: " + said + ". Is it in the image?")
        sys.stderr.write(said + "\n")
        sys.stderr.flush()
        os._exit(NOT_FOUND)


if __name__ == "__main__":
    the_keeper = Keeper(sys.argv[1], sys.argv[2])
    if hasattr(gc, "freeze"):
        gc.freeze()  # a task that collects, at the latest as it ends, would copy each page of what is here
    run(*the_keeper.serve(), the_keeper)
