"""The keys by which the nodes of one attempt open to one another, and to nobody else: made once, kept in its folder.

sshd runs as the job's own user, without a privilege: its port, keys and configuration are ours, and the image brings the
program. `ssh node2` finds all it needs in /etc/ssh/ssh_config, whatever the home folder is.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from jobs.runtimes.base import Mount

SSHD = "/usr/sbin/sshd"
PLACE = "/etc/JARVICE/ssh"
START = f"{PLACE}/sshd.sh"
CLIENT = "/etc/ssh/ssh_config"
PORT = 2222  # one that any user may listen on; 22 is tried too, for programs that know no other
MISSING = 127  # how the script below ends where the image has no sshd

# SetEnv, which sshd has known since 7.8, gives commands on other nodes the image's own search paths.
SCRIPT = f"""\
#!/bin/sh
# Written by Slipway: opens this node to the other nodes of its job.
[ -x {SSHD} ] || exit {MISSING}
paths="PATH=$PATH${{LD_LIBRARY_PATH:+ LD_LIBRARY_PATH=$LD_LIBRARY_PATH}}"
{SSHD} -t -f {PLACE}/sshd_config -o "SetEnv=$paths" 2>/dev/null && set -- "$@" -o "SetEnv=$paths"
exec {SSHD} -f {PLACE}/sshd_config "$@"
"""
SERVER = f"""\
Port {PORT}
Port 22
HostKey {PLACE}/host_key
AuthorizedKeysFile {PLACE}/authorized_keys
PubkeyAuthentication yes
PasswordAuthentication no
StrictModes no
UsePAM no
PidFile none
PrintMotd no
MaxStartups 1000
MaxSessions 1000
Subsystem sftp internal-sftp
"""
CLIENT_CONFIG = f"""\
Host {{hosts}}
  Port {PORT}
  IdentityFile {PLACE}/user_key
  UserKnownHostsFile {PLACE}/known_hosts
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectionAttempts 10
  LogLevel ERROR
"""


def make(folder: Path, hosts: Sequence[str], *, uid: int, gid: int) -> None:
    """Write the files of an attempt's nodes into the folder, once: another call finds them and changes nothing."""
    if folder.exists():
        return
    fresh = folder.with_suffix(".new")
    fresh.mkdir(mode=0o700, exist_ok=True)
    host_private, host_public = _pair()
    user_private, user_public = _pair()
    names = [*hosts, "localhost"]
    known = ",".join([*names, *(f"[{name}]:{PORT}" for name in names)])
    texts = {
        "sshd.sh": SCRIPT,
        "sshd_config": SERVER,
        "ssh_config": CLIENT_CONFIG.format(hosts=" ".join(names)),
        "authorized_keys": user_public,
        "known_hosts": f"{known} {host_public}",
        "host_key": host_private,
        "user_key": user_private,
    }
    for name, text in texts.items():
        path = fresh / name
        path.unlink(missing_ok=True)  # of a process that was killed here
        path.touch(mode=0o600)
        path.write_text(text)
        _hand_over(path, uid, gid, secret=name.endswith("_key"))
    fresh.rename(folder)


def mounts(folder: Path) -> tuple[Mount, ...]:
    """Where a node finds them: read-only, each by itself."""
    names = ("sshd.sh", "sshd_config", "authorized_keys", "known_hosts", "host_key", "user_key")
    inside = tuple(Mount(str(folder / name), f"{PLACE}/{name}", readonly=True) for name in names)
    return (*inside, Mount(str(folder / "ssh_config"), CLIENT, readonly=True))


def _pair() -> tuple[str, str]:
    """A new private key and its public one, as OpenSSH writes them."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()}\n"


def _hand_over(path: Path, uid: int, gid: int, *, secret: bool) -> None:
    """Let the job's user read it. OpenSSH takes a secret key of one's own only where nobody else may read it."""
    if secret and os.geteuid() == 0:
        os.chown(path, uid, gid)
    own = os.geteuid() in (0, uid)
    path.chmod(0o400 if secret and own else 0o444)  # the folder is closed to all others on this host
