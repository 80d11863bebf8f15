"""The go-live check of a number, and subscribing its app: doors that call Meta outside any transaction."""

import asyncio
from datetime import UTC, datetime

import msgspec

from crm import audit
from crm.channels import health, notices, views
from crm.channels.findings import Finding, refused
from crm.channels.reported import News
from crm.channels.routing import learn
from crm.channels.shapes import CheckedRow
from crm.channels.steps import STEPS, take
from crm.channels.tokens import opened
from crm.channels.visit import Visit
from crm.core import sql
from crm.core.access import TENANT_ADMIN
from crm.core.errors import Conflict, NotFound, Unavailable
from crm.core.http import Call, Door
from crm.core.meta import MetaError
from crm.core.payload import dicts_of
from crm.core.tx import Tx

_sql = sql.load("channels")


class StepOut(msgspec.Struct, frozen=True):
    """A step of the check in words a hotel understands; `fix` says what to do where it is not well."""

    step: str
    ok: bool
    detail: str
    fix: str | None


class Checked(msgspec.Struct, frozen=True):
    """The whole check, step by step; `ok` when every step is."""

    ok: bool
    data: list[StepOut]


async def check(call: Call) -> Checked:
    """Ask Meta, all at once, whether this number is ready; what is not becomes a notice. Raises NotFound."""
    visit = await _visit(call)
    found = await asyncio.gather(*(take(name, visit) for name in STEPS))
    findings = dict(zip(STEPS, found, strict=True))
    async with call.opened() as tx:
        await _kept(call, tx, visit, [name for name, finding in findings.items() if not finding.ok])
    english = views.english(call)
    steps = [_shown(name, finding, english) for name, finding in findings.items()]
    return Checked(all(step.ok for step in steps), steps)


async def subscribe(call: Call) -> StepOut:
    """Subscribe the token's app to the account's webhooks; an override that stands there is set again.

    Meta removes an override when it is posted to without one. Raises NotFound, Conflict, Unavailable.
    """
    visit = await _visit(call)
    if not visit.token:
        raise _conflict(await take("token", visit))
    path = f"{visit.row.waba_id}/subscribed_apps"
    try:
        listed = await visit.ask("GET", path)
        override = next(
            (
                one["override_callback_uri"]
                for one in dicts_of(listed.get("data"))
                if "override_callback_uri" in one
            ),
            None,
        )
        body = {"override_callback_uri": override, "verify_token": visit.row.verify_token} if override else None
        await visit.ask("POST", path, body)
    except MetaError as error:
        raise _problem(error) from error
    async with call.opened() as tx:
        await audit.note(call, tx, "channel.subscribed", visit.row.id, override=override)
    return _shown("subscription", await take("subscription", visit), views.english(call))


def _problem(error: MetaError) -> Conflict | Unavailable:
    """What Meta refused for good is told; what passes may be tried again."""
    if error.code is None or error.rule.retry == "transient":
        return Unavailable(30)
    return _conflict(refused(error))


def _conflict(finding: Finding) -> Conflict:
    pt, en = (" ".join(part) for part in zip(finding.detail, finding.fix or ("", ""), strict=True))
    return Conflict(pt, en)


async def _visit(call: Call) -> Visit:
    """The channel with its token opened. Raises NotFound."""
    async with call.opened() as tx:
        row = await tx.maybe(_sql.checked, CheckedRow, id=call.id())
        facts = await health.facts(tx, call.id())
    if row is None:
        raise NotFound
    host = call.request.headers.get("host", "")
    return Visit(call.rails.graph, row, _token(call, row), facts.get(row.id, {}), host)


def _token(call: Call, row: CheckedRow) -> str:
    """The token, '' when there is none that opens."""
    tenant = call.who.tenant
    if row.access_token is None or tenant is None:
        return ""
    try:
        return opened(call.rails.box, tenant, row.access_token, channelId=str(row.id))
    except MetaError:
        return ""


async def _kept(call: Call, tx: Tx, visit: Visit, failed: list[str]) -> None:
    """Keep what the check learnt, and say what is not well, or that all is."""
    channel, now = visit.row.id, datetime.now(UTC)
    await learn(tx, [channel], [*visit.news, News("check", "FAILED" if failed else "OK")], now)
    if failed:
        await notices.post(tx, [channel], notices.CHECK_FAILED, {"steps": failed})
    else:
        await notices.end(tx, [channel], [notices.CHECK_FAILED])
    await audit.note(call, tx, "channel.checked", channel, failed=failed)
    await call.rails.feed.append(tx, await views.updated(tx, [channel]))


def _shown(name: str, finding: Finding, english: bool) -> StepOut:
    place = int(english)
    return StepOut(name, finding.ok, finding.detail[place], finding.fix[place] if finding.fix else None)


routes = [
    Door(
        method="POST",
        path="/api/channels/{id}/check",
        handler=check,
        role=TENANT_ADMIN,
        answer=Checked,
        own_tx=True,
    ),
    Door(
        method="POST",
        path="/api/channels/{id}/subscribe",
        handler=subscribe,
        role=TENANT_ADMIN,
        answer=StepOut,
        own_tx=True,
    ),
]
