"""Notices on a number: what people should act on, until somebody dismisses it or its cause ends by itself."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec

from crm.core import sql
from crm.core.meta_codes import Words
from crm.core.meta_errors import meaning
from crm.core.page import Stamp, maybe_stamp, stamp
from crm.core.tx import Tx

_sql = sql.load("notices")

Severity = Literal["INFO", "WARNING", "CRITICAL"]
TOKEN_REFUSED, SENDING_STOPPED, CHECK_FAILED = "token_refused", "sending_stopped", "check_failed"
QUALITY_LOW, LIMIT_LOWERED, NAME_REFUSED = "quality_low", "limit_lowered", "name_refused"
SILENT = "silent"
RESTS = (TOKEN_REFUSED, SENDING_STOPPED)  # what a new token or a resumed channel ends


class NoticeRow(msgspec.Struct, frozen=True):
    """A notice as stored; dismissed by nobody: its cause has ended."""

    id: UUID
    channel_id: UUID
    kind: str
    severity: Severity
    data: dict[str, Any]
    created_at: datetime
    dismissed_at: datetime | None
    dismissed_by: UUID | None


class NoticedRow(msgspec.Struct, frozen=True):
    """A channel whose notices have changed."""

    channel_id: UUID


class NoticeOut(msgspec.Struct, frozen=True, rename="camel"):
    """A notice as it is shown: `text` says what is the matter, `whatToDo` what helps, `data` what Meta told."""

    id: UUID
    kind: str
    severity: Severity
    text: str
    what_to_do: str
    data: dict[str, Any]
    created_at: Stamp
    dismissed_at: Stamp | None
    dismissed_by: UUID | None


class Kind(msgspec.Struct, frozen=True):
    """How grave a kind is, and its words."""

    severity: Severity
    pt: Words
    en: Words


_LOOK = Words(
    "",
    "Um administrador deve abrir o Gerenciador do WhatsApp na Meta, ver o motivo e pedir a revisão se for o caso.",
)
_LOOK_EN = Words(
    "", "An admin must open WhatsApp Manager at Meta, read the reason and ask for a review if it is wrong."
)


def _at_meta(severity: Severity, pt: str, en: str) -> Kind:
    """A kind that is put right in Meta's own pages."""
    return Kind(severity, Words(pt, _LOOK.what_to_do), Words(en, _LOOK_EN.what_to_do))


KINDS: dict[str, Kind] = {
    "account_alert": _at_meta(
        "WARNING",
        "A Meta enviou um alerta sobre a conta do WhatsApp.",
        "Meta sent an alert about the WhatsApp account.",
    ),
    "account_alert_critical": _at_meta(
        "CRITICAL",
        "A Meta enviou um alerta grave sobre a conta do WhatsApp.",
        "Meta sent a grave alert about the WhatsApp account.",
    ),
    "account_banned": _at_meta(
        "CRITICAL",
        "A Meta desativou a conta do WhatsApp, ou marcou data para isso.",
        "Meta has disabled the WhatsApp account, or set a date for it.",
    ),
    "account_deleted": _at_meta(
        "CRITICAL", "A conta do WhatsApp foi apagada na Meta.", "The WhatsApp account was deleted at Meta."
    ),
    "account_restricted": _at_meta(
        "CRITICAL", "A Meta restringiu a conta do WhatsApp.", "Meta has restricted the WhatsApp account."
    ),
    "account_violation": _at_meta(
        "WARNING",
        "A Meta registrou uma violação das políticas do WhatsApp.",
        "Meta has noted a violation of WhatsApp's policies.",
    ),
    "app_removed": Kind(
        "CRITICAL",
        Words(
            "O aplicativo perdeu o acesso à conta do WhatsApp: mensagens não chegam mais.",
            "Um administrador deve dar acesso de novo na Meta e depois assinar o canal (POST …/subscribe).",
        ),
        Words(
            "The app has lost its access to the WhatsApp account: messages no longer come in.",
            "An admin must give access again at Meta and then subscribe the channel (POST …/subscribe).",
        ),
    ),
    CHECK_FAILED: Kind(
        "WARNING",
        Words(
            "A verificação do canal encontrou o que corrigir.",
            "Abra a verificação, siga o que cada passo pede e verifique de novo.",
        ),
        Words(
            "The channel's check found something to put right.",
            "Open the check, do what each step asks and check again.",
        ),
    ),
    LIMIT_LOWERED: Kind(
        "WARNING",
        Words(
            "A Meta baixou o limite de conversas iniciadas pelo hotel.",
            "Escreva menos a quem não espera mensagens; com boa qualidade o limite sobe de novo.",
        ),
        Words(
            "Meta has lowered the limit of conversations the hotel may begin.",
            "Write less to people who expect no message; with good quality the limit rises again.",
        ),
    ),
    NAME_REFUSED: Kind(
        "WARNING",
        Words(
            "A Meta não aprovou o nome de exibição do número.",
            "Um administrador deve corrigir o nome na Meta e pedir a aprovação de novo.",
        ),
        Words(
            "Meta has not approved the number's display name.",
            "An admin must correct the name at Meta and ask for approval again.",
        ),
    ),
    "phone_app_left": Kind(
        "CRITICAL",
        Words(
            "O número foi desligado da plataforma pelo aplicativo do celular.",
            "Um administrador deve conectar o número de novo pelo WhatsApp Business do celular.",
        ),
        Words(
            "The number was disconnected from the platform by its phone app.",
            "An admin must connect the number again from the phone's WhatsApp Business.",
        ),
    ),
    QUALITY_LOW: Kind(
        "WARNING",
        Words(
            "A qualidade do número caiu: pessoas bloquearam ou denunciaram mensagens dele.",
            "Pare envios em massa e responda só a quem escreve, até a qualidade voltar.",
        ),
        Words(
            "The number's quality has fallen: people blocked or reported its messages.",
            "Stop sending to many and only answer those who write, until the quality is back.",
        ),
    ),
    "review_refused": _at_meta(
        "CRITICAL",
        "A Meta recusou a conta do WhatsApp na revisão.",
        "Meta's review has refused the WhatsApp account.",
    ),
    "security_event": Kind(
        "WARNING",
        Words(
            "Alguém pediu ou fez uma mudança de segurança (PIN) neste número.",
            "Se não foi o hotel, troque o PIN e revise na Meta quem tem acesso.",
        ),
        Words(
            "Somebody asked for or made a security change (PIN) of this number.",
            "If it was not the hotel, change the PIN and review at Meta who has access.",
        ),
    ),
    SENDING_STOPPED: Kind(
        "CRITICAL",
        Words("O WhatsApp recusa os envios deste número.", _LOOK.what_to_do),
        Words("WhatsApp refuses what this number sends.", _LOOK_EN.what_to_do),
    ),
    SILENT: Kind(
        "WARNING",
        Words(
            "Nenhum cliente escreveu a este número, embora a esta hora costumem escrever.",
            "Escreva ao número por um celular. Se nada aparecer, abra a verificação do canal e siga os passos.",
        ),
        Words(
            "No customer has written to this number, though at this time they usually do.",
            "Write to the number from a phone. If nothing appears, open the channel's check and do what it asks.",
        ),
    ),
    TOKEN_REFUSED: Kind(
        "CRITICAL",
        Words(
            "A Meta recusou o token de acesso: nada é enviado por este número.",
            "Gere um novo token na Meta e grave-o no canal; as mensagens em espera seguem sozinhas.",
        ),
        Words(
            "Meta has refused the access token: nothing is sent over this number.",
            "Make a new token at Meta and save it in the channel; what waits is then sent by itself.",
        ),
    ),
    "username_deleted": Kind(
        "INFO",
        Words("O nome de usuário do número foi apagado.", "Escolha outro na Meta, se o hotel quiser um."),
        Words("The number's username was deleted.", "Choose another one at Meta, if the hotel wants one."),
    ),
}


async def post(
    tx: Tx, channels: Iterable[UUID], kind: str, data: dict[str, Any], severity: Severity | None = None
) -> list[UUID]:
    """Raise a notice, or say anew what the open one says; the channels where that changed anything."""
    grave = severity or KINDS[kind].severity
    rows = await tx.many(_sql.post, NoticedRow, channels=sorted(channels), kind=kind, severity=grave, data=data)
    return [row.channel_id for row in rows]


async def end(tx: Tx, channels: Iterable[UUID], kinds: Sequence[str]) -> list[UUID]:
    """The cause is over: dismiss what is open of these kinds; the channels that had any."""
    rows = await tx.many(_sql.end, NoticedRow, channels=sorted(channels), kinds=list(kinds))
    return list({row.channel_id for row in rows})


async def dismiss(tx: Tx, channel: UUID, notice: UUID, by: UUID) -> NoticeRow | None:
    """A person has read it; None when the channel has no such notice."""
    return await tx.maybe(_sql.dismiss, NoticeRow, channel=channel, id=notice, by=by)


async def open_of(tx: Tx, channel: UUID | None) -> list[NoticeRow]:
    """The open notices of a channel, or of all."""
    return await tx.many(_sql.open, NoticeRow, channel=channel)


def shown(row: NoticeRow, english: bool) -> NoticeOut:
    """The row as it is told; what Meta itself said (`data.says`) follows our sentence."""
    words = _words(row, english)
    says = row.data.get("says")
    return NoticeOut(
        row.id,
        row.kind,
        row.severity,
        f"{words.sentence} Meta: {says}" if says else words.sentence,
        words.what_to_do,
        row.data,
        stamp(row.created_at),
        maybe_stamp(row.dismissed_at),
        row.dismissed_by,
    )


def _words(row: NoticeRow, english: bool) -> Words:
    """The kind's words; of a stop, those of Meta's code. A kind of a later version is told by its name."""
    code = row.data.get("code")
    found = meaning(code) if row.kind == SENDING_STOPPED and isinstance(code, int) else KINDS.get(row.kind)
    if found is None:
        return Words(row.kind, "")
    return found.en if english else found.pt
