"""Message templates: what Meta has of a hotel's, new ones, and what becomes of them."""

from crm.template_texts import check_parameters, filled
from crm.templates.changing import told
from crm.templates.doors import routes
from crm.templates.shapes import DueAccountRow, TemplateRow
from crm.templates.syncing import resync_after, sync_due

__all__ = [
    "DueAccountRow",
    "TemplateRow",
    "check_parameters",
    "filled",
    "resync_after",
    "routes",
    "sync_due",
    "told",
]
