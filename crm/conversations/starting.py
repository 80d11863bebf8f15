"""A conversation the hotel begins: with a contact, or with a phone number nobody knows yet."""

from typing import Annotated, Any
from uuid import UUID

import msgspec

from crm import audit, channels, contacts
from crm.contacts import Person
from crm.conversations import giving
from crm.conversations.keeping import opened
from crm.conversations.shapes import ConversationOut
from crm.conversations.timeline import tell
from crm.core.access import ATTENDANT
from crm.core.errors import FieldError
from crm.core.feed import Event
from crm.core.http import Call, Door


class Start(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """With whom: a contact or a phone number; over which channel, or the oldest."""

    contact_id: UUID | None = None
    to: Annotated[str, msgspec.Meta(pattern=r"^\+?[0-9 ().-]{5,40}$")] | None = None
    channel_id: UUID | None = None

    @staticmethod
    def misfits(given: dict[str, Any]) -> list[FieldError]:
        """Neither of the two or both, and a phone that is none (for crm.core.body)."""
        if (given.get("contactId") is None) == (given.get("to") is None):
            pt, en = "diga contactId ou to, um dos dois", "give contactId or to, one of them"
            return [FieldError("/contactId", pt, en)]
        return contacts.phone_misfits(given, "to")


async def start(call: Call) -> ConversationOut:
    """The open conversation with them, made or opened again where there is none.

    Raises NotFound, ValidationFailed, AlreadyAssigned (somebody else has it, and the hotel hides that).
    """
    new: Start = call.body
    phone = None if new.to is None else contacts.typed_phone(new.to)
    channel = await channels.only(call.tx, new.channel_id)
    await contacts.hold(call.tx)
    if phone is not None:
        [contact] = await contacts.seen(call.tx, [Person(phone=phone)])
    else:
        assert new.contact_id is not None
        contact = await contacts.now_is(call.tx, new.contact_id)
    conversation, again = await reached(call, contact, channel)
    await audit.note(call, call.tx, "conversation.started", conversation, contactId=str(contact))
    return await tell(call, conversation, [], again)


async def reached(call: Call, contact: UUID, channel: UUID) -> tuple[UUID, list[Event]]:
    """The open conversation of a contact over a channel, as the caller may see it, and what is to be told of it.

    Raises AlreadyAssigned.
    """
    async with call.tx.seeing_all():
        places, again = await opened(call.tx, [(contact, channel)], call.author)
    conversation = places[contact, channel]
    await giving.seen(call, conversation)
    return conversation, again


routes = [
    Door(
        method="POST",
        path="/api/conversations",
        handler=start,
        role=ATTENDANT,
        body=Start,
        answer=ConversationOut,
        status=201,
    ),
]
