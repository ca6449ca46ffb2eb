"""The password file that VNC servers read (`-rfbauth`, vncpasswd): the job's password, for images that carry a desktop.

The format hides the password from a glance and no more: DES with a key that everybody knows, each of its bytes with its bits
in reverse order (RFC 6143, section 7.2.2, for the same habit). VNC looks at the first 8 characters alone.
"""

from __future__ import annotations

import base64

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

LENGTH = 8
KNOWN_KEY = bytes((0x17, 0x52, 0x6B, 0x06, 0x23, 0x4E, 0x58, 0x07))


def password_file(password: str) -> str:
    """The file's 8 bytes, as base64."""
    key = bytes(int(f"{byte:08b}"[::-1], 2) for byte in KNOWN_KEY)
    block = password.encode("ascii", "replace")[:LENGTH].ljust(LENGTH, b"\0")
    # Three times the same key is DES. One block, nothing to keep secret: the mode is beside the point.
    des = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()  # noqa: S305 - the format is not ours
    return base64.b64encode(des.update(block) + des.finalize()).decode("ascii")
