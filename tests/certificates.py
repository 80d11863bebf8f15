"""Certificates for tests: self-signed, or by an authority that nobody knows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID


def certificate(path: Path, days: float, own: bool = True) -> Path:
    """Write one that ends in so many days; `own`: nobody but itself vouches for it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    issuer = _name("crm.example" if own else "An Authority")
    built = x509.CertificateBuilder(issuer, _name("crm.example"), key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - timedelta(days=90)).not_valid_after(now + timedelta(days=days))
    path.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM))
    return path


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
