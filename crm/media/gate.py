"""How many uploads a process takes at once: each holds its file on the disk, up to 100 MB, until it is kept."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from crm.core.errors import RateLimited

OF_ONE, OF_ALL = 16, 32  # uploads in hand: of one hotel, of all together
_AGAIN = 2  # seconds

in_hand: Counter[UUID] = Counter()


@contextmanager
def taken(tenant: UUID) -> Iterator[None]:
    """Hold one place for an upload; one hotel cannot take them all. Raises RateLimited."""
    if in_hand[tenant] >= OF_ONE or in_hand.total() >= OF_ALL:
        raise RateLimited(
            _AGAIN,
            "Muitos arquivos estão sendo enviados ao mesmo tempo. Aguarde um instante.",
            "Many files are being uploaded at the same time. Wait a moment.",
        )
    in_hand[tenant] += 1
    try:
        yield
    finally:
        in_hand[tenant] -= 1
