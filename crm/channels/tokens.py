"""A channel's access token, opened for a call to Meta."""

import logging
from uuid import UUID

from crm.channels.shapes import SenderRow
from crm.core.crypto import Box, SealBroken
from crm.core.meta import MetaError
from crm.core.meta_errors import TRANSIENT, Refusal, rule

log = logging.getLogger(__name__)
_UNOPENED = (
    "O token guardado não abre neste servidor: devolva a chave antiga a ENCRYPTION_KEYS ou grave o token de novo "
    "no canal; o que espera segue sozinho."
)
_NO_TOKEN = rule(Refusal(401, 190))


def token(box: Box, tenant: UUID, sender: SenderRow) -> str:
    """A channel's access token. Raises MetaError when there is none, or it does not open."""
    if sender.access_token is None:
        raise MetaError(_NO_TOKEN, 190, "the channel has no access token")
    return opened(box, tenant, sender.access_token, channelId=str(sender.id))


def opened(box: Box, tenant: UUID, sealed: bytes, **of: str) -> str:
    """A sealed access token; the log says `of` what. Raises MetaError when it does not open, or cannot be one."""
    try:
        found = box.open(sealed, tenant, "channels.access_token")
    except SealBroken as error:
        log.exception("an access token does not open", extra={"tenantId": str(tenant), **of})
        raise MetaError(TRANSIENT, None, "the channel's access token does not open", _UNOPENED) from error
    if not found.isascii() or not found.isprintable():
        raise MetaError(_NO_TOKEN, 190, "the channel's access token holds what none of Meta's does")
    return found
