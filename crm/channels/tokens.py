"""A channel's access token, opened for a call to Meta."""

import logging
from uuid import UUID

from crm.channels.shapes import SenderRow
from crm.core.crypto import Box, SealBroken
from crm.core.meta import MetaError
from crm.core.meta_errors import TRANSIENT, Refusal, rule

log = logging.getLogger(__name__)
_NO_TOKEN = rule(Refusal(401, 190))


def token(box: Box, tenant: UUID, sender: SenderRow) -> str:
    """A channel's access token. Raises MetaError when there is none, or it does not open."""
    if sender.access_token is None:
        raise MetaError(_NO_TOKEN, 190, "the channel has no access token")
    try:
        return box.open(sender.access_token, tenant, "channels.access_token")
    except SealBroken as error:
        log.exception("an access token does not open", extra={"channelId": str(sender.id)})
        raise MetaError(TRANSIENT, None, "the channel's access token does not open") from error
