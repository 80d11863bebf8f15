"""People who write to the hotel, found by any name Meta knows them by (Meta: BSUID, phone number quirks)."""

from crm.contacts import attributes, doors, listing
from crm.contacts.doors import change
from crm.contacts.doors import merge as merge_asked
from crm.contacts.doors import unmerge as unmerge_asked
from crm.contacts.knowing import hold, learn_bsuid, learn_wa_id, meet, move, opt_out, proved, recipient, seen
from crm.contacts.listing import matching
from crm.contacts.merging import found, now_is, told
from crm.contacts.phones import both_digits, country, match_key, phone_misfits, typed_phone
from crm.contacts.shapes import (
    Change,
    Choice,
    ContactOut,
    Merge,
    MergeOut,
    Moved,
    Person,
    WholeContactOut,
    updated,
)

routes = [*listing.routes, *doors.routes, *attributes.routes]

__all__ = [
    "Change",
    "Choice",
    "ContactOut",
    "Merge",
    "MergeOut",
    "Moved",
    "Person",
    "WholeContactOut",
    "both_digits",
    "change",
    "country",
    "found",
    "hold",
    "learn_bsuid",
    "learn_wa_id",
    "match_key",
    "matching",
    "meet",
    "merge_asked",
    "move",
    "now_is",
    "opt_out",
    "phone_misfits",
    "proved",
    "recipient",
    "routes",
    "seen",
    "told",
    "typed_phone",
    "unmerge_asked",
    "updated",
]
