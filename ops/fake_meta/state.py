"""What the handlers share, and how they reach it and the number or account that a path names."""

import secrets

from starlette.requests import Request

from .chats import Chats
from .courier import Courier
from .errors import bad_token, invalid, unknown_object
from .script import Rules
from .settings import Settings
from .world import Account, Number, World


class Fake:
    """One fake Meta; `key` signs its media URLs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.world = World()
        self.chats = Chats()
        self.rules = Rules()
        self.courier = Courier(settings)
        self.key = secrets.token_bytes(16)

    async def clear(self) -> None:
        """Forget everything and stop what is under way."""
        await self.courier.clear()
        self.rules.clear()
        self.world.clear()
        self.chats.clear()


def of(request: Request) -> Fake:
    """The fake that serves this request."""
    fake: Fake = request.app.state.fake
    return fake


async def object_body(request: Request) -> dict[str, object]:
    """The JSON object that was posted."""
    try:
        body = await request.json()
    except ValueError:
        raise invalid("The request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise invalid("The request body must be a JSON object")
    return body


def owned(request: Request, name: str, owners: list[Number]) -> None:
    """The bearer must be a token of one owner; a token of somebody else sees no object (Meta: §6.2)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not token:
        raise bad_token()
    if any(owner.access_token in (None, token) for owner in owners):
        return
    strangers = {number.access_token for number in of(request).world.numbers.values()}
    raise unknown_object(request.method, name) if not owners or token in strangers else bad_token()


def number(request: Request) -> Number:
    """The business number in the path."""
    name = request.path_params["node"]
    found = of(request).world.numbers.get(name)
    owned(request, name, [found] if found else [])
    assert found is not None
    return found


def account(request: Request) -> Account:
    """The WABA in the path."""
    name = request.path_params["node"]
    world = of(request).world
    owned(request, name, world.numbers_of(name))
    return world.accounts[name]
