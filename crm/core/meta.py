"""Meta's Graph API: one client, and one error that says what to do next (Meta: error codes)."""

import asyncio
import ssl
from functools import cache
from typing import Any

import httpx
import msgspec

from crm.core import meta_errors, metrics, payload
from crm.core.meta_errors import PERMANENT, TRANSIENT, UNCERTAIN, Refusal, Rule, rule

_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
SEND_SECONDS = 40  # a whole send, whatever drips; a lease must outlast it
WINDOW_CLOSED = 131047  # Meta: more than 24 hours since the customer's last message
LONGEST_PAUSE = 3600  # seconds: no answer of Meta's makes a channel rest longer (crm.is_due takes it for over)


class MetaError(Exception):
    """A call that did not succeed. `code` is Meta's (None when no answer came), `rule` what may be done.

    `after` is for how many seconds Meta asked to be left alone, 0 when it did not say; `subcode` and the HTTP
    `status` are hints.
    """

    subcode = status = 0

    def __init__(self, rule: Rule, code: int | None, title: str, detail: str = "", after: float = 0) -> None:
        super().__init__(f"{rule.retry}: ({code}) {title}")
        self.rule, self.code, self.title, self.detail, self.after = rule, code, title, detail, after


def told(code: int | None, title: str, detail: str, action: str | None = None, subcode: int = 0) -> dict[str, Any]:
    """An error as a message carries it (contract, section 6): `action` is a word for what helps, or None.

    Where Meta explains nothing, `detail` is the sentence of our own table, in the product's language.
    """
    known = meta_errors.meaning(code, subcode)
    words = detail or (known.pt.sentence if known else "")
    return {"code": code, "title": title, "detail": words, "action": action or meta_errors.action(code)}


class _ErrorBody(msgspec.Struct):
    """What Meta does not say may be null, too."""

    code: int | None = None
    error_subcode: int | None = None
    message: str | None = None
    error_data: Any = None
    error_user_msg: str | None = None
    is_transient: bool | None = None


class _Usage(msgspec.Struct):
    estimated_time_to_regain_access: float = 0


class _Answer(msgspec.Struct):
    error: _ErrorBody | None = None
    messages: list[dict[str, Any]] | None = None
    contacts: list[dict[str, Any]] | None = None


class Sent(msgspec.Struct, frozen=True):
    """What Meta said of an accepted message: its wamid, and the wa_id it resolved, when it tells."""

    wamid: str
    wa_id: str | None


class Upload(msgspec.Struct, frozen=True):
    """A small file to post as a form (Meta: media)."""

    filename: str
    mime_type: str
    data: bytes

    def form(self) -> dict[str, Any]:
        """What httpx makes the form of; the part's own type is the one that counts."""
        fields = {"messaging_product": "whatsapp", "type": self.mime_type}
        return {"data": fields, "files": {"file": (self.filename, self.data, self.mime_type)}}


@cache
def _trusted() -> ssl.SSLContext:
    """Whose certificates are believed; to read them takes 20 ms."""
    return httpx.create_ssl_context(trust_env=False)


class Graph:
    """Calls with one channel's bearer token. Redirects are never followed with it."""

    def __init__(self, url: str, version: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"{url.rstrip('/')}/{version}/",
            verify=_trusted(),
            timeout=_TIMEOUT,
            trust_env=False,
            headers={"User-Agent": "crm/1"},
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
        )

    @property
    def http(self) -> httpx.AsyncClient:
        """The connections, for calls that carry files (meta_media.py)."""
        return self._http

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(self, phone_number_id: str, access_token: str, message: dict[str, Any]) -> Sent:
        """POST one message. Raises MetaError; `uncertain` when Meta may have read it and nobody can tell."""
        with metrics.graph.labels("messages").time():
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    response = await self._post(f"{phone_number_id}/messages", access_token, message)
            except TimeoutError as error:
                raise MetaError(UNCERTAIN, None, "Meta did not answer in time") from error
        answer = _decoded(response)
        wamid = answer.messages[0].get("id") if answer.messages else None
        if not isinstance(wamid, str) or not wamid:
            raise MetaError(UNCERTAIN, None, "Meta accepted the call and named no message")
        wa_id = answer.contacts[0].get("wa_id") if answer.contacts else None
        return Sent(wamid, wa_id if isinstance(wa_id, str) else None)

    async def ask(
        self, method: str, path: str, access_token: str, body: Any = None, **query: str | int
    ) -> dict[str, Any]:
        """Any other call, below the version's path; the answer. `body`: JSON or an Upload. Raises MetaError.

        What is repeated without harm (all but POST) is transient where a POST would be uncertain.
        """
        name = path.rpartition("/")[2] if "/" in path else "object"
        unknown = UNCERTAIN if method == "POST" else TRANSIENT
        with metrics.graph.labels(name).time():
            try:
                async with asyncio.timeout(SEND_SECONDS):
                    response = await self._call(method, path, access_token, body, query)
            except TimeoutError as error:
                raise MetaError(unknown, None, "Meta did not answer in time") from error
            except MetaError as error:
                if error.rule is not UNCERTAIN:
                    raise
                raise MetaError(unknown, None, error.title) from error
        return answered(response)

    async def _post(self, path: str, access_token: str, body: dict[str, Any]) -> httpx.Response:
        return await self._call("POST", path, access_token, body, {})

    async def _call(
        self, method: str, path: str, access_token: str, body: Any, query: dict[str, str | int]
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {access_token}"}
        content = body.form() if isinstance(body, Upload) else {"json": body}
        try:
            return await self._http.request(method, path, params=query or None, headers=headers, **content)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise MetaError(TRANSIENT, None, "Meta could not be reached") from error
        except httpx.InvalidURL as error:
            raise MetaError(PERMANENT, None, "the channel's phone number id is not usable") from error
        except httpx.RequestError as error:  # or the answer's encoding is not what it says
            # The request may have been read: there is no idempotency key, so it is never repeated blindly.
            raise MetaError(UNCERTAIN, None, "the connection ended before Meta answered") from error


def answered(response: httpx.Response) -> dict[str, Any]:
    """The answer's object. Raises MetaError: refused, or a page where JSON was due."""
    _decoded(response)
    found = _read(response)
    if not isinstance(found, dict):
        raise MetaError(TRANSIENT, None, "Meta's answer cannot be read")
    return found


def _read(response: httpx.Response) -> Any:
    """Its JSON, None when it is none. A text that Meta cut in the middle of a sign spoils nothing beside it."""
    try:
        return payload.read(response.content.decode("utf-8", "replace").encode())
    except ValueError:
        return None


def _decoded(response: httpx.Response) -> _Answer:
    try:
        answer = msgspec.convert(_read(response), _Answer)
    except msgspec.ValidationError:
        answer = _Answer()
    if response.is_success and answer.error is None:
        return answer
    error = answer.error or _ErrorBody()
    subcode = error.error_subcode or 0
    refusal = Refusal(response.status_code, error.code, subcode, bool(error.is_transient))
    title, detail = _without_token(response, error.message or ""), _without_token(response, _detail(error))
    failure = MetaError(rule(refusal), error.code, title, detail, _asked(response.headers))
    failure.subcode, failure.status = subcode, response.status_code
    raise failure


def _without_token(response: httpx.Response, text: str) -> str:
    """Meta quotes a token that it cannot read; what it says is shown and logged, a token never."""
    token = response.request.headers.get("authorization", "").rpartition(" ")[2]
    return text.replace(token, "••••") if token else text


def _asked(headers: httpx.Headers) -> float:
    """Seconds until we may come back: Retry-After, or the minutes of X-Business-Use-Case-Usage (Meta: rates)."""
    seconds = headers.get("retry-after", "")
    if seconds.isdecimal():
        return min(float(seconds), LONGEST_PAUSE)
    try:
        usage = msgspec.json.decode(headers.get("x-business-use-case-usage", "{}"), type=dict[str, list[_Usage]])
    except msgspec.DecodeError:
        return 0
    minutes = max((part.estimated_time_to_regain_access for parts in usage.values() for part in parts), default=0)
    return min(minutes * 60, LONGEST_PAUSE)


def _detail(error: _ErrorBody) -> str:
    """error_data is an object with details, or a plain string; a sentence for people may stand beside it."""
    data = error.error_data
    detail = data.get("details") if isinstance(data, dict) else data
    return str(detail or error.error_user_msg or "")
