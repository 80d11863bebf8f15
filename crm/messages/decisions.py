"""What people decide about a message: send it again, it arrived, do not send it."""

from typing import Any
from uuid import UUID

from crm import conversations, dead_letters
from crm.core import sql
from crm.core.access import ATTENDANT
from crm.core.errors import Conflict, ContactBlocked, NotFound, Problem, WindowClosed
from crm.core.http import Call, Door
from crm.core.rails import Rails
from crm.core.tx import Tx
from crm.messages import marks
from crm.messages.shapes import MessageOut, MessageRow, StandingRow, changed, shown

_sql = sql.load("sends")


async def send_again(rails: Rails, tx: Tx, message: UUID, by: UUID | None) -> MessageRow:
    """Queue a failed or offered message again. Raises NotFound, Conflict, WindowClosed."""
    await dead_letters.end_about(tx, dead_letters.SEND, str(message), by)
    row = await _decided(rails, tx, _sql.retry, message)
    tenant = tx.tenant
    if tenant is not None:
        tx.after_commit(lambda: rails.wake.send(tenant, row.conversation_id))
    return row


async def _decided(rails: Rails, tx: Tx, query: Any, message: UUID) -> MessageRow:
    held = await marks.hold(tx, ids=[message])
    row = await tx.maybe(query, MessageRow, id=message)
    if row is None:
        raise await _refusal(tx, query, message)
    await conversations.restate(tx, row.conversation_id, row.id, row.status)
    await rails.feed.append(tx, [changed(row), *await marks.stand(tx, held)])
    return row


async def _refusal(tx: Tx, query: Any, message: UUID) -> Problem:
    """Why nothing changed. Raises NotFound."""
    standing = await tx.maybe(_sql.standing, StandingRow, id=message)
    if standing is None or standing.direction == "INBOUND":
        raise NotFound
    if query is _sql.retry and (standing.status == "FAILED" or standing.offered):
        return _unsendable(standing)
    if standing.status == "UNCERTAIN" and query is not _sql.cancel:
        return Conflict(
            "O WhatsApp ainda pode dizer se esta mensagem chegou. Decida 15 minutos depois do envio.",
            "WhatsApp may still tell whether this message arrived. Decide 15 minutes after it was sent.",
        )
    return Conflict(
        f"Não é possível: a mensagem está {standing.status}.", f"Not possible: the message is {standing.status}."
    )


def _unsendable(standing: StandingRow) -> Conflict:
    if standing.erased:
        return Conflict(
            "O conteúdo desta mensagem foi apagado: não há mais o que enviar.",
            "The content of this message was erased: there is nothing to send any more.",
        )
    if standing.blocked:
        return ContactBlocked()
    if standing.type != "template":
        return WindowClosed()
    return Conflict(
        "O modelo não está mais aprovado, ou é de marketing e este contato não quer recebê-lo.",
        "The template is not approved any more, or is marketing and this contact wants none.",
    )


async def retry(call: Call) -> MessageOut:
    """Send a failed message again, or one nobody knows the end of. Raises NotFound, Conflict, WindowClosed."""
    return shown(await send_again(call.rails, call.tx, call.id(), call.who.user))


async def arrived(call: Call) -> MessageOut:
    """The customer has it, a person knows: SENT. Raises NotFound, Conflict."""
    return shown(await _decided(call.rails, call.tx, _sql.arrived, call.id()))


async def cancel(call: Call) -> None:
    """Do not send a scheduled message. Raises NotFound, Conflict."""
    await _decided(call.rails, call.tx, _sql.cancel, call.id())


routes = [
    Door(method="POST", path="/api/messages/{id}/retry", handler=retry, role=ATTENDANT, answer=MessageOut),
    Door(method="POST", path="/api/messages/{id}/arrived", handler=arrived, role=ATTENDANT, answer=MessageOut),
    Door(method="DELETE", path="/api/messages/{id}", handler=cancel, role=ATTENDANT, status=204),
]
