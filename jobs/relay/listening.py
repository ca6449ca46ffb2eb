"""Where this worker's relay listens: the address, and a certificate of its own where that is not the loopback."""

from __future__ import annotations

import ipaddress
import os
import re
import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

VALID = timedelta(days=3650)  # it is known by its bytes, and new with each start of the worker


@dataclass(frozen=True)
class Address:
    """Where to listen, and the host that the portal is told to dial (`named`, where it listens on every address)."""

    host: str
    port: int
    named: str

    @property
    def loopback(self) -> bool:
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback


def address_of(text: str, named: str = "") -> Address:
    """`10.0.0.7:7411`, `127.0.0.1:0` (a free port), `[::1]:0`. Raises ValueError with what is wrong and what to write."""
    match = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:/\s]+)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65535:
        raise ValueError(
            f"{text!r} is no address to listen on. Write it like 127.0.0.1:0, 10.0.0.7:7411 or [::1]:7411."
        )
    host = match[1] or match[2]
    if host != "localhost":
        try:
            number = ipaddress.ip_address(host)
        except ValueError:
            raise ValueError(f"{host!r} is no IP address. Write one of this host's own, like 10.0.0.7:7411.") from None
        if number.is_unspecified and not named:
            raise ValueError(f"{host} is every address. Say which one the portal dials: --relay-named 10.0.0.7.")
    return Address(host, int(match[3]), named or host)


def self_made_certificate() -> tuple[ssl.SSLContext, str]:
    """TLS for a relay, and the certificate (PEM) by which the portal knows it. The key lives in this process alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "relay")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks differ
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    descriptor, path = tempfile.mkstemp(prefix="slipway-relay-")  # the standard library loads keys from files alone
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(private + public)
        context.load_cert_chain(path)
    finally:
        Path(path).unlink()
    return context, public.decode("ascii")
