"""A certificate authority of the tests: pebble, which is Let's Encrypt's own for that, and names that lead here."""

import datetime
import ipaddress
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from ops.dev import processes
from tests.drills.door import until

NEEDED = [name for name in ("pebble", "pebble-challtestsrv", "certbot") if shutil.which(name) is None]


class Authority:
    """Signs for `days`, after it has looked for the proof at this port of whatever a name leads to."""

    def __init__(self, folder: Path, port: int, days: int) -> None:
        self.folder = folder
        self.place, self.inside, self.dns, self.names = (processes.free_port() for _ in range(4))
        _own_certificate(folder)
        config = {
            "listenAddress": f"127.0.0.1:{self.place}",
            "managementListenAddress": f"127.0.0.1:{self.inside}",
            "certificate": str(folder / "cert.pem"),
            "privateKey": str(folder / "key.pem"),
            "httpPort": port,
            "tlsPort": processes.free_port(),
            "certificateValidityPeriod": days * 86_400,
        }
        (folder / "pebble.json").write_text(json.dumps({"pebble": config}))

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.place}/dir"

    def start(self) -> list[processes.Child]:
        """The authority, and a name server for which every name is 127.0.0.1."""
        log, dns = self.folder / "authority.log", f"127.0.0.1:{self.dns}"
        off = ["-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""]
        servers = ["pebble-challtestsrv", "-dns01", dns, "-management", f"127.0.0.1:{self.names}", *off]
        env = {**os.environ, "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
        signer = ["pebble", "-config", self.folder / "pebble.json", "-dnsserver", dns]
        children = [processes.start(servers, log), processes.start(signer, log, env)]
        until(lambda: all(_listens(port) for port in (self.place, self.names)))
        return children

    def lead(self, name: str, address: str) -> None:
        """From now on this name leads there."""
        place = f"http://127.0.0.1:{self.names}"
        for word in ("clear-a", "add-a"):
            told = httpx.post(f"{place}/{word}", json={"host": f"{name}.", "addresses": [address]}, trust_env=False)
            assert told.status_code == 200, told.text


@contextmanager
def signing(folder: Path, port: int, days: int) -> Iterator[Authority]:
    """An authority, until the end of the block."""
    folder.mkdir()
    authority = Authority(folder, port, days)
    children = authority.start()
    try:
        yield authority
    finally:
        processes.stop(children)


def _own_certificate(folder: Path) -> None:
    """With which the authority itself is spoken to."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority.test")])
    now = datetime.datetime.now(datetime.UTC)
    place = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(place, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "key.pem").write_bytes(encoded)
    (folder / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
