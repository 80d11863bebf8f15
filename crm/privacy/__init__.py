"""What the law asks (LGPD): a person's data told, a person erased, and what is old forgotten."""

from crm.privacy.doors import routes
from crm.privacy.raw import look_through

__all__ = ["look_through", "routes"]
