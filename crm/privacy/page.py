"""A person's data as a page that people read, in Portuguese."""

import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

from crm.messages import MessageRow
from crm.privacy.shapes import FileRow, HouseRow

EVER = datetime.fromtimestamp(0, UTC)
END = "</table></body></html>\n"
_DAY, _TIME = re.compile(r"\d{4}-\d\d-\d\d"), re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?[+-]\d\d:\d\d")
_KINDS = {
    "contact": "Cadastro",
    "identity": "Identificação no WhatsApp",
    "formerIdentity": "Identificação anterior",
    "conversation": "Conversa",
    "note": "Anotação do hotel",
    "stay": "Hospedagem",
}
# What of a row is told here; numbers of ours, and what a later migration adds, stand in dados.json.
_LABELS = {
    "name": "Nome", "profile_name": "Nome no WhatsApp", "username": "Nome de usuário", "phone": "Telefone",
    "wa_id": "Número no WhatsApp", "bsuid": "Código no WhatsApp", "email": "E-mail", "language": "Idioma",
    "tags": "Etiquetas", "attributes": "Outros dados", "blocked": "Bloqueado", "marketing_opt_out": "Sem anúncios",
    "marketing_opt_out_at": "Recusou em", "kind": "Tipo", "value": "Valor", "status": "Situação", "code": "Reserva",
    "room": "Quarto", "check_in": "Chegada", "check_out": "Saída", "content": "Texto", "closed_at": "Encerrada em",
    "last_message_at": "Última mensagem", "created_at": "Registrado em",
}  # fmt: skip
_STYLE = "body{font-family:sans-serif;max-width:60em;margin:2em auto}td{padding:.3em .6em;vertical-align:top}"


def start(house: HouseRow, facts: Mapping[str, Iterable[Mapping[str, Any]]]) -> str:
    """The head of the page, what is known, and the beginning of the messages."""
    title = f"Dados pessoais tratados por {escape(house.name)}"
    head = f'<html lang="pt-BR"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>'
    more = "<p>O arquivo dados.json contém tudo, também os códigos internos que aqui não aparecem.</p>"
    zone = ZoneInfo(house.timezone)
    known = "".join(_facts(kind, row, zone) for kind, rows in facts.items() for row in rows)
    return f"<!doctype html>{head}<body><h1>{title}</h1>{more}{known}<h2>Mensagens</h2><table>"


def _facts(kind: str, facts: Mapping[str, Any], zone: ZoneInfo) -> str:
    rows = "".join(
        f"<tr><td>{label}</td><td>{escape(_text(facts[name], zone))}</td></tr>"
        for name, label in _LABELS.items()
        if facts.get(name) not in (None, "", [], {})
    )
    return f"<h2>{escape(_KINDS.get(kind, kind))}</h2><table>{rows}</table>"


def _text(value: Any, zone: ZoneInfo) -> str:
    """As people read it: yes and no, days, and times at the hotel."""
    if isinstance(value, bool):
        return "sim" if value else "não"
    if isinstance(value, list):
        return ", ".join(_text(one, zone) for one in value)
    if isinstance(value, dict):
        return "; ".join(f"{name}: {_text(one, zone)}" for name, one in value.items())
    with suppress(ValueError, OverflowError):  # what only looks like a day
        if _DAY.fullmatch(str(value)):
            return f"{date.fromisoformat(value):%d/%m/%Y}"
        if _TIME.fullmatch(str(value)):
            return _moment(datetime.fromisoformat(value), zone)
    return str(value)


def _moment(at: datetime, zone: ZoneInfo) -> str:
    return f"{at.astimezone(zone):%d/%m/%Y %H:%M:%S}"


def messages(house: HouseRow, rows: Sequence[MessageRow], files: Mapping[str, str]) -> str:
    """Messages, each with its time at the hotel, who wrote it, and its file."""
    zone = ZoneInfo(house.timezone)
    return "".join(_message(row, zone, files) for row in rows)


def _message(row: MessageRow, zone: ZoneInfo, files: Mapping[str, str]) -> str:
    who = "Hóspede" if row.direction == "INBOUND" else "Hotel"
    file = files.get(row.media["id"]) if row.media else None
    link = f' <a href="{escape(file)}">arquivo</a>' if file else ""
    text = escape(row.content or "").replace("\n", "<br>")
    return f"<tr><td>{_moment(row.created_at, zone)}</td><td>{who}</td><td>{text}{link}</td></tr>"


def path(row: FileRow) -> str:
    """Where a file lies in the zip: its id, then its name without what could lead elsewhere."""
    name = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in row.filename or "")
    return f"arquivos/{row.id}-{name or row.mime_type.partition(';')[0].replace('/', '.')}"
