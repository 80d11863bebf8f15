"""All cryptography on one page: passwords, tokens, sealed secrets, webhook signatures."""

import base64
import hashlib
import hmac
import os
import secrets
import time
from typing import Literal
from uuid import UUID

import bcrypt
import jwt
import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

ISSUER, AUDIENCE = "crm", "crm-api"
ACCESS_SECONDS, REFRESH_SECONDS = 15 * 60, 7 * 24 * 3600
_ID, _NONCE = 4, 12  # bytes in front of a sealed secret: which key, then AES-GCM's nonce


class Claims(msgspec.Struct, frozen=True):
    """What a verified token says (contract, section 3). Times are unix seconds; `tid` None is the platform."""

    iss: str
    aud: str
    sub: UUID
    tid: UUID | None
    role: Literal["SUPER_ADMIN", "TENANT_ADMIN", "ATTENDANT"]
    sid: UUID
    jti: str
    typ: Literal["access", "refresh"]
    iat: int
    exp: int


class BadToken(Exception):
    """A token that is not ours, not of the kind asked for, or no token at all."""


class ExpiredToken(BadToken):
    """Ours, and past its time."""


class SealBroken(Exception):
    """A sealed secret that does not open here: moved to another row, altered, or its key is gone."""


def password_hash(password: str, rounds: int) -> str:
    """bcrypt over a SHA-256 of the password: any length counts whole (bcrypt 5 raises above 72 bytes)."""
    return bcrypt.hashpw(_digest(password), bcrypt.gensalt(rounds)).decode()


def password_matches(password: str, hashed: str) -> bool:
    """Whether the password made this hash; takes as long for a wrong one."""
    return bcrypt.checkpw(_digest(password), hashed.encode())


def _digest(password: str) -> bytes:
    return base64.b64encode(hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest())


def temporary_password() -> str:
    """Something a person can type once: about 80 bits."""
    return "-".join(secrets.token_hex(2) for _ in range(5))


def token(claims: Claims, secret: str) -> str:
    """Sign the claims with HS256."""
    return jwt.encode(msgspec.to_builtins(claims), secret, algorithm="HS256")


def claims(
    user: UUID, tenant: UUID | None, role: str, session: UUID, typ: Literal["access", "refresh"], jti: str
) -> Claims:
    """Claims for a token issued now: 15 minutes of access, 7 days of refresh."""
    now = int(time.time())
    seconds = ACCESS_SECONDS if typ == "access" else REFRESH_SECONDS
    parts = {"sub": user, "tid": tenant, "role": role, "sid": session, "jti": jti, "typ": typ}
    return msgspec.convert({"iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + seconds, **parts}, Claims)


def new_jti() -> str:
    """A token's own id: 128 random bits."""
    return secrets.token_hex(16)


def verified(text: str, secret: str, typ: Literal["access", "refresh"]) -> Claims:
    """The claims of a token that is ours and of this kind. Raises BadToken, ExpiredToken."""
    required = ["exp", "iat", "iss", "aud", "sub"]
    try:
        raw = jwt.decode(
            text,
            secret,
            algorithms=["HS256"],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": required},
        )
        found = msgspec.convert(raw, Claims)
    except jwt.ExpiredSignatureError as error:
        raise ExpiredToken from error
    except (jwt.InvalidTokenError, msgspec.ValidationError, ValueError) as error:
        raise BadToken from error
    if found.typ != typ:
        raise BadToken
    return found


def token_hash(jti: str) -> bytes:
    """What is stored of a refresh token: the hash of the part nobody can guess."""
    return hashlib.sha256(jti.encode()).digest()


def same(left: str, right: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(left.encode(), right.encode())


def signed(body: bytes, header: str, secret: str) -> bool:
    """Whether `X-Hub-Signature-256` is this secret's over these raw bytes (Meta: signature)."""
    expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return bool(secret) and hmac.compare_digest(expected.encode(), header.encode("latin-1", "replace"))


class Box:
    """Seals secrets for storage: AES-256-GCM, the key's id in front, tenant and column as associated data.

    A ciphertext copied to another tenant's row or another column does not open. Keys are derived (HKDF)
    from ENCRYPTION_KEYS, the newest first; the id is a fingerprint, so their order may change.
    """

    def __init__(self, keys: list[str]) -> None:
        self._keys = dict(_derived(key) for key in keys)
        self._newest = next(iter(self._keys))

    def seal(self, secret: str, tenant: UUID, column: str) -> bytes:
        """The secret as bytes that only this tenant's column opens."""
        nonce = os.urandom(_NONCE)
        text = AESGCM(self._keys[self._newest]).encrypt(nonce, secret.encode(), _place(tenant, column))
        return self._newest + nonce + text

    def open(self, sealed: bytes, tenant: UUID, column: str) -> str:
        """The secret again. Raises SealBroken."""
        key = self._keys.get(sealed[:_ID])
        if key is None:
            raise SealBroken("its key is not among ENCRYPTION_KEYS")
        nonce, text = sealed[_ID : _ID + _NONCE], sealed[_ID + _NONCE :]
        try:
            return AESGCM(key).decrypt(nonce, text, _place(tenant, column)).decode()
        except (InvalidTag, ValueError) as error:
            raise SealBroken("it was altered or belongs to another row") from error

    def fresh(self, sealed: bytes) -> bool:
        """Whether it is sealed with the newest key."""
        return sealed[:_ID] == self._newest


def _derived(text: str) -> tuple[bytes, bytes]:
    key = HKDF(SHA256(), 32, salt=None, info=b"crm sealed secrets").derive(text.encode())
    return hashlib.sha256(key).digest()[:_ID], key


def _place(tenant: UUID, column: str) -> bytes:
    return f"{tenant}|{column}".encode()
