"""The steps of the go-live check: each asks Meta one thing with the channel's own token, and says what it found.

They are independent: each is bounded in time and ends as a finding, so that one that fails hides no other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from crm.channels.findings import Finding, refused, unanswered
from crm.channels.health import FactRow
from crm.channels.notices import TOKEN_REFUSED
from crm.channels.reported import News, of_colour, of_name
from crm.channels.standing import sending, signature
from crm.channels.visit import Visit
from crm.core.meta import MetaError, Upload
from crm.core.payload import dict_of, dicts_of

STEP_SECONDS = 10
SOON = timedelta(days=7)  # a token that ends before is no token to go live with
RECENT = timedelta(hours=24)
SCOPES = ("whatsapp_business_messaging", "whatsapp_business_management")
WEBHOOK = "/webhooks/whatsapp"
_PAGES = 10  # of 100 numbers each
_NUMBER = "id,display_phone_number,status,quality_rating,name_status,whatsapp_business_manager_messaging_limit"
# A white pixel: the smallest PNG that Meta takes.
_PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de00"
    "00000c49444154789c63f8ffff3f0005fe02fe0def46b80000000049454e44ae426082"
)
_REFUSED = News("access", "REFUSED", TOKEN_REFUSED)


Step = Callable[[Visit], Awaitable[Finding]]


async def token(visit: Visit) -> Finding:
    """The token is valid, lasts, and has both permissions."""
    if not visit.token and visit.row.access_token is not None:
        return Finding(
            False,
            (
                "O token guardado não abre com as chaves deste servidor.",
                "The token that is kept does not open with this server's keys.",
            ),
            (
                "Devolva a chave antiga a ENCRYPTION_KEYS, ou grave o token de novo no canal.",
                "Put the old key back into ENCRYPTION_KEYS, or save the token in the channel again.",
            ),
        )
    if not visit.token:
        return Finding(
            False,
            ("O canal não tem token de acesso.", "The channel has no access token."),
            ("Grave no canal um token permanente da Meta.", "Save a permanent token of Meta's in the channel."),
        )
    try:
        told = await _inspected(visit)
    except MetaError as error:
        if error.code in (0, 190) or error.rule.retry != "permanent":
            if error.code in (0, 190):
                visit.news.append(_REFUSED)
            raise
        return Finding(
            True,
            (
                "A Meta não diz as permissões deste token; os outros passos mostram se bastam.",
                "Meta does not tell this token's permissions; the other steps show whether they suffice.",
            ),
        )
    return _judged(visit, told)


def _judged(visit: Visit, told: dict[str, Any]) -> Finding:
    valid = told.get("is_valid") is not False
    visit.news.append(
        News("access", "OK", ends=() if visit.row.resting else (TOKEN_REFUSED,)) if valid else _REFUSED
    )
    if not valid:
        return Finding(
            False,
            ("A Meta diz que o token não vale mais.", "Meta says that the token is no longer valid."),
            ("Gere um novo token e grave-o no canal.", "Make a new token and save it in the channel."),
        )
    scopes = told.get("scopes")
    missing = [scope for scope in SCOPES if isinstance(scopes, list) and scope not in scopes]
    if missing:
        names = ", ".join(missing)
        return Finding(
            False,
            (f"Falta ao token a permissão {names}.", f"The token lacks the permission {names}."),
            ("Gere o token de novo com essa permissão.", "Make the token again with that permission."),
        )
    return _lasting(told.get("expires_at"))


def _lasting(ends: Any) -> Finding:
    at = datetime.fromtimestamp(ends, UTC) if isinstance(ends, int) and 0 < ends < 2**33 else None
    if at and at < datetime.now(UTC) + SOON:
        day = at.date().isoformat()
        return Finding(
            False,
            (f"O token vale só até {day}.", f"The token only lasts until {day}."),
            (
                "Gere um token permanente, de um usuário do sistema na Meta.",
                "Make a permanent token, of a system user at Meta.",
            ),
        )
    return Finding(True, ("O token vale e tem as permissões.", "The token is valid and has its permissions."))


async def _inspected(visit: Visit) -> dict[str, Any]:
    """Meta's word on the token, asked with itself. Raises MetaError."""
    return dict_of((await visit.ask("GET", "debug_token", input_token=visit.token)).get("data"))


async def account(visit: Visit) -> Finding:
    """The number belongs to the account."""
    number, waba, after = visit.row.phone_number_id, visit.row.waba_id, ""
    for _ in range(_PAGES):
        more = {"after": after} if after else {}
        page = await visit.ask("GET", f"{waba}/phone_numbers", fields="id", limit=100, **more)
        if any(str(one.get("id")) == number for one in dicts_of(page.get("data"))):
            return Finding(True, ("O número é desta conta do WhatsApp.", "The number is of this WhatsApp account."))
        paging = dict_of(page.get("paging"))
        after = str(dict_of(paging.get("cursors")).get("after") or "") if paging.get("next") else ""
        if not after:
            break
    return Finding(
        False,
        ("O número não é da conta cadastrada no canal.", "The number is not of the account in the channel."),
        (
            "Copie de novo, da Meta, o ID do número e o ID da conta do WhatsApp.",
            "Copy the phone number id and the WhatsApp account id from Meta again.",
        ),
    )


async def number(visit: Visit) -> Finding:
    """The number is connected; its quality, name and limit are learnt on the way."""
    told = await visit.ask("GET", visit.row.phone_number_id, fields=_NUMBER)
    texts = {name: value for name, value in told.items() if isinstance(value, str) and value}
    if "quality_rating" in texts:
        visit.news.append(of_colour(texts["quality_rating"]))
    if "name_status" in texts:
        visit.news.append(of_name(texts["name_status"]))
    for name, kept in (("whatsapp_business_manager_messaging_limit", "limit"), ("display_phone_number", "number")):
        if name in texts:
            visit.news.append(News(kept, texts[name]))
    status = texts.get("status", "")
    if status == "CONNECTED":
        return Finding(True, ("O número está conectado.", "The number is connected."))
    return Finding(
        False,
        (
            f"O número está {status or 'sem estado'} na Meta.",
            f"At Meta the number is {status or 'without a state'}.",
        ),
        (
            "Registre o número na Meta (com o PIN) e espere o estado CONNECTED.",
            "Register the number at Meta (with its PIN) and wait for the state CONNECTED.",
        ),
    )


async def subscription(visit: Visit) -> Finding:
    """The token's app is subscribed to the account; without that no webhook comes (Meta: onboarding)."""
    listed = await visit.ask("GET", f"{visit.row.waba_id}/subscribed_apps")
    apps = [dict_of(one.get("whatsapp_business_api_data")) for one in dicts_of(listed.get("data"))]
    try:
        own = str((await _inspected(visit)).get("app_id") or "")
    except MetaError:  # then any app must do
        own = ""
    if any(not own or str(app.get("id")) == own for app in apps):
        return Finding(
            True, ("O aplicativo recebe os avisos da conta.", "The app receives the account's webhooks.")
        )
    others = ", ".join(str(app.get("name") or app.get("id")) for app in apps)
    return Finding(
        False,
        (
            f"O aplicativo não está inscrito nesta conta (inscritos: {others or 'nenhum'}).",
            f"The app is not subscribed to this account (subscribed: {others or 'none'}).",
        ),
        (
            "Inscreva-o aqui: POST /api/channels/{id}/subscribe.",
            "Subscribe it here: POST /api/channels/{id}/subscribe.",
        ),
    )


async def webhook(visit: Visit) -> Finding:
    """Webhooks of messages come here: the number's override, then the account's, then the app's address."""
    told = await visit.ask("GET", visit.row.phone_number_id, fields="webhook_configuration")
    layers = dict_of(told.get("webhook_configuration"))
    names = ("phone_number", "whatsapp_business_account", "application")
    url = next((layers[name] for name in names if isinstance(layers.get(name), str) and layers[name]), "")
    if not url:
        return Finding(
            True,
            (
                "Nenhum desvio: vale o endereço do aplicativo.",
                "No override: the app's address is the one that counts.",
            ),
        )
    where = urlsplit(url)
    if (where.netloc == visit.host and where.path == WEBHOOK) or _recent(visit.facts.get("webhook")):
        return Finding(True, (f"As mensagens vêm para {url}.", f"Messages come to {url}."))
    return Finding(
        False,
        (f"As mensagens vão para {url}, e não chegam aqui.", f"Messages go to {url}, and do not arrive here."),
        (
            f"Na Meta, tire o desvio ou ponha https://{visit.host}{WEBHOOK}.",
            f"At Meta, remove the override or set it to https://{visit.host}{WEBHOOK}.",
        ),
    )


async def templates(visit: Visit) -> Finding:
    """The template list can be read."""
    page = await visit.ask("GET", f"{visit.row.waba_id}/message_templates", fields="name,status", limit=1)
    if dicts_of(page.get("data")):
        return Finding(True, ("Os modelos podem ser lidos.", "The templates can be read."))
    return Finding(
        True, ("Os modelos podem ser lidos; ainda não há nenhum.", "The templates can be read; there are none.")
    )


async def media(visit: Visit) -> Finding:
    """A tiny picture can be uploaded; it is deleted again."""
    pixel = Upload("check.png", "image/png", _PIXEL)
    name = (await visit.ask("POST", f"{visit.row.phone_number_id}/media", pixel)).get("id")
    if isinstance(name, str) and name.isalnum():
        await visit.ask("DELETE", name)
    return Finding(True, ("Arquivos podem ser enviados.", "Files can be uploaded."))


STEPS: dict[str, Step] = {
    "token": token,
    "account": account,
    "number": number,
    "subscription": subscription,
    "webhook": webhook,
    "signature": signature,
    "sending": sending,
    "templates": templates,
    "media": media,
}
OFFLINE = ("token", "signature", "sending")  # what can be said without a token


async def take(name: str, visit: Visit) -> Finding:
    """One step, in its time; whatever Meta answers is a finding."""
    if not visit.token and name not in OFFLINE:
        return Finding(
            False,
            ("Sem token não há como perguntar à Meta.", "Without a token Meta cannot be asked."),
            ("Grave um token no canal.", "Save a token in the channel."),
        )
    try:
        async with asyncio.timeout(STEP_SECONDS):
            return await STEPS[name](visit)
    except TimeoutError:
        return unanswered()
    except MetaError as error:
        return refused(error)


def _recent(fact: FactRow | None) -> bool:
    return fact is not None and fact.at > datetime.now(UTC) - RECENT
