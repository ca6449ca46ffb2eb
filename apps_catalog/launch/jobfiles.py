"""The files that a program finds in /etc/JARVICE, and the users of its container: /etc/passwd and /etc/group."""

from __future__ import annotations

import re
from collections.abc import Sequence

from apps_catalog.launch.environment import quoted
from apps_catalog.launch.spec import PlanFile

FOLDER = "/etc/JARVICE"
JOBENV = f"{FOLDER}/jobenv.sh"
JOBINFO = f"{FOLDER}/jobinfo.sh"
NODES = f"{FOLDER}/nodes"
CORES = f"{FOLDER}/cores"
RANDOM = f"{FOLDER}/random128.txt"
START = f"{FOLDER}/start.sh"
VNC_PASSWORD = f"{FOLDER}/vncpasswd"
PASSWD = "/etc/passwd"  # noqa: S105 - a file of the container
GROUP = "/etc/group"

PREVIEWS = {
    JOBINFO: ":\n# JOB_NAME, JOB_LABEL, JOB_PRIVATEIP and JOB_PUBLICIP: written when the job starts.\n",
    NODES: "# The host names of the nodes, one a line, the master first: written when the job starts.\n",
    CORES: "# Each host name once for each of its cores: written when the job starts.\n",
    RANDOM: "# 128 letters and digits, new in each job: written when the job starts.\n",
    VNC_PASSWORD: "# The job's password as VNC servers read it: written when the job starts.\n",
    START: "# Starts the program with its expanded words: written when the job starts.\n",
    PASSWD: "# The users of the image and the job's own: written when the job starts.\n",
    GROUP: "# The groups of the image and the job's own: written when the job starts.\n",
}
BARE = re.compile(r"[A-Za-z0-9_.:-]*")
SHELLS = frozenset({"/bin/sh", "/bin/bash", "/bin/ash", "/bin/dash", "/usr/bin/bash"})
MINIMAL_PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"  # noqa: S105
MINIMAL_GROUP = "root:x:0:\nnogroup:x:65534:\n"


def late_file(path: str) -> PlanFile:
    """A file whose text is known only when the job starts, with a sentence in place of it."""
    return PlanFile(path, text=PREVIEWS[path], late=True)


def jobinfo(*, name: str, label: str, private_ip: str, public_ip: str) -> str:
    """jobinfo.sh. Sourcing it with sh, dash or bash sets the four names to exactly these values."""
    lines = (
        f"JOB_NAME={_in_double_quotes(name)}",
        f"JOB_LABEL={_bare(label)}",
        f"JOB_PRIVATEIP={_bare(private_ip)}",
        f"JOB_PUBLICIP={_bare(public_ip)}",
    )
    return ":\n" + "".join(f"{line}\n" for line in lines)


def _in_double_quotes(text: str) -> str:
    return '"' + re.sub(r'([\\"$`])', r"\\\1", text) + '"'


def _bare(text: str) -> str:
    return text if BARE.fullmatch(text) else quoted(text)


def nodes(hosts: Sequence[str]) -> str:
    return "".join(f"{host}\n" for host in hosts)


def cores(hosts: Sequence[str], cores_per_node: int) -> str:
    return "".join(f"{host}\n" * max(cores_per_node, 1) for host in hosts)


def passwd(image: str, *, username: str, uid: int, gid: int, home: str) -> str:
    """The image's users without those of the same name or number, and the job's own."""
    lines = (image or MINIMAL_PASSWD).splitlines()
    kept = [line for line in lines if not _clashes(line, username, uid)]
    return _with(kept, f"{username}:x:{uid}:{gid}::{home}:{_shell(lines)}")


def group(image: str, *, name: str, gid: int) -> str:
    """The image's groups without those of the same name or number, and the job's own."""
    kept = [line for line in (image or MINIMAL_GROUP).splitlines() if not _clashes(line, name, gid)]
    return _with(kept, f"{name}:x:{gid}:")


def _with(kept: Sequence[str], own: str) -> str:
    return "".join(f"{line}\n" for line in (*(line for line in kept if line.strip()), own))


def _clashes(line: str, name: str, number: int) -> bool:
    parts = line.split(":")
    return parts[0] == name or (len(parts) > 2 and parts[2].strip().lstrip("0") == str(number))


def _shell(lines: Sequence[str]) -> str:
    """The shell that the image gives root, where it is a usual one."""
    root = next((line.split(":") for line in lines if line.startswith("root:")), [])
    return root[6] if len(root) > 6 and root[6] in SHELLS else "/bin/sh"
