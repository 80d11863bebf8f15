"""Files of a hotel in tests: the row as crm.media leaves it, and the bytes at the fake Meta."""

import hashlib
from typing import Any
from uuid import uuid4

from tests.people import Sql
from tests.system import Hotel, System, calling

_STORED = """INSERT INTO media (tenant_id, direction, state, mime_type, filename, size, sha256, animated)
             VALUES ($1, 'OUTBOUND', $2, $3, $4, $5, $6, $7) RETURNING id"""
_UPLOADED = """INSERT INTO media_uploads (tenant_id, channel_id, sha256, mime_type, graph_id)
               VALUES ($1, $2, $3, $4, $5)"""


async def stored(as_owner: Sql, hotel: Hotel, mime: str, **more: Any) -> str:
    """The id of a file that lies in the hotel's store, of this type, size and state."""
    fact = {"state": "READY", "filename": None, "size": 5, "sha256": mime.encode(), "animated": False, **more}
    rest = [fact[name] for name in ("filename", "size", "sha256", "animated")]
    [row] = await as_owner(_STORED, hotel.id, fact["state"], mime, *rest)
    return str(row["id"])


async def uploaded(
    system: System, as_owner: Sql, hotel: Hotel, mime: str, filename: str | None = None
) -> tuple[str, str]:
    """A file that Meta has already: our id and Meta's."""
    data = uuid4().bytes
    async with calling(headers={"Authorization": f"Bearer token-of-{hotel.number_id}"}) as client:
        answer = await client.post(
            f"{system.graph_url}/v25.0/{hotel.number_id}/media",
            data={"messaging_product": "whatsapp", "type": mime},
            files={"file": (filename or "file", data, mime)},
        )
    assert answer.status_code == 200, answer.text
    graph_id, digest = answer.json()["id"], hashlib.sha256(data).digest()
    await as_owner(_UPLOADED, hotel.id, hotel.channel_id, digest, mime, graph_id)
    return await stored(as_owner, hotel, mime, filename=filename, size=len(data), sha256=digest), graph_id
