"""What a person sends is put into its conversation's lane; the statement decides, and then it is said why not."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec

from crm import conversations, template_texts
from crm.conversations import ConversationOut
from crm.core import sql
from crm.core.errors import Conflict, ContactBlocked, FieldError, Problem, ValidationFailed, WindowClosed, invalid
from crm.core.feed import Event
from crm.core.rails import Rails
from crm.core.tx import Tx
from crm.messages import composing, marks, schedule
from crm.messages.kinds import FILES, Files, Send, TemplateUse
from crm.messages.shapes import MessageRow, latest, told

_sql = sql.load("sending")
_NO_FILE = Files((), 0)


class UsableRow(msgspec.Struct, frozen=True):
    """A template of the conversation's account."""

    id: UUID
    components: list[dict[str, Any]]
    parameter_format: str


class RefusedRow(msgspec.Struct, frozen=True):
    """What a message that was not put looked for. `twin`: the message sent under the same client id."""

    twin: UUID | None
    blocked: bool
    erased: bool
    file_state: str | None
    mime_type: str | None
    size: int | None
    animated: bool | None
    template_status: str | None
    opted_out: bool
    quoted: bool
    reactable: bool


class Parts(msgspec.Struct, frozen=True):
    """What a message hangs on, and its words."""

    content: str
    files: list[tuple[UUID, str]]
    template: UUID | None
    quoted: UUID | None

    @property
    def file(self) -> tuple[UUID, str] | None:
        """The one that the row itself names; those of further cards are beside it."""
        return self.files[0] if self.files else None


async def put(
    rails: Rails, tx: Tx, conversation: UUID, new: Send, by: UUID | None, before: Sequence[Event] = ()
) -> MessageRow:
    """Insert the row where it may go, tell everybody (first `before`), and wake its lane after the commit.

    Raises NotFound, WindowClosed, Conflict, ValidationFailed.
    """
    row, events = await insert(rails, tx, conversation, new, by)
    await rails.feed.append(tx, [*before, *events])
    return row


async def insert(
    rails: Rails, tx: Tx, conversation: UUID, new: Send, by: UUID | None
) -> tuple[MessageRow, list[Event]]:
    """As `put`, for who does more before the commit: he tells the events himself, with his own. Raises as `put`."""
    schedule.check(new.send_at)
    new = await _typed(tx, new)
    parts = await _parts(tx, conversation, new)
    row = await _queue(tx, conversation, new, parts, by)
    if row is None:
        raise await _refusal(tx, conversation, new, parts)
    if len(parts.files) > 1:
        await _attach(tx, conversation, row.id, new, parts)
    targets = await marks.hold(tx, ids=[row.id]) if new.reaction else set()
    if row.send_at is not None:
        place = conversations.shown(await conversations.found(tx, conversation))
    else:
        row, place = await _last(tx, row)
        tenant = tx.tenant
        assert tenant is not None
        tx.after_commit(lambda: rails.wake.send(tenant, conversation))
    return row, [told(row, place), *await marks.stand(tx, targets)]


async def _last(tx: Tx, row: MessageRow) -> tuple[MessageRow, ConversationOut]:
    """The message as its conversation's last, which is held from here on.

    Its time is when its transaction began: what came to the conversation before it may be later.
    """
    touched, _ = await conversations.touch(tx, [latest(row)])
    place = touched[row.conversation_id]
    if place.last_message and place.last_message.id != row.id:
        row = await tx.one(_sql.place_behind, MessageRow, id=row.id)
        touched, _ = await conversations.touch(tx, [latest(row)])
        place = touched[row.conversation_id]
    return row, place


async def _typed(tx: Tx, new: Send) -> Send:
    """A file whose type is not given goes as what it is. Raises ValidationFailed: not each takes a caption."""
    if new.type is not None or new.media_id is None:
        return new
    mime = await tx.value(_sql.mime_type, file=new.media_id)
    kind = next((kind for kind, files in FILES.items() if mime in files.mime_types), new.kind)
    if errors := Send.misfits({"type": kind, "mediaId": new.media_id, "caption": new.caption}):
        raise ValidationFailed(errors=errors)
    return msgspec.structs.replace(new, type=kind)


async def _parts(tx: Tx, conversation: UUID, new: Send) -> Parts:
    """Raises ValidationFailed when there is no such template, or its parameters do not fit."""
    quoted = new.reaction.message_id if new.reaction else new.reply_to
    if new.template is None:
        return Parts(composing.content(new), composing.files(new), None, quoted)
    row = await _usable(tx, conversation, new.template)
    given = composing.template(new.template).get("components")
    if faults := template_texts.check_parameters(row.components, row.parameter_format, given, new.send_at):
        raise ValidationFailed(errors=[FieldError(f"/template/components{at}", pt, en) for at, pt, en in faults])
    return Parts(composing.filled(row.components, new.template), composing.files(new), row.id, quoted)


async def _usable(tx: Tx, conversation: UUID, use: TemplateUse) -> UsableRow:
    """The template as the hotel knows it. Raises NotFound, ValidationFailed."""
    row = await tx.maybe(_sql.usable, UsableRow, conversation=conversation, name=use.name, language=use.code)
    if row is None:
        await conversations.found(tx, conversation)
        raise invalid(
            "/template/name",
            f"nenhum modelo `{use.name}` em {use.code} nesta conta do WhatsApp",
            f"no template `{use.name}` in {use.code} in this WhatsApp account",
        )
    return row


async def _queue(tx: Tx, conversation: UUID, new: Send, parts: Parts, by: UUID | None) -> MessageRow | None:
    media, kind = parts.file or (None, "")
    files = FILES.get(kind, _NO_FILE)
    return await tx.maybe(
        _sql.queue,
        MessageRow,
        conversation=conversation,
        type=new.kind,
        content=parts.content,
        payload=composing.payload(new),
        media_id=media,
        mime_types=list(files.mime_types),
        most=files.most,
        most_animated=files.most_animated or files.most,
        template=parts.template,
        reply_to=parts.quoted,
        client_id=new.client_message_id,
        sent_by=by,
        send_at=new.send_at,
    )


async def _attach(tx: Tx, conversation: UUID, message: UUID, new: Send, parts: Parts) -> None:
    """The files of further cards, which the row has no room for. Raises ValidationFailed, naming the card."""
    ids = {file for file, _ in parts.files}
    files = FILES.get(parts.files[0][1], _NO_FILE)
    fit = {"mime_types": list(files.mime_types), "most": files.most}
    if await tx.count(_sql.attach, message=message, files=list(ids), **fit) == len(ids):
        return
    for place, file in enumerate(parts.files):
        why = await tx.one(
            _sql.refused,
            RefusedRow,
            conversation=conversation,
            media_id=file[0],
            template=None,
            reply_to=None,
            client_id=None,
        )
        refusal = _file_refusal(_pointer(new, place), file[1], why)
        if refusal is not None:
            raise refusal
    raise invalid("/template/components", "um arquivo não serve", "a file does not fit")


async def _refusal(tx: Tx, conversation: UUID, new: Send, parts: Parts) -> Problem:
    """Why nothing was inserted. Raises NotFound when there is no such conversation."""
    await conversations.found(tx, conversation)
    why = await tx.one(
        _sql.refused,
        RefusedRow,
        conversation=conversation,
        media_id=parts.file and parts.file[0],
        template=parts.template,
        reply_to=parts.quoted,
        client_id=new.client_message_id,
    )
    if why.twin is not None:
        return Conflict(
            "Este clientMessageId já foi usado.", "This clientMessageId was used.", existingId=str(why.twin)
        )
    if why.blocked:
        return ContactBlocked()
    if parts.quoted is not None and not why.quoted:
        pointer = "/reaction/messageId" if new.reaction else "/replyTo"
        return invalid(pointer, "mensagem inexistente nesta conversa", "no such message in this conversation")
    if new.reaction is not None and not why.reactable:
        return invalid(
            "/reaction/messageId",
            "só se reage a uma mensagem que está no WhatsApp há até 30 dias, e não a uma reação",
            "only a message that is on WhatsApp, for 30 days at most, takes a reaction; a reaction takes none",
        )
    file = _file_refusal(_pointer(new, 0), parts.file[1], why) if parts.file else None
    return file or _template_refusal(parts, why) or _closed(new)


def _pointer(new: Send, place: int) -> str:
    """Where the file stands that is the message's at this place."""
    if new.media_id:
        return "/mediaId"
    components = (new.template.components or []) if new.template else []
    carousel = next((number for number, one in enumerate(components) if one.cards), None)
    return f"/{new.kind}" if carousel is None else f"/template/components/{carousel}/cards/{place}"


def _closed(new: Send) -> WindowClosed:
    return WindowClosed() if new.send_at is None else schedule.too_late()


def _file_refusal(pointer: str, kind: str, why: RefusedRow) -> Problem | None:
    """There is no such file, it is not ready, or it is not one that the type takes."""
    if why.file_state is None:
        return invalid(pointer, "arquivo inexistente: envie-o a /api/media", "no such file: send it to /api/media")
    if why.file_state != "READY":
        return invalid(pointer, "o arquivo não está pronto", "the file is not ready")
    files, mime = FILES[kind], (why.mime_type or "").partition(";")[0]
    if mime not in files.mime_types:
        known = ", ".join(files.mime_types)
        return invalid(pointer, f"é {mime}; `{kind}` aceita {known}", f"is {mime}; `{kind}` takes {known}")
    most = (files.most_animated if why.animated else 0) or files.most
    if (why.size or 0) > most:
        return invalid(pointer, f"maior que {most // 1024} KB", f"larger than {most // 1024} KB")
    return None


def _template_refusal(parts: Parts, why: RefusedRow) -> Problem | None:
    if parts.template is None:
        return None
    if why.erased:  # a text's refusal is its window's, which is closed for good
        return Conflict(
            "Os dados deste contato foram apagados: nada mais lhe é enviado.",
            "This contact's data were erased: nothing more is sent to them.",
        )
    if why.opted_out:
        return Conflict(
            "Este cliente não quer receber mensagens de marketing.",
            "This customer does not want marketing messages.",
        )
    if why.template_status == "APPROVED":
        return None
    status = why.template_status or "DELETED"
    return Conflict(f"O modelo não está aprovado: {status}.", f"The template is not approved: {status}.")
