"""What a task leaves in a kept container, and what it uses: its processes, its files in memory. Python 3.6 and up.

Beside keeper.py, which loads it.
"""

import os
import shutil
import signal
import sys
import time

GONE_S = 10.0
SWEPT = ("/tmp", "/dev/shm", "/dev/mqueue")  # noqa: S108 - what a program can write to besides what is mounted
NOT_CLEAN = 70
TICKS_S = float(os.sysconf("SC_CLK_TCK"))


def others() -> "list[int]":
    """Every process in here but the container's first and this one."""
    mine = (1, os.getpid())
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) not in mine]


def kill_others() -> None:
    """Kill whatever a task left running."""
    until = time.monotonic() + GONE_S
    while others():
        if time.monotonic() > until:
            give_up("What a task started can't be killed")
        try:
            os.kill(-1, signal.SIGKILL)  # everyone but the first process and this one
        except ProcessLookupError:
            pass
        time.sleep(0.001)


def give_up(why: str) -> None:
    """End the container, and all that is in it; the next task gets another."""
    sys.stderr.write(why + "; this container ends.\n")
    sys.stderr.flush()
    os._exit(NOT_CLEAN)


def sweep() -> bool:
    """Empty what is in memory and not mounted by us. True where nothing is left."""
    for folder in SWEPT:
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                open_up(entry.path)
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                try:
                    os.unlink(entry.path)
                except OSError:
                    pass
        if entries and os.listdir(folder):
            return False
    return True


def open_up(folder: str) -> None:
    """Its owner may have closed a folder, to himself too."""
    closed = [folder]
    while closed:
        path = closed.pop()
        try:
            os.chmod(path, 0o700)
            closed += [entry.path for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
        except OSError:
            continue


def figures() -> "tuple[int, float, int]":
    """Of all but the first process and this one: how many, CPU seconds, bytes of memory that is their own."""
    count, ticks, memory = 0, 0, 0
    page = os.sysconf("SC_PAGE_SIZE")
    for pid in others():
        try:
            with open("/proc/%d/stat" % pid) as file:
                fields = file.read().rpartition(")")[2].split()
            with open("/proc/%d/statm" % pid) as file:
                resident, shared = file.read().split()[1:3]
        except (OSError, ValueError):
            continue
        count += 1
        ticks += sum(int(field) for field in fields[11:15])
        memory += (int(resident) - int(shared)) * page
    return count, ticks / TICKS_S, memory


def oom_count() -> int:
    """How often the kernel has killed in this container for want of memory (control groups 1 and 2)."""
    for path in ("/sys/fs/cgroup/memory.events", "/sys/fs/cgroup/memory/memory.oom_control"):
        try:
            with open(path) as file:
                for line in file:
                    name, _, number = line.partition(" ")
                    if name == "oom_kill":
                        return int(number)
        except (OSError, ValueError):
            continue
    return 0
