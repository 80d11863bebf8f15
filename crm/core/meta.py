"""Meta's Graph API: one client, and one error that says what to do next (Meta: error codes)."""

import asyncio
from typing import Any, Literal

import httpx
import msgspec

from crm.core import metrics

Retry = Literal["permanent", "transient", "throttled", "uncertain"]

_TRANSIENT = {1, 2, 131000, 131016, 133004, 131057, 2494100}
_THROTTLED = {4, 80007, 130429, 131056, 133016, 131048, 131064}
_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
SEND_SECONDS = 40  # a whole send, whatever drips; a lease must outlast it
_ACTIONS = {
    0: "update_token",
    190: "update_token",
    131047: "send_template",
    131026: "check_number",
    131030: "check_number",
    131049: "wait_24_hours",
    131050: "opted_out",
    131042: "check_payment",
    131045: "register_number",
    133010: "register_number",
    131056: "slow_down",
    130429: "slow_down",
}


class MetaError(Exception):
    """A call that did not succeed. `code` is Meta's (None when no answer came), `retry` what may be done."""

    def __init__(self, retry: Retry, code: int | None, title: str, detail: str = "") -> None:
        super().__init__(f"{retry}: ({code}) {title}")
        self.retry: Retry = retry
        self.code, self.title, self.detail = code, title, detail


def told(code: int | None, title: str, detail: str) -> dict[str, Any]:
    """An error as a message carries it (contract, section 6): `action` is a word for what helps, or None."""
    return {"code": code, "title": title, "detail": detail, "action": _ACTIONS.get(code or -1)}


class _ErrorBody(msgspec.Struct):
    code: int = 0
    message: str = ""
    error_data: Any = None
    is_transient: bool = False


class _Answer(msgspec.Struct):
    error: _ErrorBody | None = None
    messages: list[dict[str, Any]] = []
    contacts: list[dict[str, Any]] = []


class Sent(msgspec.Struct, frozen=True):
    """What Meta said of an accepted message: its wamid, and the wa_id it resolved, when it tells."""

    wamid: str
    wa_id: str | None


class Graph:
    """Calls with one channel's bearer token. Redirects are never followed with it."""

    def __init__(self, url: str, version: str) -> None:
        self._http = httpx.AsyncClient(
            base_url=f"{url.rstrip('/')}/{version}/",
            timeout=_TIMEOUT,
            trust_env=False,
            headers={"User-Agent": "crm/1"},
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=16),
        )

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
                raise MetaError("uncertain", None, "Meta did not answer in time") from error
        answer = _decoded(response)
        wamid = answer.messages[0].get("id") if answer.messages else None
        if not isinstance(wamid, str):
            raise MetaError("uncertain", None, "Meta accepted the call and named no message")
        wa_id = answer.contacts[0].get("wa_id") if answer.contacts else None
        return Sent(wamid, wa_id if isinstance(wa_id, str) else None)

    async def _post(self, path: str, access_token: str, body: dict[str, Any]) -> httpx.Response:
        try:
            return await self._http.post(path, json=body, headers={"Authorization": f"Bearer {access_token}"})
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise MetaError("transient", None, "Meta could not be reached") from error
        except httpx.InvalidURL as error:
            raise MetaError("permanent", None, "the channel's phone number id is not usable") from error
        except httpx.TransportError as error:
            # The request may have been read: there is no idempotency key, so it is never repeated blindly.
            raise MetaError("uncertain", None, "the connection ended before Meta answered") from error


def _decoded(response: httpx.Response) -> _Answer:
    try:
        answer = msgspec.json.decode(response.content, type=_Answer)
    except msgspec.DecodeError:
        answer = _Answer()
    if response.is_success and answer.error is None:
        return answer
    error = answer.error or _ErrorBody()
    raise MetaError(_retry(error, response.status_code), error.code or None, error.message, _detail(error))


def _retry(error: _ErrorBody, status: int) -> Retry:
    """Meta's code first, HTTP status only without one: throttling arrives as 400 as well as 429."""
    if error.code in _THROTTLED:
        return "throttled"
    if error.code in _TRANSIENT or error.is_transient:
        return "transient"
    if error.code:
        return "permanent"
    return "throttled" if status == 429 else "transient" if status >= 500 else "permanent"


def _detail(error: _ErrorBody) -> str:
    """error_data is an object with details, or a plain string."""
    if isinstance(error.error_data, dict):
        return str(error.error_data.get("details", ""))
    return str(error.error_data or "")
