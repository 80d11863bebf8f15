"""A person's data as a page that people read, in Portuguese."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from crm.messages import MessageRow
from crm.privacy.shapes import FileRow, HouseRow

EVER = datetime.fromtimestamp(0, UTC)
END = "</table></body></html>\n"
_KINDS = {
    "contact": "Cadastro",
    "identity": "Identificação no WhatsApp",
    "formerIdentity": "Identificação anterior",
    "conversation": "Conversa",
    "note": "Anotação do hotel",
    "stay": "Hospedagem",
}
_STYLE = "body{font-family:sans-serif;max-width:60em;margin:2em auto}td{padding:.3em .6em;vertical-align:top}"


def start(house: HouseRow, facts: Mapping[str, Iterable[Mapping[str, Any]]]) -> str:
    """The head of the page, what is known, and the beginning of the messages."""
    title = f"Dados pessoais tratados por {escape(house.name)}"
    head = f'<html lang="pt-BR"><head><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style></head>'
    known = "".join(_facts(kind, row) for kind, rows in facts.items() for row in rows)
    return f"<!doctype html>{head}<body><h1>{title}</h1>{known}<h2>Mensagens</h2><table>"


def _facts(kind: str, facts: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(_text(value))}</td></tr>"
        for name, value in facts.items()
        if value not in (None, "", [], {})
    )
    return f"<h2>{escape(_KINDS.get(kind, kind))}</h2><table>{rows}</table>"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def messages(house: HouseRow, rows: Sequence[MessageRow], files: Mapping[str, str]) -> str:
    """Messages, each with its time at the hotel, who wrote it, and its file."""
    zone = ZoneInfo(house.timezone)
    return "".join(_message(row, zone, files) for row in rows)


def _message(row: MessageRow, zone: ZoneInfo, files: Mapping[str, str]) -> str:
    who = "Hóspede" if row.direction == "INBOUND" else "Hotel"
    at = row.created_at.astimezone(zone).strftime("%d/%m/%Y %H:%M:%S")
    file = files.get(str((row.media or {}).get("id")))
    link = f' <a href="{escape(file)}">arquivo</a>' if file else ""
    text = escape(row.content or "").replace("\n", "<br>")
    return f"<tr><td>{at}</td><td>{who}</td><td>{text}{link}</td></tr>"


def path(row: FileRow) -> str:
    """Where a file lies in the zip: its id, then its name without what could lead elsewhere."""
    name = "".join(letter if letter.isalnum() or letter in "-_. " else "_" for letter in row.filename or "")
    return f"arquivos/{row.id}-{name or row.mime_type.partition(';')[0].replace('/', '.')}"
