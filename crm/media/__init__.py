"""Media: what messages bring is fetched, what people upload is kept, and both are served."""

from crm.media.arriving import attach
from crm.media.doors import routes
from crm.media.fetching import fetch, pending
from crm.media.keeping import forget, remove
from crm.media.sending import graph_id, upload_again
from crm.media.shapes import KINDS, PendingRow, kind_of

__all__ = [
    "KINDS",
    "PendingRow",
    "attach",
    "fetch",
    "forget",
    "graph_id",
    "kind_of",
    "pending",
    "remove",
    "routes",
    "upload_again",
]
