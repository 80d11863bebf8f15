"""People who write to the hotel, found by any name Meta knows them by (Meta: BSUID, phone number quirks)."""

from crm.contacts.doors import routes
from crm.contacts.knowing import hold, learn_bsuid, learn_wa_id, meet, move, recipient, seen
from crm.contacts.merging import merge
from crm.contacts.phones import match_key, typed_phone
from crm.contacts.shapes import Moved, Person

__all__ = [
    "Moved",
    "Person",
    "hold",
    "learn_bsuid",
    "learn_wa_id",
    "match_key",
    "meet",
    "merge",
    "move",
    "recipient",
    "routes",
    "seen",
    "typed_phone",
]
