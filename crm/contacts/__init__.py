"""People who write to the hotel, found by any name Meta knows them by (Meta: BSUID, phone number quirks)."""

from crm.contacts import attributes, doors, listing
from crm.contacts.knowing import blocked, hold, learn_bsuid, learn_wa_id, meet, move, opt_out, recipient, seen
from crm.contacts.listing import matching
from crm.contacts.merging import found, merge
from crm.contacts.phones import country, match_key, typed_phone
from crm.contacts.shapes import Choice, Moved, Person, updated

routes = [*listing.routes, *doors.routes, *attributes.routes]

__all__ = [
    "Choice",
    "Moved",
    "Person",
    "blocked",
    "country",
    "found",
    "hold",
    "learn_bsuid",
    "learn_wa_id",
    "match_key",
    "matching",
    "meet",
    "merge",
    "move",
    "opt_out",
    "recipient",
    "routes",
    "seen",
    "typed_phone",
    "updated",
]
