"""What the law asks (LGPD): a person's data told, a person erased, and what is old forgotten."""

from crm.privacy.doors import routes
from crm.privacy.erasing import erase
from crm.privacy.forgetting import forget_old
from crm.privacy.raw import look_through

__all__ = ["erase", "forget_old", "look_through", "routes"]
